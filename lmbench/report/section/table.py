"""The comparison: models and estimates of the entropy, best first."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from lmbench.record import Record
from lmbench.report.lines import Column, Line, columns_of, lines_of
from lmbench.report.section.base import breakable

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import RenderableType

__all__ = ["ComparisonTable"]

_NAME = 24  # columns that the name keeps, however narrow the terminal
_LONGEST = 48
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
        from rich import box
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        lines = lines_of(record)
        if not lines:
            return None
        columns = columns_of(lines)
        shown = _fitting(lines, columns, width)
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), collapse_padding=True, pad_edge=False, show_edge=False)
        table.add_column("", overflow="fold", min_width=_NAME, max_width=_LONGEST)
        for column in shown:
            table.add_column(column.header, justify="left" if column.header == "kind" else "right", no_wrap=True)
        for index, line in enumerate(lines):
            cells = [Text(column.cells[index]) for column in shown]
            table.add_row(Text(line.name), *cells, style=_STYLES.get(line.kind, ""))
        remarks = [legend(shown)]
        left = [column.header for column in columns if column not in shown]
        if left:
            remarks.append(f"no room for: {', '.join(left)}; widen the terminal or see report.html")
        return Group(table, *(Text(remark, style="dim") for remark in remarks))

    def html(self, record: Record) -> str | None:
        lines = lines_of(record)
        if not lines:
            return None
        known = columns_of(lines)
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


def _fitting(lines: list[Line], columns: list[Column], width: int) -> list[Column]:
    """The columns, the least telling of them left out until the table is no wider than `width`."""
    from rich.cells import cell_len

    name = min(_LONGEST, max(cell_len(line.name) for line in lines))
    shown = list(columns)

    def needed() -> int:
        widths = [max(cell_len(text) for text in (column.header, *column.cells)) for column in shown]
        return sum(widths) + 2 * len(shown)

    while len(shown) > 1 and needed() + max(_NAME, min(name, _NAME + 10)) > width:
        shown.remove(max(shown, key=lambda column: column.rank))
    return shown
