"""How the uncertainty of a symbol falls as more of the text before it is known."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from lmbench.record import Entropy, Record
from lmbench.report import draw
from lmbench.report import format as form
from lmbench.report.section.base import table_html

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import RenderableType

__all__ = ["BlockEntropy"]

_LONGEST = 60  # characters of a name


class BlockEntropy:
    """Conditional entropies F_n against n; hollow where n has outrun the data and the figure means nothing."""

    title = "Conditional entropy"
    position = 8

    def text(self, record: Record, width: int) -> RenderableType | None:
        return None

    def html(self, record: Record) -> str | None:
        tables = [_table(entropy) for entropy in record.entropy if _points(entropy)]
        return "".join(tables) or None

    def figure(self, record: Record) -> Figure | None:
        curves = [(entropy, points) for entropy in record.entropy if (points := _points(entropy))]
        if not curves:
            return None
        figure, plot = draw.axes(12.0, 3.6)
        for (entropy, points), colour in zip(curves, draw.CYCLE, strict=False):
            good = [(n, bits) for n, bits, reliable in points if reliable]
            rest = good[-1:] + [(n, bits) for n, bits, reliable in points if not reliable]
            plot.plot(
                *zip(*good, strict=True), "o-", color=colour, label=entropy.estimator, markersize=4.5, linewidth=1.6
            )
            plot.plot(*zip(*rest, strict=True), "o:", color=colour, mfc="white", markersize=4, linewidth=1, alpha=0.6)
        best = min((row for row in record.rows if row.bits_per_character is not None), default=None, key=_per_character)
        if best is not None:
            plot.axhline(
                _per_character(best),
                color=draw.INK,
                linewidth=1,
                linestyle=(0, (4, 3)),
                label=f"best model: {form.shortened(best.model, _LONGEST)}",
            )
        plot.set_ylim(bottom=0)
        plot.set_xlabel(
            "n: symbols in the block, the predicted one included; hollow: too long for this text to tell",
            fontsize=9.5,
            color=draw.INK,
        )
        plot.set_ylabel("bits per character", fontsize=9.5, color=draw.INK)
        legend = plot.legend(frameon=False, fontsize=8.5, labelcolor=draw.INK)
        for text in legend.get_texts():
            text.set_parse_math(False)
        return figure


def _table(entropy: Entropy) -> str:
    """H_n, F_n and the coverage of the n-grams, folded away; lines beyond the reach of the text are said to be so."""
    curve: dict[str, Any] = dict(entropy.curve)
    columns = ("n", "block_entropy_bits", "conditional_entropy_bits", "coverage", "windows", "reliable")
    rows = []
    for n, block, conditional, coverage, windows, reliable in zip(*(curve[name] for name in columns), strict=True):
        cells = [f"{n}", f"{block:.4f}", f"{conditional:.4f}", f"{coverage:.4f}", f"{windows:,}"]
        rows.append([*cells, "" if reliable else "too long for this text"])
    caption = f"{entropy.estimator}: bits per symbol for every n"
    table = table_html(caption, ("n", "H_n", "F_n", "coverage", "n-grams", "remark"), rows)
    return f"<details><summary>{escape(caption)}</summary>{table}</details>"


def _per_character(row: Any) -> float:
    return float(row.bits_per_character)


def _points(entropy: Entropy) -> list[tuple[int, float, bool]]:
    """(n, bits per character, reliable) of an estimate that was read off such a curve."""
    curve: dict[str, Any] = dict(entropy.curve)
    if not {"n", "bits_per_character", "reliable"} <= curve.keys():
        return []
    points = zip(curve["n"], curve["bits_per_character"], curve["reliable"], strict=True)
    found = [(n, bits, bool(reliable)) for n, bits, reliable in points if bits is not None]
    return found if any(reliable for _, _, reliable in found) else []
