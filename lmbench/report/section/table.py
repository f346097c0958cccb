"""The comparison: models and estimates of the entropy, best first."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from lmbench.record import Record
from lmbench.report.leakage import matters
from lmbench.report.lines import Column, columns_of, lines_of
from lmbench.report.section.base import table_html

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import RenderableType

__all__ = ["ComparisonTable"]

_STYLES = {"model": "bold", "score": "dim", "control": "dim", "true rate": "green"}


class ComparisonTable:
    """Models and estimates in one table, sorted by bits per byte.

    Columns that a narrow terminal has no room for are left out, the least telling first,
    and named under the table.
    """

    title = "Comparison"
    position = 2
    pages = ("report",)

    def text(self, record: Record, width: int) -> RenderableType | None:
        from lmbench.report.screen import Grid, Heading

        lines = lines_of(record)
        if not lines:
            return None
        columns = columns_of(lines, matters(record.card.test.leakage))
        headings = [
            Heading(column.header, "word" if column.header == "kind" else "figure", column.rank, column.about)
            for column in columns
        ]
        table = Grid(Heading("", "name"), *headings, advice="widen the terminal or see report.html")
        for index, line in enumerate(lines):
            table.add(line.name, *(column.cells[index] for column in columns), style=_STYLES.get(line.kind, ""))
        return table

    def html(self, record: Record) -> str | None:
        lines = lines_of(record)
        if not lines:
            return None
        known = columns_of(lines, matters(record.card.test.leakage))
        columns = [column.page or (column.header, column.cells) for column in known]
        header = ("model or estimate", *(header for header, _ in columns))
        rows = [[line.name, *(_folding(cells[place]) for _, cells in columns)] for place, line in enumerate(lines)]
        kinds = [line.kind.replace(" ", "-") for line in lines]
        caption = "Models and estimates, the best first; the heads of the columns sort"
        table = table_html(caption, header, rows, "rows", kinds, [column.values for column in known])
        about = legend([column for column in known if column.page is None])
        return f'{table}<p class="remark">{escape(about)}</p>'

    def figure(self, record: Record) -> Figure | None:
        return None


def _folding(cell: str) -> str:
    """A cell that may be broken after a comma only."""
    return cell.replace(" ", "\u00a0").replace(",\u00a0", ", ")


def legend(columns: list[Column]) -> str:
    """What the figures are, a clause for each column."""
    return "; ".join(f"{column.header}: {column.about}" for column in columns if column.about)
