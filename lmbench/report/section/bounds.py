"""Shannon's prediction game: what the ranks of right guesses say of the entropy, against what is known of the text."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from lmbench.record import Record, Shannon, ShannonPoint
from lmbench.report import draw
from lmbench.report import format as form
from lmbench.report.published import COVER_KING, SHANNON, looks_english
from lmbench.report.ranks import rank_html
from lmbench.report.section.base import breakable, bullets_html, table_html

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from rich.console import RenderableType

__all__ = ["ShannonGame"]

HEADERS = ("context", "lower", "95 %", "upper", "95 %", "cross-entropy", "first guess", "guesses")
_DROPPED = ((7,), (6,), (2, 4), (5,))  # of HEADERS, one after the other, where a terminal has no room
_LONGEST = 60  # characters of a name
_SOURCE = "a person, 27-letter English (Shannon 1951)"


class ShannonGame:
    """Upper and lower bounds from guess ranks, by models and by people, against the length of the context."""

    title = "Shannon’s prediction game (1951)"
    position = 14

    def text(self, record: Record, width: int) -> RenderableType | None:
        return None

    def html(self, record: Record) -> str | None:
        if not record.shannon:
            return None
        return "".join(_html(item) for item in record.shannon) + f"<p>{escape(caption(record))}</p>"

    def figure(self, record: Record) -> Figure | None:
        played = [item for item in record.shannon if item.points]
        if not played:
            return None
        figure, plot = draw.axes(12.0, 4.4 + 0.09 * len(played))
        for item, colour in zip(played, draw.CYCLE * len(played), strict=False):
            _band(plot, item, colour)
        for marker, label in (("v", "upper bound"), ("^", "lower bound"), (".", "the model’s own cross-entropy")):
            plot.plot([], [], marker, color=draw.MUTED, markersize=4, label=label)
        if comparable(record):
            _people(plot)
        plot.set_xscale("symlog", linthresh=1)
        known = sorted({point.context for item in played for point in item.points})
        ticks = [tick for tick in (0, 1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000) if tick <= known[-1]]
        plot.set_xticks(ticks, labels=[str(tick) for tick in ticks])
        plot.minorticks_off()
        plot.set_xlim(left=-0.15)
        plot.set_ylim(bottom=0)
        unit = "character" if _per_character(played) else "token"
        plot.set_xlabel(f"{symbols(record)} known", fontsize=9.5, color=draw.INK)
        plot.set_ylabel(f"bits per {unit}", fontsize=9.5, color=draw.INK)
        legend = figure.legend(loc="outside lower left", frameon=False, fontsize=8, labelcolor=draw.INK, ncols=2)
        for text in legend.get_texts():
            text.set_parse_math(False)
        return figure


def _band(plot: Axes, item: Shannon, colour: str) -> None:
    """The bounds as the edges of a band, their intervals as bars, the model's own cross-entropy as dots."""
    contexts = [point.context for point in item.points]
    lower = [scaled(item, point.lower) for point in item.points]
    upper = [scaled(item, point.upper) for point in item.points]
    plot.fill_between(
        contexts, lower, upper, color=colour, alpha=0.13, linewidth=0, label=form.shortened(item.model, _LONGEST)
    )
    for values, marker, name in ((upper, "v", "ci95_upper"), (lower, "^", "ci95_lower")):
        plot.plot(contexts, values, marker + "-", color=colour, markersize=4, linewidth=1.3)
        for point in item.points:
            interval = getattr(point, name)
            if interval:
                ends = [scaled(item, bound) for bound in interval]
                plot.plot([point.context] * 2, ends, color=colour, linewidth=2, alpha=0.4)
    known = [point for point in item.points if point.cross_entropy is not None]
    own = [(point.context, scaled(item, point.cross_entropy)) for point in known]
    if own:
        plot.plot(*zip(*own, strict=True), ".", color=colour, markersize=4, alpha=0.8)


def _people(plot: Axes) -> None:
    """Shannon's bounds by a person who knew 100 letters, and Cover and King's by bets."""
    plot.plot(
        [100, 100], [SHANNON.low, SHANNON.high], "x--", color=draw.INK, linewidth=0.9, markersize=4, label=_SOURCE
    )
    bets = f"people's bets ({COVER_KING.source})"
    plot.axhline(COVER_KING.high, color=draw.INK, linewidth=0.8, linestyle=":", label=bets)


