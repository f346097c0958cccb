"""SPEC: `name` or `name(option=value, ...)`, nested at will. Parsed, never evaluated.

    >>> parse("ngram(order=5, smoothing=kneser_ney(fallback=constant))")
    Spec('ngram(order=5, smoothing=kneser_ney(fallback=constant))')
    >>> parse("bpe(vocabulary=4096)").options
    {'vocabulary': 4096}

A value is an integer (`1_000` too), a number, `true`, `false`, `none`, a quoted string,
a `[list, of, values]`, or another SPEC; a bare word is a SPEC without options, and a bare
path a string. A value may stand first without its name, `arpa(model.arpa.gz)`: it is the
plug-in's first option, and is kept under the name `FIRST` until the registry knows which.
Several such values are a list, the items of a first option that takes one:

    >>> parse("mixture(ngram(order=5), lstm)") == parse("mixture([ngram(order=5), lstm])")
    True
"""

from __future__ import annotations

import re
import unicodedata
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
_WIDTH = 100  # columns of a SPEC that are shown around the place of an error
_ADVICE = "a spec is name or name(option=value, ...), such as ngram(order=5) or bpe(vocabulary=8192)"


class SpecError(UsageError):
    """What is wrong with a SPEC. `shown`: the SPEC, and under it a mark at the place `at`, an offset in `text`."""

    def __init__(self, message: str, text: str = "", at: int = 0) -> None:
        super().__init__(message)
        self.shown = _marked(text, at) if text else ()


@dataclass(frozen=True)
class Place:
    """Where a Spec was written: offsets in the user's `text` of its name, and of each option that it names."""

    text: str
    name: int
    options: dict[str, int]


@dataclass(frozen=True)
class Spec:
    """A name and its options. `str()` gives canonical text that parses back to an equal Spec.

    `place`: where it was read, for messages; it makes no difference to equality.
    """

    name: str
    options: dict[str, Value] = field(default_factory=dict)
    place: Place | None = field(default=None, compare=False, repr=False)

    def error(self, message: str, option: str | None = None) -> SpecError:
        """`message` with the SPEC as it was typed, and a mark under `option` or under the name."""
        if self.place is None:
            return SpecError(message)
        at = self.place.name if option is None else self.place.options.get(option, self.place.name)
        return SpecError(message, self.place.text, at)

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
    """The Spec that `text` writes down.

    Raises SpecError with the column where it stops making sense, and with a SPEC that can be read: the nearest one,
    where a single change makes it.
    """
    parser = _Parser(text)
    try:
        return parser.whole()
    except _Unreadable as error:
        found = text[parser.at : parser.at + 12] or "the end"
        nearest = _mended(text, parser.at, parser.open)
        advice = f"did you mean {nearest}" if nearest else _ADVICE
        line = f"cannot read {text!r}: expected {error} at column {parser.at + 1}, found {found!r}; {advice}"
        raise SpecError(line, text, parser.at) from None


def _mended(text: str, at: int, missing: str) -> str:
    """The SPEC that one change at the place of the error makes of `text`; empty where none does."""
    before, after = text[:at].rstrip(), text[at:]
    changes = [text.rstrip() + missing, f"{before}, {after}", f"{before}({after.strip('()[] ')})"]
    changes += [before + after[1:]] if after[:1] in (")", "]", ",", "=") else []
    changes += [unfinished + missing] if (unfinished := re.sub(r",?\s*[\w-]+\s*=$", "", before)) != before else []
    for changed in changes:
        parser = _Parser(changed)
        try:
            return str(parser.whole())
        except _Unreadable:
            continue
    return ""


def _marked(text: str, at: int) -> tuple[str, str]:
    """`text` in a line, and a line with a mark under the character at `at`; of a long text what lies near it."""
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    start = max(0, at - _WIDTH // 2) if len(line) > _WIDTH else 0
    before = ("… " if start else "") + line[start:at]
    after = line[at : start + _WIDTH] + (" …" if start + _WIDTH < len(line) else "")
    columns = sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in before)
    return f"  {before}{after}", f"  {' ' * columns}^"


class _Unreadable(Exception):  # noqa: N818  it never leaves this file
    """What the parser had expected."""


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.open = ""  # what would close all that is open, innermost first

    def whole(self) -> Spec:
        spec = self.spec(0)
        self.skip()
        if self.at < len(self.text):
            raise _Unreadable("nothing more")
        return spec

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

    def begins(self, bracket: str) -> bool:
        if not self.take(bracket):
            return False
        self.open = {"(": ")", "[": "]"}[bracket] + self.open
        return True

    def ends(self) -> bool:
        if not self.take(self.open[0]):
            return False
        self.open = self.open[1:]
        return True

    def spec(self, depth: int) -> Spec:
        self.skip()
        start = self.at
        name = self.match(_WORD)
        if name is None:
            raise _Unreadable("a name")
        options, places = self.options(depth) if self.begins("(") else ({}, {})
        return Spec(name, options, Place(self.text, start, places))

    def options(self, depth: int) -> tuple[dict[str, Value], dict[str, int]]:
        """The options, several values without a name as one list, and where each begins."""
        options: dict[str, Value] = {}
        places: dict[str, int] = {}
        unnamed: list[Value] = []
        while not self.ends():
            if places and not self.take(","):
                raise _Unreadable("',' or ')'")
            if places and self.ends():
                break
            self.skip()
            start = self.at
            key = self.match(_WORD)
            if key is None or not self.take("="):
                self.at = start
                places.setdefault(FIRST, start)
                unnamed.append(self.value(depth + 1))
                continue
            if key in options:
                self.at = start
                raise _Unreadable(f"each option once, but {key} is given twice")
            places[key] = start
            options[key] = self.value(depth + 1)
        if unnamed:
            options = {FIRST: unnamed[0] if len(unnamed) == 1 else unnamed, **options}
        return options, places

    def value(self, depth: int) -> Value:
        if depth > _MAX_DEPTH:
            raise _Unreadable(f"at most {_MAX_DEPTH} levels of nesting")
        if self.begins("["):
            items: list[Value] = []
            while not self.ends():
                if items and not self.take(","):
                    raise _Unreadable("',' or ']'")
                items.append(self.value(depth + 1))
            return items
        quoted = self.match(_STRING)
        if quoted is not None:
            return re.sub(r"\\(.)", r"\1", quoted[1:-1], flags=re.DOTALL)
        self.skip()
        start = self.at
        raw = self.match(_RAW)
        if raw is None:
            raise _Unreadable("a value")
        if _NUMBER.fullmatch(raw):
            digits = raw.replace("_", "")
            return int(digits) if re.fullmatch(r"[+-]?\d+", digits) else float(digits)
        if not _WORD.fullmatch(raw):
            return raw
        if raw in _CONSTANTS and not self.text.startswith("(", self.at):
            return _CONSTANTS[raw]
        self.at = start
        return self.spec(depth)
