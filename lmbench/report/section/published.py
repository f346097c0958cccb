"""What others have published for this text, or for texts like it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmbench.record import Record
from lmbench.report.format import cut_at_end
from lmbench.report.section.base import bullets, bullets_html
from lmbench.report.section.entropy_panel import published_lines

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import RenderableType

__all__ = ["PublishedFigures"]

_WIDEST, _MARGIN = 120, 4  # columns: of a line, and of the bullet before it and room behind it


class PublishedFigures:
    """Published figures with their sources and conventions, where the run has bits per character to hold against them;
    the picture of the axis draws them too, and a terminal has them without their conventions."""

    title = "Published figures"
    position = 5
    pages = ("report",)

    def text(self, record: Record, width: int) -> RenderableType | None:
        lines = _lines(record, brief=True)
        return bullets([cut_at_end(line, min(width, _WIDEST) - _MARGIN) for line in lines], width)

    def html(self, record: Record) -> str | None:
        return bullets_html(_lines(record))

    def figure(self, record: Record) -> Figure | None:
        return None


def _lines(record: Record, brief: bool = False) -> list[str]:
    return published_lines(record, brief) if record.card.lossless else []
