"""A run as a notebook shows it: a piece of HTML that runs nothing and fetches nothing."""

from __future__ import annotations

from html import escape

from lmbench.record import Record
from lmbench.report.document import visible
from lmbench.report.finding import finding
from lmbench.report.leakage import matters
from lmbench.report.lines import columns_of, lines_of

_WANTED = ("kind", "nats/token", "± 95 %", "bits/byte", "perplexity", "size", "fit")
_CELL = "padding: 0.15em 0.7em; white-space: nowrap;"


def display(record: Record, folder: str) -> str:
    """What was found, the table of models and estimates, best first, and where the rest is. Text of the record is
    escaped, and what a browser would obey or hide is shown as a sign."""
    lines = lines_of(record)
    columns = [column for column in columns_of(lines, matters(record.card.test.leakage)) if column.header in _WANTED]
    head = "".join(f'<th style="text-align: right; {_CELL}">{escape(column.header)}</th>' for column in columns)
    body = []
    for place, line in enumerate(lines):
        cells = "".join(f'<td style="text-align: right; {_CELL}">{escape(each.cells[place])}</td>' for each in columns)
        body.append(f'<tr><th scope="row" style="text-align: left; {_CELL}">{escape(line.name)}</th>{cells}</tr>')
    card = record.card
    called = f"{card.name}: " if card.name else ""
    about = f"{called}{card.corpus}, {card.test.tokens:,} test tokens, tokenizer {card.tokenizer}; {folder}"
    unfinished = "" if record.status == "complete" else " (interrupted)"
    return visible(
        f'<div class="lmbench-run"><p>{escape(finding(record))}</p>'
        f'<table><thead><tr><th scope="col"></th>{head}</tr></thead><tbody>{"".join(body)}</tbody></table>'
        f"<p><small>{escape(about)}{unfinished}</small></p></div>"
    )
