"""Every row on one axis, with its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmbench.record import Record
from lmbench.report import draw
from lmbench.report import format as form
from lmbench.report.lines import CONTROL, lines_of
from lmbench.report.section.entropy_panel import EntropyPanel

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import RenderableType

__all__ = ["Ranking"]

_LONGEST = 46  # characters of a name


class Ranking:
    """Models, estimates, bounds and published figures on one axis in bits per character, by kind; where the tokens lose
    text, all in nats per token."""

    title = "The entropy axis"
    position = 4
    pages = ("report",)

    def text(self, record: Record, width: int) -> RenderableType | None:
        return None

    def html(self, record: Record) -> str | None:
        return None

    def figure(self, record: Record) -> Figure | None:
        if record.card.lossless:
            return EntropyPanel().figure(record)
        lines = [line for line in lines_of(record) if line.nats_per_token is not None and line.kind != CONTROL]
        if not lines:
            return None
        figure, plot = draw.axes(12.0, 1.1 + 0.32 * len(lines))
        plot.grid(False, axis="y")
        seen: set[str] = set()
        for place, line in enumerate(lines):
            value = line.nats_per_token
            assert value is not None
            colour = draw.COLOURS.get(line.kind, draw.INK)
            low, high = (line.row and line.row.ci95_nats_per_token) or (None, None)
            if low is not None and high is not None:
                plot.plot([low, high], [place, place], color=colour, linewidth=2, alpha=0.45, solid_capstyle="round")
            plot.plot(
                [value], [place], draw.MARKERS.get(line.kind, "x"), color=colour, markersize=6.5, linestyle="none",
                label=None if line.kind in seen else line.kind,
            )  # fmt: skip
            plot.annotate(
                f"{value:.3f}", (max(value, high or value), place), xytext=(7, 0), textcoords="offset points",
                va="center", fontsize=8.5, color=draw.INK,
            )  # fmt: skip
            if line.kind == "true rate":
                plot.axvline(value, color=colour, linewidth=1, linestyle=(0, (4, 3)))
            seen.add(line.kind)
        plot.set_yticks(range(len(lines)))
        for label, line in zip(
            plot.set_yticklabels([form.shortened(line.name, _LONGEST) for line in lines]), lines, strict=True
        ):
            label.set_parse_math(False)
            label.set_color(draw.COLOURS.get(line.kind, draw.INK))
        plot.set_ylim(len(lines) - 0.4, -0.6)
        plot.margins(x=0.08)
        plot.set_xlabel("nats per token; bars: 95 % intervals", fontsize=9.5, color=draw.INK)
        if len(seen) > 1:
            plot.legend(frameon=False, fontsize=8.5, loc="upper right", labelcolor=draw.INK)
        return figure
