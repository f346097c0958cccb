"""SPEC: `name` or `name(option=value, ...)`, nested at will. Parsed, never evaluated.

    >>> parse("ngram(order=5, smoothing=kneser_ney(fallback=constant))")
    Spec('ngram(order=5, smoothing=kneser_ney(fallback=constant))')
    >>> parse("bpe(vocabulary=4096)").options
    {'vocabulary': 4096}

A value is an integer (`1_000` too), a number, `true`, `false`, `none`, a quoted string,
a `[list, of, values]`, or another SPEC; a bare word is a SPEC without options, and a bare
path a string. One value may stand first without its name, `arpa(model.arpa.gz)`: it is the
plug-in's first option, and is kept under the name `FIRST` until the registry knows which.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TypeAlias

from lmbench.errors import UsageError

Value: TypeAlias = "int | float | bool | str | Spec | list[Value] | None"

_WORD = re.compile(r"[A-Za-z_][\w-]*")
_RAW = re.compile(r"[^\s,()\[\]='\"]+")
_NUMBER = re.compile(r"[+-]?(\d[\d_]*\.?\d*|\.\d+)([eE][+-]?\d+)?")
_STRING = re.compile(r"'([^'\\]|\\.)*'|\"([^\"\\]|\\.)*\"", re.DOTALL)
_CONSTANTS: dict[str, bool | None] = {"true": True, "false": False, "none": None, "null": None}
_CONSTANTS |= {"True": True, "False": False, "None": None}
_MAX_DEPTH = 20
FIRST = ""


@dataclass(frozen=True)
class Spec:
    """A name and its options. `str()` gives canonical text that parses back to an equal Spec."""

    name: str
    options: dict[str, Value] = field(default_factory=dict)

    def __str__(self) -> str:
        if not self.options:
            return self.name
        inside = ", ".join(
            _write(value) if key == FIRST else f"{key}={_write(value)}" for key, value in self.options.items()
        )
        return f"{self.name}({inside})"

    def __repr__(self) -> str:
        return f"Spec({str(self)!r})"

    def __hash__(self) -> int:
        return hash(str(self))


def _write(value: Value) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_write(item) for item in value) + "]"
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, str):
        return '"' + re.sub(r'(["\\])', r"\\\1", value) + '"'
    return repr(value) if isinstance(value, float) else str(value)


def parse(text: str) -> Spec:
    """The Spec that `text` writes down. Raises UsageError with the column where it stops making sense."""
    parser = _Parser(text)
    spec = parser.spec(0)
    parser.skip()
    if parser.at < len(text):
        raise parser.error("nothing more")
    return spec


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def error(self, expected: str) -> UsageError:
        found = self.text[self.at : self.at + 12] or "the end"
        return UsageError(
            f"cannot read {self.text!r}: expected {expected} at column {self.at + 1}, found {found!r}; "
            "a spec is name or name(option=value, ...)"
        )

    def skip(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def take(self, symbol: str) -> bool:
        self.skip()
        if self.text.startswith(symbol, self.at):
            self.at += len(symbol)
            return True
        return False

    def match(self, pattern: re.Pattern[str]) -> str | None:
        self.skip()
        found = pattern.match(self.text, self.at)
        if not found:
            return None
        self.at = found.end()
        return found.group()

    def spec(self, depth: int) -> Spec:
        name = self.match(_WORD)
        if name is None:
            raise self.error("a name")
        return Spec(name, self.options(depth) if self.take("(") else {})

    def options(self, depth: int) -> dict[str, Value]:
        options: dict[str, Value] = {}
        while not self.take(")"):
            if options and not self.take(","):
                raise self.error("',' or ')'")
            if options and self.take(")"):
                break
            start = self.at
            key = self.match(_WORD)
            if key is None or not self.take("="):
                if options:
                    raise self.error("option=value")
                self.at = start
                options[FIRST] = self.value(depth + 1)
                continue
            if key in options:
                self.at = start
                raise self.error(f"each option once, but {key} is given twice")
            options[key] = self.value(depth + 1)
        return options

    def value(self, depth: int) -> Value:
        if depth > _MAX_DEPTH:
            raise self.error(f"at most {_MAX_DEPTH} levels of nesting")
        if self.take("["):
            items: list[Value] = []
            while not self.take("]"):
                if items and not self.take(","):
                    raise self.error("',' or ']'")
                items.append(self.value(depth + 1))
            return items
        quoted = self.match(_STRING)
        if quoted is not None:
            return re.sub(r"\\(.)", r"\1", quoted[1:-1], flags=re.DOTALL)
        self.skip()
        start = self.at
        raw = self.match(_RAW)
        if raw is None:
            raise self.error("a value")
        if _NUMBER.fullmatch(raw):
            digits = raw.replace("_", "")
            return int(digits) if re.fullmatch(r"[+-]?\d+", digits) else float(digits)
        if not _WORD.fullmatch(raw):
            return raw
        if raw in _CONSTANTS and not self.text.startswith("(", self.at):
            return _CONSTANTS[raw]
        self.at = start
        return self.spec(depth)
