"""A folder is a registry: the file's stem is the plug-in's name, `__all__` names its one export.

Plug-ins are described by reading their source, never by importing it, so that listing
forty models costs a few milliseconds and does not import torch. A plug-in's options are
the parameters of its export (`__init__`, the fields of a dataclass, or the function's own)
but for `runtime`, which the caller supplies; their help is the `Args:` section of its docstring.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import importlib.util
import inspect
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from lmbench.errors import UsageError
from lmbench.invocation import install
from lmbench.plugin import Option, Plugin, read
from lmbench.spec import FIRST, Spec, Value, parse

_SHARED = ("__init__", "base")  # files of a registry's folder that are no plug-ins, beside those that begin with _
_TYPES: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (float, int),
    "bool": (bool,),
    "str": (str, Spec),
    "Path": (str, Spec),
    "Spec": (Spec,),
    "None": (type(None),),
}
_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
    "Path": "a path",
    "Spec": "name or name(option=value, ...)",
    "None": "none",
}


@dataclass(frozen=True)
class Wrapped:
    """Another registry's plug-ins, each of which joins this one inside a wrapper, called `wrapper(name, **options)`.

    `wrapper` and `options` are modules with one export each: the wrapper, and the class whose parameters are the
    options that it adds to every plug-in's own.
    """

    registry: Registry
    wrapper: str
    options: str

    def describe(self, name: str) -> Plugin:
        own, wrapper, shared = self.registry.describe(name), read("", self.wrapper), read("", self.options)
        return replace(
            own, module=wrapper.module, export=wrapper.export, options=own.options + shared.options, wrapped=True
        )


class Registry:
    """The plug-ins in the folder of `package`; `kind` is what messages call them ("model").

    `supplied` are parameters which the caller gives, beside `runtime`, and which are no options; `wrapped` is another
    registry whose plug-ins are listed here too.
    """

    def __init__(
        self,
        package: str,
        kind: str,
        aliases: dict[str, str] | None = None,
        supplied: tuple[str, ...] = (),
        wrapped: Wrapped | None = None,
    ) -> None:
        self.package = package
        self.kind = kind
        self.aliases = aliases or {}
        self.supplied = supplied
        self.wrapped = wrapped

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Every plug-in's name, in alphabetical order."""
        return tuple(sorted([*self._own, *(self.wrapped.registry.names if self.wrapped else ())]))

    @cached_property
    def _own(self) -> tuple[str, ...]:
        found = importlib.util.find_spec(self.package)
        assert found is not None
        assert found.submodule_search_locations is not None
        stems = (path.stem for path in Path(found.submodule_search_locations[0]).glob("*.py"))
        return tuple(stem for stem in stems if stem not in _SHARED and not stem.startswith("_"))

    def __iter__(self) -> Iterator[Plugin]:
        return (self.describe(name) for name in self.names)

    def describe(self, name: str) -> Plugin:
        """The plug-in called `name`. Raises UsageError that lists the choices and the nearest one."""
        return self._described(Spec(name))

    def _described(self, spec: Spec) -> Plugin:
        name = self.aliases.get(spec.name, spec.name)
        if name not in self.names:
            near = difflib.get_close_matches(name, [*self.names, *self.aliases], n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise spec.error(f"there is no {self.kind} {name!r}{hint} (choose from {', '.join(self.names)})")
        if self.wrapped and name not in self._own:
            return self.wrapped.describe(name)
        plugin = read(name, f"{self.package}.{name}")
        return replace(plugin, options=tuple(o for o in plugin.options if o.name not in self.supplied))

    def check(self, spec: Spec) -> tuple[Plugin, dict[str, Value]]:
        """The plug-in of `spec` and its options under their names, each of the declared type.

        Values without a name are the first option's; where that is a list, its items, one alone too. Raises SpecError
        for an unknown option (listing the plug-in's own), a missing one, or a value of the wrong type, each with a
        SPEC that works. Imports nothing.
        """
        plugin = self._described(spec)
        known = {option.name: option for option in plugin.options}
        options = self._named(spec, known)
        here = f"{self.kind} {spec.name!r}"
        for key, value in options.items():
            if key not in known:
                raise spec.error(f"{here} has no option {key!r}{_choices(key, known)}{self._such_as(plugin)}", key)
            problem = mismatch(value, known[key].annotation)
            if problem:
                place = key if key in spec.options else FIRST
                advice = self._such_as(plugin, key)
                raise spec.error(f"{here}: {key} must be {problem}, not {_shown(value)}{advice}", place)
        missing = [option.name for option in plugin.options if option.required and option.name not in options]
        if missing:
            raise spec.error(f"{here} needs {missing[0]}: {self._example(plugin, missing[0])}")
        text = {key for key in options if not _wants_spec(known[key].annotation)}
        return plugin, {key: _plain(value) if key in text else value for key, value in options.items()}

    def _named(self, spec: Spec, known: dict[str, Option]) -> dict[str, Value]:
        """The options of `spec`, what it gives without a name under the name of the first one that is known."""
        options = dict(spec.options)
        if FIRST not in options:
            return options
        first, value = next(iter(known), ""), options.pop(FIRST)
        if not known:
            raise spec.error(f"{self.kind} {spec.name!r} takes no options, but was given {_shown(value)}", FIRST)
        if first in options:
            line = (
                f"{self.kind} {spec.name!r}: {_shown(value)} stands without a name and would be {first}, which is given"
            )
            raise spec.error(f"{line} by name; write option=value (its options: {', '.join(known)})", FIRST)
        annotation = known[first].annotation
        if mismatch(value, annotation) and not mismatch([value], annotation):
            value = [value]
        elif isinstance(value, list) and mismatch(value, annotation) and mismatch([], annotation) != "":
            raise spec.error(f"{self.kind} {spec.name!r}: {_several(spec, value, known)}", FIRST)
        return {first: value, **options}

    def _such_as(self, plugin: Plugin, key: str | None = None) -> str:
        example = self._example(plugin, key)
        return f", such as {example}" if example else ""

    def _example(self, plugin: Plugin, key: str | None = None) -> str:
        """A SPEC of `plugin` that works, with `key` in it or with its first option; `path=...` where only users know
        a value, and nothing where there is no such option."""
        required = [option for option in plugin.options if option.required]
        chosen = [option for option in plugin.options if option.name == key] or list(plugin.options[:1])
        parts = []
        for option in dict.fromkeys([*required, *chosen]):
            value = option.default
            if value is None and "Spec" in option.annotation:
                simple = [name for name in self.names if name != plugin.name and _bare(self.describe(name))]
                value = f"[{simple[0]}, {simple[-1]}]" if option.annotation.startswith("list") else simple[-1]
            parts.append(f"{option.name}={'...' if value is None else value}")
        return f"{plugin.name}({', '.join(parts)})" if parts else plugin.name

    def filled(self, spec: Spec) -> Spec:
        """`spec` with every option under its name, in the plug-in's own order, the defaults too: two specs that ask
        for the same are equal once filled.

        `ngram(3)` is ngram(order=3, smoothing=modified_kneser_ney, ...). A whole number where a number is wanted is
        written as a number; specs inside are left as they are. Raises UsageError as `check` does.
        """
        plugin, options = self.check(spec)
        found: dict[str, Value] = {}
        for option in plugin.options:
            value = options[option.name] if option.name in options else _default(option)
            whole = isinstance(value, int) and not isinstance(value, bool)
            number = "float" in option.annotation and "int" not in option.annotation
            found[option.name] = float(value) if whole and number else value  # type: ignore[arg-type]
        return Spec(plugin.name, found)

    def load(self, name: str) -> Any:
        """The export itself, imported now."""
        plugin = self.describe(name)
        try:
            return getattr(importlib.import_module(plugin.module), plugin.export)
        except ImportError as error:
            hint = f"; install it with: {install(error.name.split('.')[0])}" if error.name else ""
            raise UsageError(f"{self.kind} {name!r} cannot be loaded: {error}{hint}") from error

    def make(self, spec: Spec | str, **supplied: Any) -> Any:
        """The plug-in of `spec`, called with its options; `supplied` reaches the parameters it declares."""
        spec = parse(spec) if isinstance(spec, str) else spec
        plugin, options = self.check(spec)
        export = self.load(plugin.name)
        accepted = inspect.signature(export).parameters
        extra = {key: value for key, value in supplied.items() if key in accepted}
        name = [plugin.name] if plugin.wrapped else []
        return export(*name, **options, **extra)


def _bare(plugin: Plugin) -> bool:
    """Whether its name alone is a SPEC of it."""
    return not any(option.required for option in plugin.options)


def _several(spec: Spec, values: list[Value], known: dict[str, Option]) -> str:
    """What is wrong with more values without a name than the one that the first option takes."""
    first = next(iter(known))
    named = dict(zip(known, values, strict=False))
    line = f"only {first} may stand without its name, and takes one value"
    if len(values) > len(known) or any(mismatch(value, known[key].annotation) for key, value in named.items()):
        return f"{line}; the others are {', '.join([*known][1:]) or 'none'}"
    return f"{line}; did you mean {Spec(spec.name, named)}"


def _default(option: Option) -> Value:
    """An option's default as a value; where it is no literal, its source text stands for it."""
    assert option.default is not None
    try:
        value = parse(f"x(y={option.default})").options["y"]
    except UsageError:
        return option.default
    return value if _wants_spec(option.annotation) else _plain(value)


def _choices(key: str, known: dict[str, Option]) -> str:
    if not known:
        return ": it takes none"
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{hint} (its options: {', '.join(known)})"


def _shown(value: Value) -> str:
    """A value as it would be written in a SPEC: text in quotes, a list with what it holds."""
    return str(Spec("", {FIRST: value}))[1:-1]


def _wants_spec(annotation: str) -> bool:
    return "Spec" in annotation


def _plain(value: Value) -> Value:
    """A bare word where text is wanted: `discounts=tuned` reads as the string 'tuned'."""
    if isinstance(value, Spec):
        return str(value)
    return [_plain(item) for item in value] if isinstance(value, list) else value


def mismatch(value: Value, annotation: str) -> str:
    """What `annotation` asks for, in words, where `value` is not that; empty where it is."""
    tree = ast.parse(annotation, mode="eval").body
    return "" if _fits(value, tree) else _in_words(tree)


def _fits(value: Value, tree: ast.expr) -> bool:
    if isinstance(tree, ast.BinOp):
        return _fits(value, tree.left) or _fits(value, tree.right)
    if isinstance(tree, ast.Subscript):
        outer = ast.unparse(tree.value)
        if outer in ("list", "Sequence", "tuple"):
            inner = tree.slice.elts[0] if isinstance(tree.slice, ast.Tuple) else tree.slice
            return isinstance(value, list) and all(_fits(item, inner) for item in value)
        return str(value) in _literals(tree)
    types = _TYPES.get(ast.unparse(tree))
    if types is None:
        return True
    return isinstance(value, types) and (bool in types or not isinstance(value, bool))


def _literals(tree: ast.Subscript) -> list[str]:
    values = tree.slice.elts if isinstance(tree.slice, ast.Tuple) else [tree.slice]
    return [str(ast.literal_eval(value)) for value in values]


def _in_words(tree: ast.expr) -> str:
    if isinstance(tree, ast.BinOp):
        return f"{_in_words(tree.left)} or {_in_words(tree.right)}"
    if isinstance(tree, ast.Subscript):
        outer = ast.unparse(tree.value)
        if outer in ("list", "Sequence", "tuple"):
            inner = tree.slice.elts[0] if isinstance(tree.slice, ast.Tuple) else tree.slice
            return f"[a list: {_in_words(inner)}]"
        return "one of " + ", ".join(_literals(tree))
    name = ast.unparse(tree)
    return _WORDS.get(name, name)
