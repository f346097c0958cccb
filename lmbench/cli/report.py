"""`lmbench report`: a run's table once more, or one page about one run or several."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lmbench import terminal
from lmbench.cli._complete import complete_run
from lmbench.cli._options import RunsFolder, WholeNotes
from lmbench.errors import UsageError

__all__ = ["report"]

PANEL = "Look at a run"


def report(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN]...",
            help="Runs: their folders, unique parts of their names, or latest, which may be left out.",
            show_default=False,
            autocompletion=complete_run,
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="The record instead of the report.")] = False,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write the page there: one file, which needs no network."),
    ] = None,
    show: Annotated[
        bool,
        typer.Option("--open", help="Open the page in the browser; without --html it is report.html of the run."),
    ] = False,
    notes: WholeNotes = False,
    out: RunsFolder = Path("results"),
) -> None:
    """Print the report of a run, or write it as a page.

    It is what lmbench run printed: the table of models and estimates, notes on them, and the protocol that the figures
    depend on. The page has the pictures too, a passage of the test text as each model sees it, and text that they
    made; of several runs it is one page with a selector.

    [bold]Examples[/bold]

      lmbench report latest

      lmbench report latest --html report.html --open

      lmbench report results/2026-05-04-book-1a2b3c4d results/2026-05-05-book-5e6f7a8b --html both.html
    """
    from lmbench import store

    folders = [store.find_run(name, out) for name in runs or ["latest"]]
    if len(folders) > 1 and html is None:
        raise UsageError("several runs make one page: give --html FILE, or one RUN")
    if json and (html is not None or show):
        raise UsageError("--json prints the record of one run: leave it out, or --html and --open")
    if json:
        terminal.write_json((folders[0] / store.RECORD).read_text(encoding="utf-8"))
        return
    if html is None and not show:
        from lmbench.report.screen import print_report

        print_report(store.read_record(folders[0]), page="notes" if notes else "report")
        return
    from lmbench.pipeline.pages import ASKED, run_page, write_runs
    from lmbench.report import format as form

    path = write_runs(folders, html) if html is not None else run_page(folders[0], ASKED)
    terminal.say(f"wrote {path} ({form.size(path.stat().st_size)})", err=True)
    if show:
        typer.launch(path.resolve().as_uri())
