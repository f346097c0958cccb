"""Every word of the notes, for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmbench.record import Record
from lmbench.report.section.base import bullets
from lmbench.report.section.notes import notes_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import RenderableType

__all__ = ["WholeNotes"]


class WholeNotes:
    """What `--notes` prints."""

    title = "Notes"
    position = 20
    pages = ("notes",)

    def text(self, record: Record, width: int) -> RenderableType | None:
        return bullets(notes_of(record), width)

    def html(self, record: Record) -> str | None:
        return None

    def figure(self, record: Record) -> Figure | None:
        return None
