"""`lmbench predict`: what the models of a run expect next, beside one another."""

from __future__ import annotations

import json as json_
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lmbench import terminal
from lmbench.cli._complete import complete_model
from lmbench.cli._options import OUTPUT, Device, DeviceName, Json, Quiet, RunName, RunsFolder

if TYPE_CHECKING:
    from lmbench.pipeline.predicting import Outlook

__all__ = ["predict"]

PANEL = "Look at a run"


def predict(
    *,
    run: RunName = "latest",
    text: Annotated[
        str, typer.Argument(metavar="TEXT", help="What stands before; empty ('') for the beginning of a document.")
    ],
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODEL",
            help="A model of the run: its spec, a unique part of it, or best; repeat for more. [dim]\\[every row][/]",
            autocompletion=complete_model,
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many of the likeliest tokens.", rich_help_panel=OUTPUT)] = 10,
    tree: Annotated[
        int,
        typer.Option(
            min=0,
            max=1000,
            metavar="N",
            rich_help_panel=OUTPUT,
            help="Unfold the N likeliest strings of tokens that may follow, as a tree, with their probabilities.",
        ),
    ] = 0,
    tokens: Annotated[
        bool,
        typer.Option(
            "--tokens",
            help="Go through TEXT: what each of its tokens cost each model, in bits.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    json: Json = False,
    device: DeviceName = Device.AUTO,
    quiet: Quiet = False,
    out: RunsFolder = Path("results"),
) -> None:
    """Show what the models of a run expect after TEXT: the likeliest tokens, and the entropy of all of them.

    Of a model of counts: how many of the last tokens it has stored together, how often they were seen (where the run
    has a suffix model, or lmbench count was asked once), and how many different tokens came after them. Bars have one
    scale for all models. A token shows its white space: ␣ a space, ↵ a line's end.

    [bold]Examples[/bold]

      lmbench predict 'the queen of'

      lmbench predict latest 'the queen of' --model 'ngram(order=5)' --model transformer --tree 12

      lmbench predict 'Off with her head' --tokens
    """  # fmt: skip
    from lmbench import store
    from lmbench.cli._progress import shown_on
    from lmbench.pipeline.predicting import outlook

    folder = store.find_run(run, out)
    with shown_on(terminal.notes(), quiet) as (progress, _):
        found = outlook(folder, model or [], text, device.value, progress, tree, tokens)
    if found.unknown:
        terminal.say(
            f"note: {found.unknown} of the text's {len(found.ids)} tokens are outside the vocabulary", err=True
        )
    for name in found.without:
        terminal.say(f"note: {name} predicts tokens of its own, and cannot be asked for the next one", err=True)
    if json:
        terminal.write_json(json_.dumps(found.json(top), ensure_ascii=False, allow_nan=False))
        return
    _show(found, text, top, bool(tree), tokens)


def _show(found: Outlook, text: str, top: int, tree: bool, tokens: bool) -> None:
    from lmbench.cli._phrases import quoted
    from lmbench.cli._predicted import distributions, surprisal_table, trees
    from lmbench.report.screen import screen

    console = screen()
    count = f"{len(found.ids):,} token" + "s" * (len(found.ids) != 1)
    console.say(f"after {quoted(text, 200)}, {count}" if text else "at the beginning of a document")
    if not found.models:
        return
    console.print()
    console.print(distributions(found, top, console))
    if tree:
        console.print()
        console.say("the likeliest continuations: probability of all of it, and of its last token given the rest")
        console.print(trees(found, console))
    if tokens and len(found.ids):
        console.print()
        console.say("what each token cost, in bits (▁ below 2, then a step for two)")
        console.print(surprisal_table(found, console))
