"""The report as one page that needs nothing else: no script, no network, figures inline."""

from __future__ import annotations

from html import escape
from pathlib import Path

from lmbench.record import Record
from lmbench.report import draw
from lmbench.report import format as form
from lmbench.report.section import ordered
from lmbench.report.section.base import Page
from lmbench.store import atomic

_STYLE = """
:root { color-scheme: light dark; --ink: #1f2430; --faint: #d5d9e0; --soft: #5a6372; --paper: #fff; --truth: #2f855a; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e8ef; --faint: #3a4250; --soft: #a6b0c0; --paper: #15181e; --truth: #6cc79a; }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); }
body { max-width: 82rem; margin: 2rem auto; padding: 0 1.2rem; }
h1 { font-size: 1.5rem; margin-bottom: .2rem; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 2rem 0 .6rem; } h3 { font-size: 1rem; overflow-wrap: anywhere; }
p.lead { color: var(--soft); margin-top: 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { padding: .28rem .5rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--faint); }
thead th { color: var(--soft); font-weight: 600; border-bottom: 2px solid var(--faint); }
table.rows thead th:nth-child(2) { text-align: left; }
table.rows tbody th, table.rows td:nth-child(2) { text-align: left; font-weight: 400; }
table.rows tbody th { font-family: ui-monospace, monospace; white-space: normal; min-width: 14rem; }
table.rows tbody th { overflow-wrap: anywhere; }
tr.model th, tr.model td:nth-child(3) { font-weight: 600; } tr.true-rate { color: var(--truth); }
tr.score, tr.control { color: var(--soft); }
table.laws th, table.laws td { text-align: left; vertical-align: top; } table.laws tbody th { font-weight: 400; }
table.laws td:nth-child(2) { font-weight: 600; }
table.laws td:last-child { white-space: normal; min-width: 24rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.2rem; font-size: .9rem; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
ul { font-size: .9rem; padding-left: 1.1rem; overflow-wrap: anywhere; }
@media (max-width: 40rem) {
  table.rows tbody th { min-width: 9rem; } dl { display: block; } dt { margin-top: .5rem; }
  table.laws thead { display: none; } table.laws, table.laws tbody { display: block; }
  table.laws tr { display: grid; grid-template-columns: minmax(0, 1fr) auto auto; }
  table.laws tr { border-bottom: 1px solid var(--faint); }
  table.laws th, table.laws td { border: 0; }
  table.laws tbody th { white-space: normal; } table.laws td:last-child { grid-column: 1 / -1; min-width: 0; }
}
figure { margin: 0; padding: .3rem; overflow-x: auto; background: #fff; border-radius: .3rem; }
svg { max-width: 100%; min-width: 38rem; height: auto; } svg text { font-family: system-ui, sans-serif !important; }
"""


def document(title: str, lead: str, body: str) -> str:
    """A page of HTML around `body`, in the look of every report; on a dark screen figures keep their white ground."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n"
        f'<body><h1>{escape(title)}</h1><p class="lead">{escape(lead)}</p>\n{body}\n</body></html>\n'
    )


def write_page(folder: Path, record: Record, page: Page = "report") -> None:
    """Write `<page>.html` into a run's folder, and each figure beside it as `<page>-<section>.png`."""
    pieces = []
    for name, section in ordered(page):
        parts = []
        figure = section.figure(record)
        if figure is not None:
            parts.append(f"<figure>{draw.svg(figure, name)}</figure>")
            with atomic(folder / f"{page}-{name}.png") as handle:
                handle.write(draw.png(figure, f"{section.title}: {record.card.corpus}"))
        text = section.html(record)
        if text is not None:
            parts.append(text)
        if parts:
            pieces.append(f"<section><h2>{escape(section.title)}</h2>{''.join(parts)}</section>")
    with atomic(folder / f"{page}.html") as handle:
        handle.write(_page(record, "\n".join(pieces)).encode())


def _page(record: Record, body: str) -> str:
    card = record.card
    title = f"{card.corpus}: {form.counted(len(record.rows), 'model')}, {form.counted(len(record.entropy), 'estimate')}"
    lead = (
        f"{card.test.tokens:,} test tokens ({card.test.bytes:,} bytes), tokenizer {card.tokenizer}, "
        f"{card.started[:10]}, lmbench {card.versions.get('lmbench', '')}"
    )
    return document(title, lead, body)
