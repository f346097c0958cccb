"""The report on a terminal, or as plain text where there is none; the one place that knows how lines are laid out.

Whatever is printed here is text, never mark-up: what came from outside is shown in a visible form, in characters that
the stream has, before its width is measured (see lmbench.terminal).
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TextIO

from rich.box import SIMPLE_HEAD, Box
from rich.cells import cell_len
from rich.console import Console, ConsoleDimensions, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lmbench import terminal
from lmbench.report.format import shortened

if TYPE_CHECKING:
    from lmbench.record import Record
    from lmbench.report.section.base import Page

_PLAIN_WIDTH = 120
_LINES = 25  # of a terminal that does not say
_GAP = 2  # columns between two of a table
_NAME = 24  # columns that a name keeps as long as there is a figure that may go
_NAME_LINES = 3  # more lines than these a name does not fill: its middle is left out
_PLAIN_HEAD = Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)


class _Head(Box):
    """A line under the header, of ASCII where the stream has no other."""

    def substitute(self, options: ConsoleOptions, safe: bool = True) -> Box:
        return _PLAIN_HEAD if options.ascii_only else self


_HEAD = _Head(str(SIMPLE_HEAD))


def as_shown(text: str, console: Console) -> str:
    """`text` as `console` can show it."""
    return terminal.plain(terminal.visible(text), console.encoding)


class Screen(Console):
    """A console to which every string is text that came from outside."""

    @property
    def size(self) -> ConsoleDimensions:
        """Of the terminal that is written on, at this moment; rich measures the one that is typed at, and takes 80
        columns where TERM is dumb, as in an editor's window."""
        if self._width is None and not os.environ.get("COLUMNS", "").isdigit():
            with suppress(OSError, ValueError, AttributeError):  # no terminal: StringIO, a pipe
                columns, lines = os.get_terminal_size(self.file.fileno())
                if columns > 0:
                    return ConsoleDimensions(columns, lines or _LINES)
        return super().size

    @size.setter
    def size(self, new_size: tuple[int, int]) -> None:
        self._width, self._height = new_size

    def render_str(self, text: str, **options: Any) -> Text:
        kept = {name: value for name, value in options.items() if name in ("style", "justify", "overflow") and value}
        return Text(as_shown(text, self), **kept)

    def shown(self, text: str) -> str:
        """`text` as it will stand on this screen, for those who have to know its width."""
        return as_shown(text, self)

    def say(self, line: str) -> None:
        """A sentence: broken between words where the terminal ends, and whole where there is none."""
        self.print(line, soft_wrap=not (self.is_terminal or os.environ.get("COLUMNS")))


def console_for(stream: TextIO) -> Screen:
    """A console on `stream`: as wide as the terminal; where there is none $COLUMNS, or 120 columns, and no colour."""
    columns = os.environ.get("COLUMNS", "")
    width = int(columns) if columns.isdigit() and int(columns) > 0 else None
    if not stream.isatty():
        width = width or _PLAIN_WIDTH
    return Screen(file=stream, width=width, highlight=False, markup=False, emoji=False, soft_wrap=False)


def screen() -> Screen:
    """The console on standard output."""
    return console_for(sys.stdout)


def print_report(record: Record, stream: TextIO | None = None, page: Page = "report") -> None:
    """Write every section of `page` that has a form as text, on standard output unless `stream` is another one; without
    a terminal no line ends in blanks."""
    from lmbench.report.section import ordered

    console = console_for(stream or sys.stdout)
    sections = [piece for _, section in ordered(page) if (piece := section.text(record, console.width)) is not None]
    print_bare(console, *[each for piece in sections for each in ("", piece)][1:])


def print_bare(console: Screen, *items: RenderableType) -> None:
    """Print them one under the other; without a terminal no line ends in blanks."""
    with console.capture() as captured:
        for item in items:
            console.print(item)
    text = captured.get()
    console.file.write(text if console.is_terminal else "".join(f"{line.rstrip()}\n" for line in text.split("\n")[:-1]))
    console.file.flush()


@dataclass(frozen=True)
class Heading:
    """A column of a Grid.

    kind: `figure` stands whole, on the right, or is left out; `word` likewise, on the left; `name` is folded where
    there is no room, and then cut; `prose` is folded only.
    rank: of two figures or words that do not both fit, the one with the lower rank stays; the lowest always does.
    about: what it is, said under the table where the column is shown.
    """

    text: str
    kind: Literal["figure", "word", "name", "prose"] = "figure"
    rank: int = 0
    about: str = ""
    style: str = ""
    longest: int = 48  # columns that a name is given before it is folded

    @property
    def folds(self) -> bool:
        return self.kind in ("name", "prose")


def folded(name: str, columns: int) -> str:
    """`name` in lines of `columns`, broken behind brackets, commas, equals signs and blanks where it has any.

    >>> folded("ngram(order=5, smoothing=witten_bell)", 15).split("\\n")
    ['ngram(order=5,', 'smoothing=', 'witten_bell)']
    """
    lines = [""]
    for piece in filter(None, re.findall(r"[^(\[,=\s]*[(\[,=\s]*", name)):
        if lines[-1] and cell_len((lines[-1] + piece).rstrip()) > columns:
            lines.append("")
        lines[-1] += piece
    return "\n".join(line.rstrip() for line in lines)


