"""Where the network wins, and where counting does: two models' losses by what the tokens are."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from lmbench.record import Record, TokensBy
from lmbench.report import draw
from lmbench.report import format as form
from lmbench.report.section.base import table_html

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from rich.console import RenderableType

__all__ = ["WhereEachWins"]

_LOOKS = (("s", draw.CYCLE[1]), ("o", draw.CYCLE[0]))  # as nets and counts look among the costs
_LONGEST = 60  # characters of a name


class WhereEachWins:
    """Nats per token of the best net and the best model that holds none (or the best two), by group of tokens."""

    title = "Where each model wins"
    position = 11
    pages = ("report",)
    caption = "Nats per token in each group of test tokens; a line joins the two models, to the left is better."

    def text(self, record: Record, width: int) -> RenderableType | None:
        return None

    def html(self, record: Record) -> str | None:
        where = record.where
        if where is None or len(where.models) != 2 or not any(part.groups for part in where.breakdowns):
            return None
        first, second = where.models
        gain = f"{where.gain:.4f} nats per token" if where.gain >= 0.00005 else "nothing"
        said = (
            f"Mixed with weight {where.weight:.2f} for {first} and the rest for {second}, chosen on the first half of "
            f"the test text, the two gain {gain} on the better of them on the second half."
        )
        tables = "".join(_table(part, where.models) for part in where.breakdowns if part.groups)
        return f"<p>{escape(said)}</p>{tables}"

    def figure(self, record: Record) -> Figure | None:
        where = record.where
        if where is None or len(where.models) != 2:
            return None
        parts = [part for part in where.breakdowns if part.groups]
        if not parts:
            return None
        from matplotlib.figure import Figure

        most = max(len(part.groups) for part in parts)
        figure = Figure(figsize=(12.5, 1.6 + 0.27 * most), layout="constrained")
        for plot, part in zip(figure.subplots(1, len(parts), squeeze=False)[0], parts, strict=True):
            draw.plain(plot)
            _draw(plot, part)
        handles = [
            figure.axes[0].plot([], [], marker, color=colour, markersize=6, label=form.shortened(model, _LONGEST))[0]
            for model, (marker, colour) in zip(where.models, _LOOKS, strict=True)
        ]
        legend = figure.legend(
            handles=handles, loc="outside lower left", frameon=False, fontsize=8.5, labelcolor=draw.INK, ncols=2
        )
        for text in legend.get_texts():
            text.set_parse_math(False)
        return figure


def _draw(plot: Axes, part: TokensBy) -> None:
    """One line for each group, from above; the two models' losses on it."""
    plot.grid(False, axis="y")
    for place, group in enumerate(part.groups):
        plot.plot(group.nats, [place, place], color=draw.MUTED, linewidth=1.2, zorder=1)
        for value, (marker, colour) in zip(group.nats, _LOOKS, strict=True):
            plot.plot([value], [place], marker, color=colour, markersize=5.5, zorder=2)
    plot.set_yticks(range(len(part.groups)), labels=[form.shortened(each.label, 26) for each in part.groups])
    for label in plot.get_yticklabels():
        label.set_parse_math(False)
        label.set_fontsize(8)
    plot.set_ylim(len(part.groups) - 0.5, -0.5)
    plot.set_title(part.by, fontsize=9.5, color=draw.INK, loc="left").set_parse_math(False)
    plot.set_xlabel("nats per token", fontsize=9, color=draw.INK)


def _table(part: TokensBy, models: list[str]) -> str:
    """The figures, folded away."""
    header = ("group", "tokens", *models, "difference")
    rows = [
        [
            group.label,
            f"{group.tokens:,}",
            *(form.fixed(value, 4) for value in group.nats),
            form.signed(group.nats[0] - group.nats[1], None, 4),
        ]
        for group in part.groups
    ]
    caption = f"nats per token by {part.by}"
    return f"<details><summary>{escape(caption)}</summary>{table_html(caption, header, rows)}</details>"
