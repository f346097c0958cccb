"""The report as one page that needs nothing else: figures, style and script inside, no network."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from lmbench.record import Record
from lmbench.report import draw
from lmbench.report import format as form
from lmbench.report.document import document
from lmbench.report.finding import finding
from lmbench.report.lines import lines_of
from lmbench.report.material import Material
from lmbench.report.section import ordered
from lmbench.report.section.base import Illustrated, Page, Section, scrolling, table_html
from lmbench.store import atomic


@dataclass(frozen=True)
class Shown:
    """A run as a report shows it: `name` it goes by in a list of several."""

    name: str
    record: Record
    material: Material | None = None


def write_page(folder: Path, record: Record, page: Page = "report", material: Material | None = None) -> None:
    """Write `<page>.html` into a run's folder, and each figure beside it as `<page>-<section>.png`."""
    for name, section in ordered(page):
        figure = section.figure(record)
        if figure is not None:
            with atomic(folder / f"{page}-{name}.png") as handle:
                handle.write(draw.png(figure, f"{section.title}: {record.card.corpus}"))
    write_report(folder / f"{page}.html", [Shown(folder.name, record, material)], page)


def write_report(path: Path, runs: Sequence[Shown], page: Page = "report") -> None:
    """Write one page about one run, or about several, of which the reader chooses."""
    text = _single(runs[0], page) if len(runs) == 1 else _several(runs, page)
    with atomic(path) as handle:
        handle.write(text.encode())


def _single(run: Shown, page: Page) -> str:
    body, contents = _sections(run, page, "")
    return document(title_of(run.record), _lead(run.record), body, _opening(run.record), contents)


def _several(runs: Sequence[Shown], page: Page) -> str:
    articles = []
    for place, run in enumerate(runs):
        prefix = f"run{place}-"
        body, contents = _sections(run, page, prefix)
        head = (
            f'<h2 id="{prefix}head">{escape(title_of(run.record))}</h2><p class="lead">{escape(_lead(run.record))}</p>'
            f"{_opening(run.record)}"
        )
        lower = re.sub(r"(</?h)([2-5])\b", lambda found: f"{found[1]}{int(found[2]) + 1}", body)
        name = escape(f"{run.record.card.corpus} ({run.name})", quote=True)
        contents = f'<nav aria-label="Sections of {name}">{contents}</nav>'
        articles.append(f'<article aria-labelledby="{prefix}head" data-name="{name}">{head}{contents}{lower}</article>')
    title = form.counted(len(runs), "run")
    return document(f"lmbench: {title}", "choose one under Run", "\n".join(articles), _overview(runs))


def _overview(runs: Sequence[Shown]) -> str:
    """The best model of each run."""
    rows = []
    for run in runs:
        best = next((line for line in lines_of(run.record) if line.row is not None), None)
        figures = (None, None) if best is None else (best.bits_per_byte, best.nats_per_token)
        name = "none" if best is None else best.name
        rows.append([run.name, run.record.card.corpus, name, form.fixed(figures[0], 3), form.fixed(figures[1], 4)])
    header = ("run", "corpus", "best model", "bits/byte", "nats/token")
    return table_html("The best model of each run", header, rows, "rows")


def _sections(run: Shown, page: Page, prefix: str) -> tuple[str, str]:
    """The sections one after the other, and a list of links to them."""
    pieces, links = [], []
    for name, section in ordered(page):
        content = _content(run, name, section, prefix)
        if content:
            place = f"{prefix}{name.replace('_', '-')}"
            title = escape(section.title)
            pieces.append(f'<section aria-labelledby="{place}"><h2 id="{place}">{title}</h2>{content}</section>')
            links.append(f'<li><a href="#{place}">{title}</a></li>')
    return "\n".join(pieces), f"<ul>{''.join(links)}</ul>" if links else ""


def _content(run: Shown, name: str, section: Section, prefix: str) -> str:
    parts = []
    figure = section.figure(run.record)
    if figure is not None:
        picture = draw.svg(figure, prefix + name, f"{section.title}, a chart")
        caption = getattr(section, "caption", "")
        under = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
        parts.append(f"<figure>{scrolling(picture, f'{section.title}, chart')}{under}</figure>")
    text = section.html(run.record)
    if text is not None:
        parts.append(text)
    if run.material is not None and isinstance(section, Illustrated):
        parts.append(section.illustrated(run.record, run.material, prefix) or "")
    return "".join(parts)


def title_of(record: Record) -> str:
    """`book: 9 models, 6 estimates`."""
    counts = f"{form.counted(len(record.rows), 'model')}, {form.counted(len(record.entropy), 'estimate')}"
    return f"{record.card.corpus}: {counts}"


def _opening(record: Record) -> str:
    said = finding(record)
    return f'<p class="finding">{escape(said)}</p>' if said else ""


def _lead(record: Record) -> str:
    card = record.card
    return (
        f"{card.test.tokens:,} test tokens ({card.test.bytes:,} bytes), tokenizer {card.tokenizer}, "
        f"{card.started[:10]}, lmbench {card.versions.get('lmbench', '')}"
    )
