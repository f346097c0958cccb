"""The table of a report as rows of text, for the forms that people read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lmbench import terminal
from lmbench.report import format as form
from lmbench.report.export.base import Exported
from lmbench.report.leakage import matters
from lmbench.report.lines import columns_of, lines_of

_LEFT = ("run", "model", "kind")  # columns of words; all others are figures


@dataclass(frozen=True)
class Table:
    """`header` [c], `rows` of [c] cells, `words` [c]: whether a column holds words. Nothing is escaped, but what
    a terminal would obey stands as a sign."""

    header: list[str]
    rows: list[list[str]]
    words: list[bool]


def table_of(runs: Sequence[Exported]) -> Table:
    """The lines of each run, best first, one run under the other; of several runs the first column names them. A column
    that one of them lacks is empty there."""
    found: list[dict[str, str]] = []
    for run in runs:
        lines = lines_of(run.record)
        columns = columns_of(lines, matters(run.record.card.test.leakage))
        shown = [column.page or (column.header, column.cells) for column in columns]
        for place, line in enumerate(lines):
            cells = {"model": line.name} | {header: cells[place] for header, cells in shown}
            found.append({"run": run.name} | cells if len(runs) > 1 else cells)
    header = _ordered(found)
    rows = [[terminal.visible(line.get(name, form.NOTHING)) for name in header] for line in found]
    return Table(header, rows, [name in _LEFT for name in header])


def _ordered(lines: Sequence[dict[str, str]]) -> list[str]:
    """All names of columns, each where the lines that have it have it."""
    header: list[str] = []
    for line in lines:
        at = 0
        for name in line:
            if name in header:
                at = header.index(name) + 1
            else:
                header.insert(at, name)
                at += 1
    return header
