"""How fast the nets learnt, and which count-based rows they passed on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lmbench.report import draw
from lmbench.store import Record, Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import RenderableType

__all__ = ["Learning"]


class Learning:
    """Validation loss of each net against seconds of training; count-based rows are horizontal lines."""

    title = "Learning curves"
    position = 7

    def text(self, record: Record, width: int) -> RenderableType | None:
        return None

    def html(self, record: Record) -> str | None:
        return None

    def figure(self, record: Record) -> Figure | None:
        curves = [(row, points) for row in record.rows if (points := _points(row))]
        if not curves:
            return None
        figure, plot = draw.axes(8.5, 4.0)
        for (row, points), colour in zip(curves, draw.CYCLE * len(curves), strict=False):
            seconds = [point["seconds"] for point in points]
            plot.plot(
                seconds, [point["valid"] for point in points], "o-", color=colour, markersize=3.5, label=row.model
            )
            trained = [(point["seconds"], point["train"]) for point in points if point.get("train") is not None]
            if trained:
                plot.plot(*zip(*trained, strict=True), ":", color=colour, linewidth=1.1, label="its training loss")
        end = max(points[-1]["seconds"] for _, points in curves)
        for row in record.rows:
            if row.stored_ngrams is not None and row.nats_per_token is not None:
                plot.axhline(row.nats_per_token, color=draw.FAINT, linewidth=1.3, zorder=1)
                plot.annotate(
                    row.model, (end, row.nats_per_token), xytext=(0, 2), textcoords="offset points",
                    ha="right", fontsize=7.5, color=draw.INK, parse_math=False,
                )  # fmt: skip
        plot.set_xlabel("seconds of training", fontsize=9.5, color=draw.INK)
        plot.set_ylabel("nats per token: nets on validation text, lines on test text", fontsize=8.5, color=draw.INK)
        for text in plot.legend(frameon=False, fontsize=8.5, labelcolor=draw.INK, loc="upper right").get_texts():
            text.set_parse_math(False)
        return figure


def _points(row: Row) -> list[dict[str, Any]]:
    """The points of a row's learning curve at which it was validated; empty where it keeps none."""
    curve = row.training.get("curve")
    if not isinstance(curve, list):
        return []
    points = [point for point in curve if isinstance(point, dict)]
    return [point for point in points if point.get("valid") is not None and point.get("seconds") is not None]
