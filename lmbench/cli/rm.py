"""`lmbench rm`: remove runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from lmbench import terminal
from lmbench.cli._complete import complete_run
from lmbench.cli._options import RunsFolder

__all__ = ["rm"]

PANEL = "Look at a run"


def rm(
    run: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...",
            help="The runs to remove: folders, unique parts of their names, words of --name, or latest.",
            autocompletion=complete_run,
        ),
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    out: RunsFolder = Path("results"),
) -> None:
    """Remove runs with all their files, after asking.

    Only the folder of a run is removed, with what a run writes into it: where anything else lies there, nothing is
    removed. A symbolic link is never followed.

    [bold]Example[/bold]

      lmbench rm 1a2b3c4d
    """
    from lmbench import store
    from lmbench.files import bytes_on_disk
    from lmbench.report import format as form

    folders = {folder.resolve(): folder for folder in (store.find_run(name, out) for name in run)}
    for folder in folders.values():
        store.check_removable(folder)
    for folder in folders.values():
        if not yes:
            terminal.ask(f"remove {folder} ({form.size(bytes_on_disk(folder))})? [y/N] ")
            if sys.stdin.readline().strip().lower() not in ("y", "yes"):
                terminal.say(f"{folder} stays", err=True)
                continue
        store.remove_run(folder)
        terminal.say(f"removed {folder}", err=True)
