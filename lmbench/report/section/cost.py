"""What a model costs, against how well it predicts."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from lmbench.record import Record, Row
from lmbench.report import draw
from lmbench.report import format as form
from lmbench.report.finding import BOTH, COUNTS, NET, OTHER, family_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from rich.console import RenderableType

__all__ = ["Cost"]

Point = tuple[float, float, Row]  # cost, quality, whose

_LOOKS = {
    COUNTS: ("o", draw.CYCLE[0]),
    NET: ("s", draw.CYCLE[1]),
    BOTH: ("D", draw.CYCLE[2]),
    OTHER: ("x", draw.CYCLE[5]),
}
_LONGEST = 36  # characters of a name
_LEAST = 0.05  # of the height of a picture, between two labels


class Cost:
    """Bits per byte (nats per token where text is lost) against the seconds of fitting, the bytes on disk and the
    operations of training; a line joins the models that no other beats in both."""

    title = "Cost and quality"
    position = 10
    pages = ("report",)
    caption = (
        "Down and to the left is better. The line is the Pareto frontier: no other model of the run is both cheaper "
        "and better than those on it. Operations are counted for nets only: 6 for each parameter, and attention, for "
        "each token trained on."
    )

    def text(self, record: Record, width: int) -> RenderableType | None:
        return None

    def html(self, record: Record) -> str | None:
        return None

    def figure(self, record: Record) -> Figure | None:
        costs = [(name, points) for name, of in _COSTS if len(points := _points(record, of)) > 1]
        if not costs:
            return None
        named = {row.model: quality for _, points in costs for _, quality, row in points}
        figure, plots = draw.panels(12.5, 4.2 + 0.12 * len(named), len(costs))
        seen: dict[str, None] = {}
        for plot, (name, points) in zip(plots, costs, strict=True):
            _draw(plot, points)
            plot.set_xscale("log")
            _widen(plot)
            draw.decades(plot.xaxis)
            plot.set_xlabel(name, fontsize=9, color=draw.INK)
            seen |= dict.fromkeys(family_of(row) for _, _, row in points)
        unit = "bits per byte" if record.card.lossless else "nats per token"
        plots[0].set_ylabel(f"{unit} of the test text", fontsize=9, color=draw.INK)
        low, high = min(named.values()), max(named.values())
        margin = 0.05 * max(high - low, 0.01)
        plots[0].set_ylim(low - margin, high + margin)
        _label(plots[-1], named)
        for family in seen:
            marker, colour = _LOOKS[family]
            plots[0].plot([], [], marker, color=colour, markersize=6, label=family)
        figure.legend(
            *plots[0].get_legend_handles_labels(), loc="outside lower left", frameon=False, fontsize=8.5,
            labelcolor=draw.INK, ncols=5,
        )  # fmt: skip
        return figure


def frontier(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Those of (cost, loss) that no other is at most as dear and at most as high as, the cheapest first.

    Worked example: (1, 5), (2, 3), (3, 4), (4, 1) -> (1, 5), (2, 3), (4, 1).
    """
    found: list[tuple[float, float]] = []
    for cost, loss in sorted(points):
        if not found or loss < found[-1][1]:
            found.append((cost, loss))
    return found


def _operations(row: Row) -> float | None:
    spent = row.training.get("flops")
    return float(spent) if isinstance(spent, int | float) and not isinstance(spent, bool) else None


_COSTS: tuple[tuple[str, Callable[[Row], float | None]], ...] = (
    ("seconds to fit", lambda row: row.fit_seconds),
    ("bytes on disk", lambda row: row.bytes_on_disk),
    ("operations of training", _operations),
)


def _points(record: Record, cost: Callable[[Row], float | None]) -> list[Point]:
    """The rows that have this cost and a quality; the axis is logarithmic, so that what costs nothing has no place."""
    found = []
    for row in record.rows:
        quality = row.bits_per_byte if record.card.lossless else row.nats_per_token
        spent = cost(row)
        if quality is not None and spent and spent > 0 and row.distribution and not row.control:
            found.append((spent, quality, row))
    return found


def _draw(plot: Axes, points: list[Point]) -> None:
    best = frontier([(cost, quality) for cost, quality, _ in points])
    plot.step(*zip(*best, strict=True), where="post", color=draw.MUTED, linewidth=1.3, zorder=1)
    for cost, quality, row in points:
        marker, colour = _LOOKS[family_of(row)]
        plot.plot([cost], [quality], marker, color=colour, markersize=6.5, zorder=2)


def _widen(plot: Axes) -> None:
    """An axis that spans a factor of four at least: where all cost nearly the same, that is what there is to see."""
    low, high = plot.get_xlim()
    middle = math.sqrt(low * high)
    plot.set_xlim(min(low, middle / 2), max(high, middle * 2))


def _label(plot: Axes, named: dict[str, float]) -> None:
    """The names at the right, at the height of their marks, moved apart where they would touch."""
    low, high = plot.get_ylim()
    ordered = sorted(named.items(), key=lambda pair: pair[1])
    places = _apart([quality for _, quality in ordered], min(_LEAST, 1 / len(ordered)) * (high - low), high)
    for (model, quality), at in zip(ordered, places, strict=True):
        plot.annotate(
            f"{form.shortened(model, _LONGEST)}  {quality:.3f}", (1.0, quality),
            xytext=(1.05, (at - low) / (high - low)),
            xycoords=("axes fraction", "data"), textcoords="axes fraction", va="center", fontsize=7.5, color=draw.INK,
            parse_math=False, annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": draw.MUTED, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 0},
        )  # fmt: skip


def _apart(wanted: list[float], least: float, highest: float) -> list[float]:
    """Ascending places as near to those wanted as they can be from below, `least` apart, and none above `highest`.

    Worked example: 1, 1.5 and 4, one apart, up to 4 -> 1, 2, 4; up to 3 -> 1, 2, 3.
    """
    places: list[float] = []
    for place in wanted:
        places.append(max(place, places[-1] + least) if places else place)
    limit = highest
    for index in range(len(places) - 1, -1, -1):
        places[index] = min(places[index], limit)
        limit = places[index] - least
    return places
