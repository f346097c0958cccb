"""Where one model is better than another, on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lmbench.cli._phrases import quoted

if TYPE_CHECKING:
    from lmbench.pipeline.where import Moment, Where
    from lmbench.score.breakdown import Breakdown

_CONTEXT = 46  # characters


def show(found: Where) -> None:
    """Breakdowns, accuracy and calibration, the mixture of the two, and the largest wins and losses."""
    from lmbench.report.screen import screen

    console = screen()
    one, two = found.models
    console.say(f"A: {one}, {found.nats[0]:.4f} nats/token")
    console.say(f"B: {two}, {found.nats[1]:.4f} nats/token")
    for part in found.breakdowns:
        console.print()
        console.print(_broken_down(part))
    console.print()
    console.say(
        "gain: B less A, above zero where A is better; of all: what the group adds to the gap of the whole text"
    )
    if found.calibrations:
        console.print()
        console.print(_calibrated(found))
        console.print(_reliability(found))
    for name, reason in found.unasked.items():
        console.say(f"{name} is not asked for what it expects: {reason}")
    if found.agreement is not None:
        console.say(f"both have the same most probable token at {found.agreement:.1%} of the places")
    blend = found.blend
    console.say(
        f"best mixture: {blend.weight:.2f} of A, chosen on the first half; on the second {blend.nats:.4f} nats/token, "
        f"a gain of {blend.gain:.4f} on the better of the two"
    )
    for title, moments in (("A wins most", found.wins), ("A loses most", found.losses)):
        if moments:
            console.print()
            console.say(title)
            console.print(_listed(moments))


def _broken_down(part: Breakdown) -> Any:
    from lmbench.report.screen import Grid, Heading

    grid = Grid(
        Heading(part.by, "name"), Heading("tokens", rank=5), Heading("share", rank=4), Heading("A", rank=2),
        Heading("B", rank=3), Heading("gain", rank=1), Heading("of all", rank=6),
    )  # fmt: skip
    for group in part.groups:
        one, two = group.nats
        gain = two - one
        cells = (f"{group.share:.1%}", f"{one:.3f}", f"{two:.3f}", f"{gain:+.3f}", f"{gain * group.share:+.4f}")
        grid.add(group.label, f"{group.tokens:,}", *cells)
    return grid


def _calibrated(found: Where) -> Any:
    from lmbench.report.screen import Grid, Heading

    places = next(iter(found.calibrations.values())).places
    grid = Grid(
        Heading(f"at {places:,} places", "name"),
        Heading("first", rank=1, about="how often the most probable token came"),
        Heading("five", rank=2, about="one of the five most probable"),
        Heading("error", rank=3, about="expected calibration error, too high of few places"),
        Heading("said", rank=5, about="mean probability of the most probable token"),
    )
    for name, each in found.calibrations.items():
        said = sum(part.confidence * part.places for part in each.bins) / each.places
        grid.add(name, f"{each.first:.1%}", f"{each.five:.1%}", f"{each.error:.3f}", f"{said:.3f}")
    return grid


def _reliability(found: Where) -> Any:
    """For each range of probability, what the most probable token was given on average, and how often it came."""
    from lmbench.report import format as form
    from lmbench.report.screen import Grid, Heading

    names = list(found.calibrations)
    headings = [
        Heading(f"{'AB'[found.models.index(name)]} {what}", rank=1 + place)
        for place, name in enumerate(names)
        for what in ("places", "said", "came")
    ]
    grid = Grid(Heading("probability", "name"), *headings)
    keys = {(part.low, part.high) for each in found.calibrations.values() for part in each.bins}
    bins: dict[tuple[float, float], list[str]] = {key: [] for key in keys}
    for each in found.calibrations.values():
        own = {(part.low, part.high): part for part in each.bins}
        for key, cells in bins.items():
            part = own.get(key)
            some = (f"{part.places}", f"{part.confidence:.2f}", f"{part.accuracy:.2f}") if part else [form.NOTHING] * 3
            cells.extend(some)
    for low, high in sorted(bins):
        grid.add(f"{low:.1f}-{high:.1f}", *bins[low, high])
    return grid


def _listed(moments: tuple[Moment, ...]) -> Any:
    from lmbench.report.screen import Grid, Heading

    grid = Grid(
        Heading("before", "name", longest=_CONTEXT + 2), Heading("token", "name"), Heading("A", rank=2),
        Heading("B", rank=3), Heading("gain", rank=1),
    )  # fmt: skip
    for each in moments:
        one, two = each.nats
        text = quoted(each.before[-_CONTEXT:]), quoted(each.token or "end")
        grid.add(*text, f"{one:.2f}", f"{two:.2f}", f"{two - one:+.2f}")
    return grid
