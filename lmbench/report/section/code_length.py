"""How a model's code gets shorter as it learns, block by block of the whole text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lmbench.record import Record
from lmbench.report import draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import RenderableType

__all__ = ["CodeLength"]


class CodeLength:
    """Bits per token of each block of a prequential code against the tokens read, and the average as a line."""

    title = "Prequential code length"
    position = 6

    def text(self, record: Record, width: int) -> RenderableType | None:
        return None

    def html(self, record: Record) -> str | None:
        return None

    def figure(self, record: Record) -> Figure | None:
        curves = [(entropy, dict(entropy.curve)) for entropy in record.entropy if "block_ends" in entropy.curve]
        if not curves:
            return None
        figure, plot = draw.axes(12.0, 3.8)
        plot.set_xscale("log")
        for (entropy, curve), colour in zip(curves, draw.CYCLE * len(curves), strict=False):
            ends, rates = _rates(curve)
            plot.plot(ends, rates, "o-", color=colour, markersize=4, linewidth=1.4, label=entropy.estimator)
            if entropy.bits_per_token is not None:
                plot.axhline(entropy.bits_per_token, color=colour, linewidth=1, linestyle=(0, (4, 3)))
        draw.decades(plot.xaxis)
        plot.set_ylim(bottom=0)
        plot.set_xlabel("tokens of the text coded so far; dashed: the whole code", fontsize=9.5, color=draw.INK)
        plot.set_ylabel("bits per token of the block", fontsize=9.5, color=draw.INK)
        for text in plot.legend(frameon=False, fontsize=8.5, labelcolor=draw.INK).get_texts():
            text.set_parse_math(False)
        return figure


def _rates(curve: dict[str, Any]) -> tuple[list[int], list[float]]:
    """Where each block ends, and its bits per token."""
    ends: list[int] = curve["block_ends"]
    starts = [0, *ends[:-1]]
    return ends, [bits / (end - start) for bits, start, end in zip(curve["block_bits"], starts, ends, strict=True)]
