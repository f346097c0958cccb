"""Text that the models wrote."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from lmbench.record import Record
from lmbench.report.document import shown
from lmbench.report.material import Material
from lmbench.report.section.base import breakable

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import RenderableType

__all__ = ["Samples"]


class Samples:
    """How each model goes on from the first words of the test text, with one seed for all."""

    title = "What the models write"
    position = 13
    pages = ("report",)

    def text(self, record: Record, width: int) -> RenderableType | None:
        return None

    def html(self, record: Record) -> str | None:
        return None

    def figure(self, record: Record) -> Figure | None:
        return None

    def illustrated(self, record: Record, material: Material, prefix: str) -> str | None:
        written = [(voice.model, voice.sample) for voice in material.voices if voice.sample]
        if not written:
            return None
        begin = f" <q>{_lines(material.prompt)}</q>" if material.prompt else " the beginning of a document"
        parts = "".join(
            f'<div class="sample"><h3>{breakable(model)}</h3><pre>{_lines(text)}</pre></div>' for model, text in written
        )
        return f"<p>Each goes on from{begin}, drawn token by token from what it predicts, seed 0.</p>{parts}"


def _lines(text: str) -> str:
    return escape(shown(text, keep="\n"))
