"""Two games on one passage as text: Shannon's two lines, and a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmbench.generation.guessing import Letter, visible
from lmbench.pipeline.guess_comparison import Comparison
from lmbench.score.bootstrap import Interval

if TYPE_CHECKING:
    from lmbench.report.screen import Screen

_NAMES = {
    "upper": "upper bound", "lower": "lower bound", "guesses": "guesses", "bits": "bits by bets",
}  # fmt: skip


def show(found: Comparison) -> None:
    """Every symbol over the number of the guess that found it, then bounds, then their differences."""
    from lmbench.report import format as form
    from lmbench.report.screen import Grid, Heading, screen

    console = screen()
    for line in _aligned(found, console):
        console.print(line)
    headers = ("upper bound", "± 95 %", "lower bound", "± 95 %", "by bets", "first guess", "guesses")
    ranks = (1, 4, 2, 5, 3, 6, 7)
    grid = Grid(Heading("", "name"), *(Heading(name, rank=rank) for name, rank in zip(headers, ranks, strict=True)))
    for side in found.sides:
        bounds = side.bounds
        cells = (
            side.player,
            form.fixed(bounds.upper, 3),
            form.half_width(bounds.ci95_upper, 3),
            form.fixed(bounds.lower, 3),
            form.half_width(bounds.ci95_lower, 3),
            form.fixed(side.bits, 3),
            f"{bounds.first:.0%}",
            f"{bounds.guesses:.2f}",
        )
        grid.add(*cells)
    console.print(grid)
    one, two = (side.player for side in found.sides)
    if one == two:
        one, two = f"{one} (first)", f"{two} (second)"
    console.print()
    console.say(f"{found.symbols} symbols of {found.alphabet:,}; bounds and bits in bits per symbol")
    console.say(f"fewer guesses: {one} at {found.sooner[0]} symbols, {two} at {found.sooner[1]}")
    for side in found.sides:
        if side.ruined:
            console.say(f"{side.player}: a symbol had nothing on it, and so no number of bits by bets")
    for name, (value, interval) in found.differences.items():
        console.say(f"{_NAMES[name]}: {one} minus {two} = {value:+.3f}{_said(interval)}")


def _said(interval: Interval | None) -> str:
    if interval is None:
        return " (too few symbols for an interval)"
    decided = "" if not interval[0] <= 0 <= interval[1] else ", which does not exclude zero"
    return f" (paired 95 % interval {interval[0]:+.3f} to {interval[1]:+.3f}{decided})"


def _aligned(found: Comparison, console: Screen) -> list[str]:
    """The passage with both guessers' numbers below it, in lines no wider than the screen."""
    from rich.cells import cell_len

    rows = [[console.shown(visible(symbol)) for symbol in found.passage]]
    rows += [[_guess(letter) for letter in side.letters] for side in found.sides]
    column = 1 + max(cell_len(cell) for row in rows for cell in row)
    names = ["", *(console.shown(side.player)[:20] for side in found.sides)]
    margin = 1 + max(cell_len(name) for name in names)
    step = max(1, (console.width - margin) // column)
    lines = []
    for start in range(0, found.symbols, step):
        for name, row in zip(names, rows, strict=True):
            cells = "".join(cell + " " * (column - cell_len(cell)) for cell in row[start : start + step])
            lines.append((name + " " * (margin - cell_len(name)) + cells).rstrip())
        lines.append("")
    return lines


def _guess(letter: Letter) -> str:
    """The number of the guess; the mean of those it might have been, marked, where a tie leaves it open."""
    if letter.ties == 1:
        return str(letter.before + 1)
    return f"~{letter.before + (letter.ties + 1) / 2:.0f}"
