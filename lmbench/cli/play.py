"""`lmbench play`: type, and see what a model of a run expects next."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from lmbench import terminal
from lmbench.cli._complete import complete_model
from lmbench.cli._options import Device, DeviceName, RunName, RunsFolder, Seed

__all__ = ["play"]

PANEL = "Look at a run"


def play(
    run: RunName = "latest",
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODEL",
            help="A model of the run: its spec, a unique part of it, or best; repeat for more. [dim]\\[every row][/]",
            autocompletion=complete_model,
        ),
    ] = None,
    text: Annotated[str, typer.Option(help="What stands there at the beginning.")] = "",
    seed: Seed = 0,
    device: DeviceName = Device.AUTO,
    out: RunsFolder = Path("results"),
) -> None:
    """Type, and see what a model expects next; let it write.

    Tab takes the likeliest token, or the one that Up and Down have marked. Ctrl-N and Ctrl-P change the model, Ctrl-G
    lets it draw 40 tokens (a key stops it), Ctrl-C or Ctrl-Q leaves. It needs a terminal; lmbench predict does without.

    [bold]Examples[/bold]

      lmbench play

      lmbench play latest --model 'ngram(order=5)' --model transformer --text 'The queen'
    """
    from lmbench import machine, pipeline, store
    from lmbench.errors import UsageError
    from lmbench.pipeline.predicting import rows_named

    folder = store.find_run(run, out)
    record = store.read_record(folder)
    rows = rows_named(record, model or [])
    if not (sys.stdin.isatty() and terminal.is_terminal()):
        raise UsageError("play needs a terminal to type at; lmbench predict shows the same without one")
    from lmbench.cli._playing import Game, run_app

    tokenizer = pipeline.tokenizer_of(folder, record.card)
    chosen = machine.resolve_device(device.value)
    opened = {row.model: row for row in rows}
    game = Game(tokenizer, list(opened), lambda name: pipeline.load_model(folder, opened[name], chosen), text, seed)
    run_app(game, folder.name)
