"""`lmbench count`: what the training text of a run says of a phrase."""

from __future__ import annotations

import json as json_
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lmbench import terminal
from lmbench.cli._options import Json, Quiet, RunName, RunsFolder

if TYPE_CHECKING:
    from lmbench.pipeline.concordance import Concordance
    from lmbench.report.screen import Screen

__all__ = ["count"]

PANEL = "Look at a run"
_LEAST_PLACE = 24  # columns of text, beside which it is said where that stands


def count(
    *,
    run: RunName = "latest",
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The phrase to count.")],
    top: Annotated[int, typer.Option(min=0, help="How many of the tokens that follow it.")] = 10,
    examples: Annotated[int, typer.Option(min=0, help="How many of the places where it stands.")] = 5,
    json: Json = False,
    quiet: Quiet = False,
    out: RunsFolder = Path("results"),
) -> None:
    """Count a phrase in the training text: how often it occurs, what follows it, and where it stands.

    Matches begin and end where tokens do. The first question indexes the text, and keeps the index in the run's
    folder; a run of the model suffix has it already.

    [bold]Examples[/bold]

      lmbench count latest 'the queen ordered the'

      lmbench count latest 'the queen' --top 30 --examples 20
    """
    from lmbench import pipeline, store
    from lmbench.cli._progress import shown_on
    from lmbench.pipeline.concordance import concordance

    folder = store.find_run(run, out)
    tokenizer = pipeline.tokenizer_of(folder, store.read_record(folder).card)
    with shown_on(terminal.notes(), quiet) as (progress, _):
        index = pipeline.training_index(folder, progress)
    found = concordance(index, tokenizer, text, top=top, examples=examples)
    if json:
        content = {**asdict(found), "probability": found.probability, "sparse": found.sparse}
        terminal.write_json(json_.dumps(content, ensure_ascii=False, allow_nan=False))
        return
    _show(found)


def _show(found: Concordance) -> None:
    from lmbench.cli._phrases import quoted
    from lmbench.report.screen import screen

    console = screen()
    times = "once" if found.count == 1 else f"{found.count:,} times"
    where = f"in {found.training_tokens:,} training tokens"
    console.say(f"{quoted(found.phrase)} occurs {times} {where}" if found.count else _missing(found, where))
    if found.unknown:
        console.say(f"{found.unknown} of its tokens are outside the vocabulary, and stand for any that is")
    if found.count and found.probability is not None:
        console.say(_share(found))
    if found.continuations:
        kinds = "one token only" if found.sparse else f"{found.types:,} different tokens"
        console.print()
        console.say(f"followed by {kinds}")
        console.print(_following(found))
    if found.examples:
        console.print()
        console.print(_places(found, console))


def _share(found: Concordance) -> str:
    from lmbench.cli._phrases import quoted

    after = f"after {quoted(found.context)}" if found.context else "of all tokens"
    share = f"{quoted(found.tokens[0][-1])} is {found.count:,} of {found.given:,} {after}"
    return f"{share}: probability {found.probability:.4f}"


def _missing(found: Concordance, where: str) -> str:
    from lmbench.cli._phrases import quoted

    line = f"{quoted(found.phrase)} does not occur {where}"
    if not found.suffix_count:
        return line
    times = "once" if found.suffix_count == 1 else f"{found.suffix_count:,} times"
    return f"{line}; the longest end of it that does is {quoted(found.suffix or '')}, {times}"


def _following(found: Concordance) -> Any:
    from lmbench.cli._phrases import quoted
    from lmbench.report.screen import Grid, Heading

    grid = Grid(Heading("next token", "name"), Heading("count", rank=2), Heading("probability", rank=1))
    for item in found.continuations:
        shown = "(end of text)" if item.end else quoted(item.token)
        grid.add(shown, f"{item.count:,}", f"{item.probability:.4f}")
    return grid


def _places(found: Concordance, console: Screen) -> Any:
    """The examples under each other, the phrase in one column, and as much around it as there is room for."""
    from rich.cells import cell_len

    from lmbench.cli._phrases import fitted, flat
    from lmbench.report.screen import group, pieces

    labels = [f"document {item.document:,}, token {item.at + 1:,}" for item in found.examples]
    margin = max(map(cell_len, labels))
    if console.width - margin - 2 < _LEAST_PLACE:  # a narrow terminal: the texts alone
        labels, margin = [""] * len(labels), -1
    room = (console.width - margin - 2) // 2
    lines = []
    for label, item in zip(labels, found.examples, strict=True):
        phrase, left = console.shown(flat(item.phrase)), console.shown(flat(item.left))
        # a space that belongs to the phrase's first token is shown before it, so that the words stand in one column
        phrase, left = phrase.lstrip(), left + phrase[: len(phrase) - len(phrase.lstrip())]
        left = left.rstrip() + " " * left.endswith(" ")  # there is no space where the phrase begins inside a word
        phrase, left = fitted(phrase, room), fitted(left, room + 1, from_end=True)
        right = fitted(console.shown(flat(item.right)), max(0, room - cell_len(phrase)))
        blanks = " " * (margin - cell_len(label)) + label + " " * (2 + room - cell_len(left))
        lines.append(pieces((blanks, "dim"), (left, ""), (phrase, "bold"), (right, "")))
    return group(*lines)
