"""`lmbench report`: a run's table once more."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lmbench import terminal
from lmbench.cli._options import RunName, RunsFolder, WholeNotes

__all__ = ["report"]

PANEL = "Look at a run"


def report(
    run: RunName = "latest",
    json: Annotated[bool, typer.Option("--json", help="The record instead of the report.")] = False,
    html: Annotated[bool, typer.Option("--html", help="Write report.html and its figures anew.")] = False,
    notes: WholeNotes = False,
    out: RunsFolder = Path("results"),
) -> None:
    """Print the report of a run.

    It is what lmbench run printed: the table of models and estimates, notes on them, and the protocol that the figures
    depend on. The page report.html in the run's folder has the pictures too.

    [bold]Example[/bold]

      lmbench report latest
    """
    from lmbench import store

    folder = store.find_run(run, out)
    record = store.read_record(folder)
    if html:
        from lmbench.report.page import write_page

        write_page(folder, record)
        terminal.say(f"wrote {folder / 'report.html'}", err=True)
    if json:
        terminal.write_json((folder / store.RECORD).read_text(encoding="utf-8"))
        return
    from lmbench.report.screen import print_report

    print_report(record, page="notes" if notes else "report")