class Grid:
    """A table that fits its terminal: names are folded and cut first, then figures are left out, and named under it.

    The figure of the lowest rank is the last thing that goes: it stands however narrow the terminal is.
    """

    def __init__(self, *headings: Heading, head: bool = True, advice: str = "widen the terminal") -> None:
        """`advice`: what to do about columns that are left out, as the line under the table says."""
        self._headings = headings
        self._head = head
        self._advice = advice
        self._rows: list[tuple[tuple[str, ...], str]] = []

    def add(self, *cells: str, style: str = "") -> None:
        if len(cells) != len(self._headings):
            raise ValueError(f"{len(cells)} cells for {len(self._headings)} columns")
        self._rows.append((cells, style))

    def _texts(self, console: Console, place: int) -> list[str]:
        head = [self._headings[place].text] if self._head else []
        return [as_shown(text, console) for text in (*head, *(cells[place] for cells, _ in self._rows))]

    def _layout(self, texts: list[list[str]], width: int) -> dict[int, int]:
        """{place: columns} of those that stay."""
        natural = [max(map(cell_len, column), default=0) for column in texts]
        wanted = {
            place: min(heading.longest, natural[place]) if heading.kind == "name" else natural[place]
            for place, heading in enumerate(self._headings)
            if natural[place] or heading.kind == "name"
        }
        shown = dict(wanted)
        folding = [place for place in shown if self._headings[place].folds]

        def spare() -> int:
            return width - sum(shown.values()) - _GAP * (len(shown) - 1)

        def squeeze(least: int) -> None:
            """Take from the widest column that can be folded until all fit, or none is wider than `least`."""
            while spare() < 0 and folding:
                widest = max(folding, key=shown.__getitem__)
                if shown[widest] <= least:
                    return
                shown[widest] -= 1

        squeeze(_NAME)
        while spare() < 0:
            fixed = [place for place in shown if place not in folding]
            if len(fixed) < 2:
                break
            del shown[max(fixed, key=lambda place: (self._headings[place].rank, place))]
        squeeze(1)
        for place in folding:  # what was taken for figures that have gone in the end
            shown[place] = min(wanted[place], shown[place] + max(0, spare()))
        return shown

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(1, options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        texts = [self._texts(console, place) for place in range(len(self._headings))]
        layout = self._layout(texts, options.max_width)
        table = Table(
            box=_HEAD if self._head else None, padding=(0, 1) if self._head else (0, _GAP, 0, 0),
            collapse_padding=True, pad_edge=False, show_edge=False, show_header=self._head,
        )  # fmt: skip
        for place, columns in layout.items():
            heading = self._headings[place]
            table.add_column(
                Text(texts[place][0]) if self._head else "", justify="right" if heading.kind == "figure" else "left",
                no_wrap=not heading.folds, overflow="fold" if heading.folds else "crop", style=heading.style,
                width=columns,
            )  # fmt: skip
        for number, (_, style) in enumerate(self._rows, int(self._head)):
            cells = []
            for place, columns in layout.items():
                text = texts[place][number]
                cut = self._headings[place].kind == "name" and cell_len(text) > _NAME_LINES * columns
                text = _cut(text, _NAME_LINES * columns, console) if cut else text
                cells.append(Text(folded(text, columns) if self._headings[place].kind == "name" else text))
            table.add_row(*cells, style=style)
        yield table
        about = [f"{self._headings[place].text}: {self._headings[place].about}" for place in layout]
        about = [line for place, line in zip(layout, about, strict=True) if self._headings[place].about]
        if about:
            yield Text(as_shown("; ".join(about), console), style="dim")
        dropped = [texts[place][0] for place, column in enumerate(texts) if place not in layout and any(column[1:])]
        if self._head and dropped:
            said = f"no room for: {', '.join(dict.fromkeys(dropped))}; {self._advice}"
            yield Text(as_shown(said, console), style="dim")


def _cut(text: str, columns: int, console: Console) -> str:
    """`text` with its middle left out, in at most `columns` columns."""
    longest = len(text)
    while longest > 1 and cell_len(cut := as_shown(shortened(text, longest), console)) > columns:
        longest -= max(1, (cell_len(cut) - columns) // 2)
    return as_shown(shortened(text, max(1, longest)), console)


class _Pieces:
    """Text of several styles in one line."""

    def __init__(self, parts: Sequence[tuple[str, str]]) -> None:
        self._parts = parts

    def _text(self, console: Console) -> Text:
        return Text.assemble(*((as_shown(text, console), style) for text, style in self._parts))

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement.get(console, options, self._text(console))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self._text(console)


def pieces(*parts: tuple[str, str]) -> RenderableType:
    """(text, style), one after the other in one line."""
    return _Pieces(parts)


def styled(text: str, style: str) -> RenderableType:
    """A line in one style."""
    return _Pieces([(text, style)])


def group(*items: RenderableType) -> RenderableType:
    """One under the other."""
    return Group(*items)


def indented(text: RenderableType, by: int) -> RenderableType:
    """A paragraph that begins `by` columns to the right, in all its lines."""
    return Padding(text, (0, 0, 0, by), expand=False)


def pairs(items: Iterable[tuple[str, str]], width: int, style: str = "dim") -> RenderableType:
    """(name, value) under each other; where there are less than 60 columns, the value under its name."""
    items = list(items)
    if width < 60:
        return Group(*(line for name, value in items for line in (styled(name, style), indented(value, 2))))
    grid = Table.grid(padding=(0, _GAP))
    grid.add_column(style=style, no_wrap=True)
    grid.add_column(overflow="fold", max_width=max(20, min(width, 120) - 14))
    for name, value in items:
        grid.add_row(name, value)
    return grid


def bullets(sentences: Sequence[str], width: int) -> RenderableType | None:
    """The sentences one under the other, folded to `width` columns; None where there are none."""
    if not sentences:
        return None
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold", max_width=max(1, min(width, 120) - 3))
    for sentence in sentences:
        grid.add_row("·", sentence)
    return grid
