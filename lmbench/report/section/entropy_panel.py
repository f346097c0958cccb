"""The panel of `lmbench entropy`: what is known of the entropy of the source, on one axis."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from lmbench.record import Record, Shannon
from lmbench.report import draw
from lmbench.report import format as form
from lmbench.report.lines import CONTROL, LIMIT, REPEATS, Line, lines_of
from lmbench.report.published import Published, published_of
from lmbench.report.section.base import table_html

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from rich.console import RenderableType

__all__ = ["EntropyPanel"]

_GROUPS = {
    "true rate": "the truth",
    "lower bound": "Shannon’s lower bound, by models: it is one where guesses are ideal",
    "estimate": "estimates of the rate, or of F_n",
    REPEATS: "estimates that passages which the text holds twice pull down",
    LIMIT: "models of a size without bound, extrapolated",
    "model": "cross-entropy of models",
    "adaptive model": "cross-entropy of adaptive models",
    "upper bound": "upper bounds: code lengths, Shannon’s game",
}
_NO_BOUNDS = ("estimate", "lower bound", "true rate", LIMIT, CONTROL, REPEATS)
_RANKS = "ranks of "  # so begins the name of a bound from Shannon's game
_LONGEST = 44  # characters of a name
_WIDEST = 62  # columns of what is said of a published figure
_HUMAN = "#5f6b7d"
_GROUND = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # on which writing can be read over a line


class EntropyPanel:
    """Estimates, bounds and models in bits per character, by kind; published figures where the text is English."""

    title = "The entropy of the source"
    position = 4
    pages = ("entropy",)

    def text(self, record: Record, width: int) -> RenderableType | None:
        from lmbench.report.screen import Grid, Heading, group, styled

        lines = panel_lines(record)
        if not lines:
            return None
        headings = [Heading(name, "word" if name == "kind" else "figure", _RANK[name]) for name, _ in _COLUMNS]
        table = Grid(Heading("", "name"), *headings, advice="widen the terminal or see entropy.html")
        for line in lines:
            table.add(line.name, *(show(line) for _, show in _COLUMNS), style="bold" if line.row else "")
        return group(table, *(styled(line, "dim") for line in _remarks(record)))

    def html(self, record: Record) -> str | None:
        lines = panel_lines(record)
        if not lines:
            return None
        header = ("model or estimate", *(name for name, _ in _COLUMNS))
        rows = [[line.name, *(show(line) for _, show in _COLUMNS)] for line in lines]
        kinds = [line.kind.replace(" ", "-") for line in lines]
        page = table_html("Models, estimates and bounds, the lowest first", header, rows, "rows", kinds)
        return page + "".join(f"<p>{escape(line)}</p>" for line in _remarks(record))

    def figure(self, record: Record) -> Figure | None:
        drawn = (line for line in panel_lines(record) if line.kind != CONTROL)
        groups = _grouped([line for line in drawn if line.bits_per_character is not None])
        if not groups:
            return None
        known = published_of(record)
        rows = sum(len(lines) for _, lines in groups) + sum(len(items) for _, items in known)
        headings = len(groups) + len(known)
        figure, plot = draw.axes(12.0, 0.9 + 0.27 * rows + 0.34 * headings)
        plot.grid(False, axis="y")
        place = 0.6 if any(line.kind not in _NO_BOUNDS for _, lines in groups for line in lines) else 0.0
        ticks: list[tuple[float, str, str]] = []
        for kind, lines in groups:
            place = _heading(plot, place, _GROUPS.get(kind, kind), draw.COLOURS.get(kind, draw.INK))
            for line in lines:
                _mark(plot, line, place)
                ticks.append((place, form.shortened(line.name, _LONGEST), draw.COLOURS.get(kind, draw.INK)))
                place += 1.0
        for heading, items in known:
            place = _heading(plot, place, heading, _HUMAN)
            for item in items:
                _published(plot, item, place)
                ticks.append((place, form.shortened(item.source, _LONGEST), _HUMAN))
                place += 1.0
        plot.set_yticks([at for at, _, _ in ticks])
        for label, (_, _, colour) in zip(plot.set_yticklabels([name for _, name, _ in ticks]), ticks, strict=True):
            label.set_parse_math(False)
            label.set_color(colour)
        plot.set_ylim(place - 0.4, -0.6)
        low, high = plot.get_xlim()
        plot.set_xlim(0.0, high + 0.07 * (high - low))
        _floor(plot, groups)
        plot.set_xlabel("bits per character of text; thick lines: 95 % intervals", fontsize=9.5, color=draw.INK)
        return figure


def _floor(plot: Axes, groups: list[tuple[str, list[Line]]]) -> None:
    """A line at the lowest upper bound: on this text the rate lies to its left, as far as bounds can tell."""
    bounds = _upper_bounds([line for _, lines in groups for line in lines])
    if bounds:
        plot.axvline(min(bounds), color=draw.INK, linewidth=0.9, linestyle=(0, (4, 3)), alpha=0.7, zorder=1)
        plot.annotate(
            "lowest upper bound", (min(bounds), 1.0), xycoords=("data", "axes fraction"), xytext=(-5, -3),
            textcoords="offset points", ha="right", va="top", fontsize=8, color=draw.INK,
        )  # fmt: skip


def _upper_bounds(lines: list[Line]) -> list[float]:
    """Code lengths and cross-entropies; shares of ranks, counted on what they bound, make no code."""
    return [
        line.bits_per_character
        for line in lines
        if line.kind not in _NO_BOUNDS and not line.name.startswith(_RANKS) and line.bits_per_character is not None
    ]


def _remarks(record: Record) -> list[str]:
    """What stands under the table."""
    remarks = []
    if any(entropy.kind == "upper bound" for entropy in record.entropy):
        remarks.append(
            "code lengths are those of this very text and have no interval: on average over texts they are at or above "
            "the rate, of a single short text they need not be"
        )
    if record.shannon:
        remarks.append(
            "ranks: Shannon's bounds; the lower one bounds the entropy where guesses are ideal, which a model's are "
            "not: shown for the best player alone, and where it is below every upper bound"
        )
    return remarks + published_lines(record)


def published_lines(record: Record, brief: bool = False) -> list[str]:
    """What others have published, a sentence for each kind; `brief`: without how it was come by."""
    return [
        f"{heading}, bits/char: "
        + "; ".join(f"{item.source} {_span(item)}" + ("" if brief else f" ({item.about})") for item in items)
        for heading, items in published_of(record)
    ]


def panel_lines(record: Record) -> list[Line]:
    """The models and estimates, and of each model that played Shannon's game the upper bound at its longest context.

    A lower bound is that of ideal guesses: the one of the player with the least cross-entropy is shown, and none that
    is above an upper bound.
    """
    lines = lines_of(record)
    least = min(_upper_bounds(lines), default=math.inf)
    test = record.card.test
    games = [game for game in record.shannon if game.points and game.characters_per_token]
    best = min(games, key=_cross_entropy, default=None)
    for game in games:
        assert game.characters_per_token is not None
        per_character = 1 / game.characters_per_token
        per_byte = per_character * test.characters / test.bytes
        point = max(game.points, key=lambda point: point.context)
        for kind, bits, interval in (
            ("lower bound", point.lower, point.ci95_lower),
            ("upper bound", point.upper, point.ci95_upper),
        ):
            if kind == "lower bound" and (game is not best or bits * per_character > least):
                continue
            low, high = (bound * per_byte for bound in interval) if interval else (None, None)
            bounds = (interval[0] * per_character, interval[1] * per_character) if interval else None
            name = f"{_RANKS}{game.model}, {point.context} known"
            lines.append(Line(name, kind, None, bits * per_character, bits * per_byte, low, high, bounds))

    def order(line: Line) -> tuple[bool, float]:
        return line.kind == REPEATS, math.inf if line.bits_per_byte is None else line.bits_per_byte

    return sorted(lines, key=order)


def _cross_entropy(game: Shannon) -> float:
    """The player's own, in bits per token, at its longest context."""
    found = max(game.points, key=lambda point: point.context).cross_entropy
    return math.inf if found is None else found


