"""`lmbench trust`: agree to what a run from elsewhere names outside of its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lmbench.cli._complete import complete_run
from lmbench.cli._options import RunsFolder

__all__ = ["trust"]

PANEL = "Look at a run"


def trust(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="The run to trust: its folder, a unique part of its name, its word, or latest.",
            autocompletion=complete_run,
        ),
    ],
    out: RunsFolder = Path("results"),
) -> None:
    """Let a run that was made elsewhere read what it names outside of its folder.

    Going on with a run, counting in its training text and asking a model whose weights are elsewhere read files, or
    fetch them, by names that stand in the run. For runs made on this machine that goes without saying; for others it
    is refused until you have looked at these names, which are printed, and have agreed by this command.

    [bold]Example[/bold]

      lmbench trust results/2026-05-04-book-1a2b3c4d
    """
    from lmbench import pipeline, store
    from lmbench.report.screen import screen

    console = screen()
    folder = store.find_run(run, out)
    for named in pipeline.trust(folder):
        console.say(f"may be read from now on for {folder}: {named.words}")
