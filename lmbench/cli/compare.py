"""`lmbench compare`: which differences between models are more than chance?"""

from __future__ import annotations

import json as json_
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lmbench import terminal
from lmbench.cli._complete import complete_run_or_model
from lmbench.cli._options import Json, Quiet, RunsFolder
from lmbench.errors import UsageError

if TYPE_CHECKING:
    from lmbench.pipeline.comparison import Comparison, Contestant, Pair
    from lmbench.report.screen import Screen

__all__ = ["compare"]

PANEL = "Look at a run"


class Unit(StrEnum):
    TOKEN = "token"
    BYTE = "byte"


def compare(
    *,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN...] [MODEL...]",
            help="Runs on the same test text: folders, unique parts of their names, or latest, which may be left out; "
            "then the models to compare, each a spec, a unique part of one, or best. [dim]\\[every pair of models][/]",
            autocompletion=complete_run_or_model,
        ),
    ] = None,
    unit: Annotated[
        Unit | None,
        typer.Option(
            help="What a difference is per: token, or byte, which compares across tokenizers. "
            "[dim]\\[token; byte where tokens differ][/]"
        ),
    ] = None,
    where: Annotated[
        bool,
        typer.Option(
            "--where",
            help="Where the first of two models is better: by match in training, frequency, place and kind; accuracy, "
            "calibration, agreement, best mixture. [dim]\\[the best net and the best without one][/]",
        ),
    ] = False,
    tokens: Annotated[
        int, typer.Option(min=0, help="With --where: how many of the largest wins and losses to show.")
    ] = 0,
    places: Annotated[
        int, typer.Option(min=1, help="With --where: places of the text at which both are asked what they expect.")
    ] = 500,
    json: Json = False,
    quiet: Quiet = False,
    out: RunsFolder = Path("results"),
) -> None:
    """Compare models on the same text, pair by pair, with paired 95 % intervals and p-values.

    P-values are corrected for the number of pairs (Holm). Runs are compared only where their protocol cards agree. What
    the figures mean: docs/compare.md.

    [bold]Examples[/bold]

      lmbench compare

      lmbench compare latest 'ngram(order=3)' 'ngram(order=5)'

      lmbench compare RUN RUN2 best --unit byte

      lmbench compare --where --tokens 10
    """
    from lmbench.pipeline import comparison
    from lmbench.report.screen import screen

    folders, names = comparison.find_runs(words or [], out)
    found, left_out = comparison.contestants(folders, names)
    if where or tokens:
        if unit is Unit.BYTE:
            raise UsageError("--where looks at tokens: leave --unit byte out")
        _where(found, bool(names), (places, tokens), json, quiet)
        return
    compared = comparison.compare(found, left_out, None if unit is None else unit.value)
    if json:
        terminal.write_json(json_.dumps(_as_json(compared), ensure_ascii=False, allow_nan=False))
        return
    console = screen()
    if len(compared.pairs) == 1:
        _say(compared.pairs[0], console)
    else:
        _tabulate(compared, console)
    for name in compared.adaptive:
        console.say(f"{name} is adaptive: it learns from the text it is scored on")
    for line in compared.left_out:
        console.say(f"left out: {line}")


def _where(found: list[Contestant], named: bool, counts: tuple[int, int], json: bool, quiet: bool) -> None:
    from lmbench.cli import _where as shown
    from lmbench.cli._progress import shown_on
    from lmbench.pipeline.where import two_of, where

    first, second = two_of(found, named)
    places, moments = counts
    with shown_on(terminal.notes(), quiet) as (progress, _):
        result = where(first, second, progress, places=places, moments=moments, seed=first.record.card.seed)
    if json:
        terminal.write_json(json_.dumps(asdict(result), ensure_ascii=False, allow_nan=False))
    else:
        shown.show(result)


def _as_json(compared: Comparison) -> dict[str, Any]:
    pairs = [
        {
            "first": pair.first,
            "second": pair.second,
            **asdict(pair.difference),
            "decided": pair.difference.decided,
            "p_value_holm": pair.corrected,
        }
        for pair in compared.pairs
    ]
    models = [{"model": name, compared.unit: loss} for name, loss in compared.models]
    return {"unit": compared.unit, "models": models, "pairs": pairs, "left_out": compared.left_out}


def _say(pair: Pair, console: Screen) -> None:
    """One difference in sentences."""
    found = pair.difference
    bounds = "the text is too short for an interval"
    if found.interval:
        high, low = (-bound for bound in found.interval)
        bounds = f"95 % interval {low:.4f} to {high:.4f}, p {_p(found.p_value)}"
    console.say(f"{pair.first} is better than {pair.second} by {-found.value:.4f} {found.unit} ({bounds})")
    detail = f"it is better in {found.wins:.0%} of them" if found.wins is not None else ""
    console.say(f"paired, from {found.blocks}; {detail}")
    if found.detectable is not None:
        console.say(f"in 4 of 5 cases such a text shows a difference of {found.detectable:.4f} {found.unit} or more")
    if not found.decided:
        console.say("the interval does not exclude zero: on this text neither is shown to be better")


def _tabulate(compared: Comparison, console: Screen) -> None:
    """All differences in a table, those of the best model first."""
    from lmbench.report import format as form
    from lmbench.report.screen import Grid, Heading

    grid = Grid(
        Heading("better", "name"),
        Heading("than", "name"),
        Heading("by", rank=1, about=compared.unit),
        Heading("95 % interval", rank=2, about="paired"),
        Heading("p", rank=3, about=f"corrected for {len(compared.pairs)} pairs (Holm)"),
        Heading("detectable", rank=4, about="what such a text shows in 4 of 5 cases"),
    )
    for pair in compared.pairs:
        found = pair.difference
        bounds = None if found.interval is None else (-found.interval[1], -found.interval[0])
        decided = pair.corrected is not None and pair.corrected < 0.05
        cells = (form.fixed(-found.value, 4), form.interval(bounds, 4), _p(pair.corrected))
        grid.add(pair.first, pair.second, *cells, form.fixed(found.detectable, 4), style="" if decided else "dim")
    console.print(grid)
    undecided = [pair for pair in compared.pairs if pair.corrected is None or pair.corrected >= 0.05]
    console.say(f"from {compared.pairs[0].difference.blocks}")
    if undecided:
        count = f"{len(undecided)} of {len(compared.pairs)}"
        console.say(f"{count} differences may be chance: p is 0.05 or more after the correction")


def _p(value: float | None) -> str:
    """`0.032`, `<0.0001`."""
    from lmbench.report import format as form

    if value is None:
        return form.NOTHING
    return "<0.0001" if value < 1e-4 else f"{value:.2g}" if value < 0.1 else f"{value:.2f}"