_COLUMNS = (
    ("kind", lambda line: line.kind),
    ("bits/char", lambda line: form.fixed(line.bits_per_character, 3)),
    ("bits/byte", lambda line: form.fixed(line.bits_per_byte, 3)),
    ("95 %, bits/char", lambda line: form.interval(line.interval, 3)),
)
_RANK = {"bits/char": 0, "kind": 1, "bits/byte": 2, "95 %, bits/char": 3}  # of two without room, the lower one stays


def _grouped(lines: list[Line]) -> list[tuple[str, list[Line]]]:
    """The lines of each kind, best first, in the order of `_GROUPS`."""
    kinds = [*_GROUPS, *dict.fromkeys(line.kind for line in lines if line.kind not in _GROUPS)]
    found = [(kind, [line for line in lines if line.kind == kind]) for kind in kinds]
    return [(kind, group) for kind, group in found if group]


def _heading(plot: Axes, place: float, text: str, colour: str) -> float:
    """A line of text above a group, at the left edge of the axes; where the group begins."""
    plot.annotate(
        text, (0.0, place), xycoords=("axes fraction", "data"), xytext=(4, -2), textcoords="offset points",
        va="center", fontsize=8.5, color=colour, style="italic", bbox=_GROUND,
    )  # fmt: skip
    return place + 1.0


