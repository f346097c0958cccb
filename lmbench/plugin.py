"""A plug-in as its source describes it: its export, its options and their help, read without importing it."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_SUPPLIED = ("self", "cls", "runtime")  # parameters that are no options


@dataclass(frozen=True)
class Option:
    """One option of a plug-in, as its source declares it."""

    name: str
    annotation: str
    default: str | None
    help: str = ""

    @property
    def required(self) -> bool:
        return self.default is None


@dataclass(frozen=True)
class Plugin:
    """What a plug-in's source says of it."""

    name: str
    module: str
    export: str
    summary: str
    docstring: str
    options: tuple[Option, ...]
    requires: tuple[str, ...] = ()
    wrapped: bool = False


def read(name: str, module: str) -> Plugin:
    """The plug-in called `name` that `module` holds. Raises RuntimeError where the module does not export one thing."""
    found = importlib.util.find_spec(module)
    assert found is not None
    assert found.origin is not None
    return _described(name, module, Path(found.origin).read_text(encoding="utf-8"))


def _described(name: str, module: str, source: str) -> Plugin:
    tree = ast.parse(source)
    constants = {
        target.id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and target.id in ("__all__", "REQUIRES")
    }
    exports = constants.get("__all__", [])
    if len(exports) != 1:
        raise RuntimeError(f"{module}: a plug-in names its one export in __all__, found {exports}")
    node = next(
        node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == exports[0]
    )
    docstring = ast.get_docstring(node) or ast.get_docstring(tree) or ""
    helps = _argument_help(docstring)
    options = tuple(
        Option(key, annotation, default, helps.get(key, ""))
        for key, annotation, default in _parameters(node)
        if key not in _SUPPLIED
    )
    summary = docstring.strip().split("\n\n")[0].replace("\n", " ")
    return Plugin(name, module, exports[0], summary, docstring, options, tuple(constants.get("REQUIRES", ())))


def _parameters(node: ast.ClassDef | ast.FunctionDef) -> Iterator[tuple[str, str, str | None]]:
    function = node if isinstance(node, ast.FunctionDef) else None
    if isinstance(node, ast.ClassDef):
        methods = [item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == "__init__"]
        function = methods[0] if methods else None
        if function is None:  # a dataclass: its annotated fields
            for item in node.body:
                if not isinstance(item, ast.AnnAssign) or not isinstance(item.target, ast.Name):
                    continue
                if item.target.id.startswith("_") or "ClassVar" in ast.unparse(item.annotation):
                    continue
                yield item.target.id, ast.unparse(item.annotation), _written(item.value)
            return
    assert function is not None
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    defaults += arguments.defaults
    for argument, default in zip(
        [*positional, *arguments.kwonlyargs], [*defaults, *arguments.kw_defaults], strict=True
    ):
        annotation = ast.unparse(argument.annotation) if argument.annotation else "Any"
        yield argument.arg, annotation, _written(default)


def _written(default: ast.expr | None) -> str | None:
    """A default as a user would write it: `Spec("kneser_ney")` is kneser_ney, `True` is true."""
    if default is None:
        return None
    if isinstance(default, ast.Call) and ast.unparse(default.func) == "Spec":
        return str(ast.literal_eval(default.args[0]))
    if isinstance(default, ast.Constant) and (default.value is None or isinstance(default.value, bool | str)):
        return str(default.value).lower() if not isinstance(default.value, str) else default.value
    return ast.unparse(default)


def _argument_help(docstring: str) -> dict[str, str]:
    """{option: help} of a docstring's `Args:` section, continuation lines joined."""
    found = re.search(r"^Args:\n((?:[ \t]+.*\n?|\n)+)", docstring, re.MULTILINE)
    if not found:
        return {}
    helps: dict[str, str] = {}
    key = ""
    for line in found.group(1).splitlines():
        start = re.match(r"\s{4}(\w+):\s*(.*)", line)
        if start:
            key = start.group(1)
            helps[key] = start.group(2)
        elif key and line.strip():
            helps[key] += " " + line.strip()
    return helps
