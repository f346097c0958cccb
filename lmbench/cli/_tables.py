"""A table that grows row by row, on standard output: for people, as TSV, as JSON lines, or as Parquet."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Protocol

from lmbench import terminal
from lmbench.errors import UsageError

Columns = Mapping[str, Sequence[Any]]
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_NARROW = 64  # columns of a terminal below which only what `main` names is shown


class Format(StrEnum):
    TEXT = "text"
    TSV = "tsv"
    JSONL = "jsonl"
    PARQUET = "parquet"


class Writer(Protocol):
    def write(self, columns: Columns) -> None:
        """Add rows, given as columns of equal length; they are out when this returns (but for Parquet)."""

    def close(self) -> None: ...


def writer(form: Format, main: Sequence[str]) -> Writer:
    """`main`: columns of numbers that a narrow terminal still shows. Raises UsageError for what is no text on a
    terminal."""
    if form is Format.PARQUET and terminal.is_terminal():
        raise UsageError("parquet is no text for a terminal; write it into a file: --format parquet > scores.parquet")
    kinds: dict[Format, Callable[[Sequence[str]], Writer]]
    kinds = {Format.TEXT: Lines, Format.TSV: Tsv, Format.JSONL: JsonLines, Format.PARQUET: Parquet}
    return kinds[form](main)


class _Plain:
    def __init__(self, main: Sequence[str]) -> None:
        self.main = main
        self._begun = False

    def close(self) -> None:
        """Nothing is kept back."""


class Tsv(_Plain):
    r"""A line of names, then a line a row; in text `\` is `\\`, and tab, LF and CR are `\t`, `\n` and `\r`.

    Numbers have all their digits; what is not defined is empty.
    """

    def write(self, columns: Columns) -> None:
        lines = [] if self._begun else ["\t".join(columns)]
        self._begun = True
        lines += ["\t".join(map(_cell, row)) for row in zip(*columns.values(), strict=True)]
        terminal.data("".join(f"{line}\n" for line in lines))


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value.translate(_ESCAPES)
    return "" if value is None or value != value else str(value)


class JsonLines(_Plain):
    """An object a row; what is not defined or not finite is null."""

    def write(self, columns: Columns) -> None:
        for row in zip(*columns.values(), strict=True):
            content = dict(zip(columns, map(_finite, row), strict=True))
            terminal.write_json(json.dumps(content, ensure_ascii=False, allow_nan=False))


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


class Parquet(_Plain):
    """A file of Parquet, which is whole when `close` has returned."""

    _writer: Any = None

    def write(self, columns: Columns) -> None:
        import pyarrow
        from pyarrow import parquet

        table = pyarrow.table({name: list(values) for name, values in columns.items()})
        if self._writer is None:
            self._buffer = io.BytesIO()
            self._writer = parquet.ParquetWriter(self._buffer, table.schema)
        self._writer.write_table(table.cast(self._writer.schema))

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            terminal.write_bytes(self._buffer.getvalue())


class Lines(_Plain):
    """Columns of fixed width, numbers on the right and text at the end, where its width matters to nothing."""

    def write(self, columns: Columns) -> None:
        from lmbench.report.screen import screen

        narrow = screen().width < _NARROW
        shown = {name: values for name, values in columns.items() if not narrow or name in self.main or name == "text"}
        ordered = sorted(shown, key=lambda name: name in ("file", "model", "text"))
        widths = {name: max(_WIDTH if name not in _COUNTS else 0, len(name)) for name in ordered}
        if not self._begun:
            names = (name.ljust(_WIDTH) if name in _LEFT else name.rjust(widths[name]) for name in ordered)
            terminal.say("  ".join(names).rstrip())
        self._begun = True
        for row in zip(*(shown[name] for name in ordered), strict=True):
            cells = zip(ordered, row, strict=True)
            line = "  ".join(_for_people(value).rjust(0 if name in _LEFT else widths[name]) for name, value in cells)
            terminal.say(line.rstrip())


_WIDTH = 10
_LEFT = ("file", "model", "text")
_COUNTS = ("document", "line", "word", "token", "tokens", "unknown", "end", "zero")


def _for_people(value: Any) -> str:
    if isinstance(value, float):
        return "–" if value != value else f"{value:.4f}"
    if isinstance(value, str):
        return value.replace("\r\n", "\n").replace("\n", "↵").replace("\t", "⇥")
    return "–" if value is None else str(value)