def comparable(record: Record) -> bool:
    """Whether figures of English letters mean something beside these: tokens are the characters of English."""
    test, per_token = record.card.test, [item.characters_per_token for item in record.shannon]
    single = test.characters > 0 and test.bytes < 1.05 * test.characters
    return looks_english(record) and single and all(value is not None and 0.9 <= value <= 1.0 for value in per_token)


def symbols(record: Record) -> str:
    """What is guessed: characters where every token but the ends is one, else tokens."""
    per_token = [item.characters_per_token for item in record.shannon]
    kind = record.card.tokenizer.split("(")[0]
    return "characters" if kind == "char" and all(value is not None for value in per_token) else "tokens"


def caption(record: Record) -> str:
    """What the figure and the tables say, in sentences."""
    first = record.shannon[0]
    unit = "character" if _per_character(record.shannon) else "token"
    said = (
        f"Bits per {unit}. Lower and upper bound of the entropy given so many {symbols(record)}, from the ranks of the "
        f"right guesses among {first.alphabet:,} (Shannon 1951, equation 17), the upper one with Miller and Madow's "
        "correction, and 95 % intervals from a bootstrap over "
        f"spans; {first.positions:,} positions of the test text, the same at every "
        "length. The upper bound holds for "
        "any guesser, the lower one for the best."
    )
    if comparable(record):
        said += (
            " Crosses: the same bounds from one person's guesses in another English text of 27 letters (Shannon 1951, "
            "section 6, from 100 letters a point; letters known 0 and 1 from frequency tables). Dotted: about "
            f"{COVER_KING.high:g} bits per letter by betting ({COVER_KING.source})."
        )
    return said


def scaled(item: Shannon, bits: float | None) -> float:
    """Bits per token as bits per character, where that is defined."""
    assert bits is not None
    return bits / item.characters_per_token if item.characters_per_token else bits


def _per_character(played: list[Shannon]) -> bool:
    return all(item.characters_per_token for item in played)


def cells(item: Shannon, point: ShannonPoint) -> list[str]:
    """One line of the table, as `HEADERS` name it."""

    def interval(bounds: tuple[float, float] | None) -> str:
        return form.interval(bounds and (scaled(item, bounds[0]), scaled(item, bounds[1])), 3)

    own = None if point.cross_entropy is None else scaled(item, point.cross_entropy)
    return [
        f"{point.context:,}",
        form.fixed(scaled(item, point.lower), 3),
        interval(point.ci95_lower),
        form.fixed(scaled(item, point.upper), 3),
        interval(point.ci95_upper),
        form.fixed(own, 3),
        f"{point.first:.1%}",
        f"{point.guesses:.2f}",
    ]


def fitting(made: Sequence[Shannon], width: int) -> list[int]:
    """The columns, by their places in HEADERS, that a terminal of `width` columns has room for in all of the tables."""
    widths = [
        max(len(text) for text in (header, *(cells(item, point)[place] for item in made for point in item.points)))
        for place, header in enumerate(HEADERS)
    ]
    left = list(range(len(HEADERS)))
    for group in _DROPPED:
        if sum(widths[place] for place in left) + 2 * (len(left) - 1) > width:
            left = [place for place in left if place not in group]
    return left


def table_of(item: Shannon, shown: Sequence[int]) -> Any:
    """The points of one model as a table for the terminal, of the columns at `shown`."""
    from lmbench.report.screen import Grid, Heading

    grid = Grid(*(Heading(HEADERS[place], rank=place) for place in shown))
    for point in item.points:
        known = cells(item, point)
        grid.add(*(known[place] for place in shown))
    return grid


def _html(item: Shannon) -> str:
    caption = f"{item.model}: Shannon's bounds, in bits"
    table = table_html(caption, HEADERS, [cells(item, point) for point in item.points])
    notes = bullets_html(item.notes) or ""
    return f"<h3>{breakable(item.model)}</h3>{table}{rank_html(item)}{notes}"