def _mark(plot: Axes, line: Line, place: float) -> None:
    """A value with its interval; from an upper bound a faint line goes down to where the rate may be, to 0."""
    value = line.bits_per_character
    assert value is not None
    colour = draw.COLOURS.get(line.kind, draw.INK)
    bounds = line.interval
    if line.kind not in _NO_BOUNDS:
        plot.plot([0, value], [place, place], color=colour, linewidth=1, alpha=0.18, zorder=1)
    if bounds is not None:
        plot.plot(bounds, [place, place], color=colour, linewidth=4, alpha=0.4, solid_capstyle="butt", zorder=2)
    marker = draw.MARKERS.get(line.kind, "x")
    plot.plot([value], [place], marker, color=colour, markersize=5.5, linestyle="none", zorder=3)
    label = f"{value:.3f}"
    plot.annotate(
        label, (max(value, bounds[1] if bounds else value), place), xytext=(7, 0), textcoords="offset points",
        va="center", fontsize=8, color=draw.INK, bbox=_GROUND, zorder=2,
    )  # fmt: skip
    if line.kind == "true rate":
        plot.axvline(value, color=colour, linewidth=1, linestyle=(0, (4, 3)))


def _published(plot: Axes, item: Published, place: float) -> None:
    plot.axvspan(item.low, item.high, color=_HUMAN, alpha=0.07 if item.high > item.low else 0.0, linewidth=0)
    if item.high > item.low:
        plot.plot([item.low, item.high], [place, place], color=_HUMAN, linewidth=4, alpha=0.6, solid_capstyle="butt")
    else:
        plot.plot([item.low], [place], "|", color=_HUMAN, markersize=11, markeredgewidth=2)
    plot.annotate(
        form.cut_at_end(f"{_span(item)}: {item.about}", _WIDEST), (item.high, place), xytext=(7, 0),
        textcoords="offset points", va="center", fontsize=8, color=_HUMAN, bbox=_GROUND, parse_math=False,
    )  # fmt: skip


def _span(item: Published) -> str:
    return f"{item.low:.4g} – {item.high:.4g}" if item.high > item.low else f"{item.low:.4g}"
