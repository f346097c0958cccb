"""What a reader must know of single rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmbench.record import Failure, Record
from lmbench.report.format import cut_at_end
from lmbench.report.section.base import bullets, bullets_html

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import RenderableType

__all__ = ["Notes"]

_WIDEST, _MARGIN = 120, 4  # columns: of a note, and of the bullet before it and room behind it


class Notes:
    """The notes of models and estimators, and what could not be done and why.

    On a terminal a line each, cut where it ends; `WholeNotes` has all of them.
    """

    title = "Notes"
    position = 20
    pages = ("report", "entropy")

    def text(self, record: Record, width: int) -> RenderableType | None:
        whole = notes_of(record)
        short = [cut_at_end(note, min(width, _WIDEST) - _MARGIN) for note in whole]
        if short != whole:
            short.append("the whole of these notes: --notes")
        return bullets(short, width)

    def html(self, record: Record) -> str | None:
        return bullets_html(notes_of(record))

    def figure(self, record: Record) -> Figure | None:
        return None


def notes_of(record: Record) -> list[str]:
    """One sentence each; what several rows say alike is said once, with all their names."""
    speakers: dict[str, list[str]] = {}
    for row in record.rows:
        for note in row.notes:
            speakers.setdefault(note, []).append(row.model)
    for entropy in record.entropy:
        if entropy.note:
            speakers.setdefault(entropy.note, []).append(entropy.estimator)
    notes = [f"{', '.join(dict.fromkeys(names))}: {note}" for note, names in speakers.items()]
    return [*record.card.notes, *notes] + [f"not done: {line}" for line in failures_of(record.failures)]


def failures_of(failures: list[Failure]) -> list[str]:
    """`spec: message`, with all their specs for those that failed alike."""
    specs: dict[str, list[str]] = {}
    for failure in failures:
        specs.setdefault(failure.message, []).append(failure.spec)
    return [f"{', '.join(names)}: {message}" for message, names in specs.items()]
