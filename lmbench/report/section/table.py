"""The comparison: models and estimates of the entropy, best first."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from lmbench.record import Record
from lmbench.report.leakage import matters
from lmbench.report.lines import Column, columns_of, lines_of
from lmbench.report.section.base import breakable

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
    position = 10
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
        head = "".join(f"<th>{escape(header)}</th>" for header, _ in columns)
        body = []
        for index, line in enumerate(lines):
            data = "".join(f"<td>{escape(cells[index])}</td>" for _, cells in columns)
            kind = escape(line.kind.replace(" ", "-"), quote=True)
            body.append(f'<tr class="{kind}"><th scope="row">{breakable(line.name)}</th>{data}</tr>')
        table = f"<thead><tr><th></th>{head}</tr></thead><tbody>{''.join(body)}</tbody>"
        about = legend([column for column in known if column.page is None])
        return f'<div class="wide"><table class="rows">{table}</table></div><p>{escape(about)}</p>'

    def figure(self, record: Record) -> Figure | None:
        return None


def legend(columns: list[Column]) -> str:
    """What the figures are, a clause for each column."""
    return "; ".join(f"{column.header}: {column.about}" for column in columns if column.about)
