"""What the models' own texts cost them, beside what people's text does."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from lmbench.record import Drift as Measured
from lmbench.record import Record
from lmbench.report import draw
from lmbench.report import format as form
from lmbench.report.section.base import table_html

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import RenderableType

__all__ = ["Drift"]

_LONGEST = 40  # characters of a name
_HEADER = ("model", "writes at", "95 % interval", "scored at", "perplexities")


class Drift:
    """The entropy of what each model writes against its cross-entropy on the test text, and along its texts."""

    title = "Do the models drift?"
    position = 13
    pages = ("report",)
    caption = (
        "Mean entropy of the predictions along texts that each model draws from its own distribution, by place in the "
        "text; dashed: the cross-entropy that it was scored at. A curve that climbs above its line drifts."
    )

    def text(self, record: Record, width: int) -> RenderableType | None:
        from lmbench.report.screen import Grid, Heading, group, styled

        found = list(_measured(record))
        if not found:
            return None
        grid = Grid(
            Heading(_HEADER[0], kind="name"), Heading(_HEADER[1]), Heading(_HEADER[2], rank=2),
            Heading(_HEADER[3], rank=1), Heading(_HEADER[4], rank=3),
        )  # fmt: skip
        for name, drift in found:
            grid.add(name, *_cells(drift))
        return group(styled(_sentence(found), ""), grid)

    def html(self, record: Record) -> str | None:
        found = list(_measured(record))
        if not found:
            return None
        rows = [(name, *_cells(drift)) for name, drift in found]
        return table_html(_sentence(found), _HEADER, rows)

    def figure(self, record: Record) -> Figure | None:
        found = list(_measured(record))
        if not found:
            return None
        figure, plot = draw.axes(9.0, 3.6 + 0.16 * len(found))
        for (name, drift), colour in zip(found, draw.CYCLE * len(found), strict=False):
            plot.plot(
                drift.places, drift.nats, "-o", color=colour, markersize=3.5, linewidth=1.5,
                label=form.shortened(name, _LONGEST),
            )  # fmt: skip
            plot.axhline(drift.scored_nats_per_token, color=colour, linewidth=0.9, linestyle=(0, (4, 3)))
        plot.set_xscale("log")
        draw.decades(plot.xaxis)
        plot.set_xlabel("token of the text", fontsize=9, color=draw.INK)
        plot.set_ylabel("nats per token", fontsize=9, color=draw.INK)
        legend = figure.legend(
            *plot.get_legend_handles_labels(), loc="outside lower left", frameon=False, fontsize=8,
            labelcolor=draw.INK, ncols=2,
        )  # fmt: skip
        for text in legend.get_texts():
            text.set_parse_math(False)
        return figure


def _measured(record: Record) -> Iterator[tuple[str, Measured]]:
    for row in record.rows:
        if row.drift is not None:
            yield row.model, row.drift


def _cells(drift: Measured) -> tuple[str, str, str, str]:
    written, scored = (
        form.perplexity(math.exp(min(nats, 700.0))) for nats in (drift.nats_per_token, drift.scored_nats_per_token)
    )
    return (
        form.fixed(drift.nats_per_token, 4),
        form.interval(drift.ci95_nats_per_token, 4),
        form.fixed(drift.scored_nats_per_token, 4),
        f"{written} / {scored}",
    )


def _sentence(found: list[tuple[str, Measured]]) -> str:
    """Which of them write at more than they were scored at, so far that its interval leaves no doubt."""
    drifting = [
        name
        for name, drift in found
        if drift.ci95_nats_per_token and drift.ci95_nats_per_token[0] > drift.scored_nats_per_token
    ]
    drawn = f"Each model wrote {found[0][1].texts} texts, drawn from its own distribution."
    if not drifting:
        return f"{drawn} No model found its own text harder than the test text (nats per token)."
    return f"{drawn} These found their own text harder than the test text (nats per token): {', '.join(drifting)}."
