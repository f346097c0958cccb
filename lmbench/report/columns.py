"""Texts side by side while they grow: lines of one width each, by the columns that their characters take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len

GAP = 3  # columns between two texts
LEAST = 24  # columns of a text; with fewer, texts stand one under the other
_TAB = "    "


def width_of(columns: int, texts: int) -> int | None:
    """How wide each of so many texts is in a terminal of `columns`; None where they have no room side by side."""
    width = (columns - GAP * (texts - 1)) // max(1, texts)
    return width if width >= LEAST else None


class Column:
    """A text cut into lines of `width` columns: behind a blank where one is near, else in front of the character that
    has no room. What has no width of its own, a combining mark for instance, stays with what it stands on.

    >>> column = Column(5)
    >>> column.add("ab cdef\\n三四五六"), column.close(), column.lines
    (None, None, ['ab ', 'cdef', '三四', '五六'])
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self.lines: list[str] = []  # that are whole, and were not taken yet
        self.closed = False
        self._line = ""
        self._cells = 0

    def add(self, text: str) -> None:
        """Go on with `text`, which is visible as it stands, but for tabs and ends of lines."""
        for character in text.replace("\t", _TAB):
            if character == "\n":
                self._end(len(self._line))
                continue
            cells = cell_len(character)
            if cells and self._cells + cells > self.width:
                blank = self._line.rfind(" ") + 1
                self._end(blank if 2 * cell_len(self._line[:blank]) >= self.width else len(self._line))
            self._line += character
            self._cells += cells

    def close(self) -> None:
        """Nothing more will come."""
        if self._line:
            self._end(len(self._line))
        self.closed = True

    def _end(self, place: int) -> None:
        self.lines.append(self._line[:place])
        self._line = self._line[place:]
        self._cells = cell_len(self._line)


def rows(columns: Sequence[Column]) -> Iterator[str]:
    """The lines of all columns side by side, as far as each column has one or is closed; they are taken from them."""
    while any(column.lines for column in columns) and all(column.lines or column.closed for column in columns):
        cells = [column.lines.pop(0) if column.lines else "" for column in columns]
        padded = [cell + " " * (column.width - cell_len(cell)) for cell, column in zip(cells, columns, strict=True)]
        yield (" " * GAP).join(padded).rstrip(" ")
