"""`lmbench report`: a run's table once more, or one page about one run or several, or its figures in other forms."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lmbench import terminal
from lmbench.cli._complete import complete_model, complete_run
from lmbench.cli._options import OUTPUT, RunsFolder, Tensorboard, WholeNotes
from lmbench.errors import UsageError
from lmbench.report.export import forms

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
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="|".join(forms()),
            help="The figures on standard output, in a form for other programs; lm-eval: as lm-evaluation-harness "
            "writes its results.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODEL",
            help="With --format, these rows only: a spec, a unique part of it, or best; repeat for more.",
            autocompletion=complete_model,
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    tensorboard: Tensorboard = None,
    notes: WholeNotes = False,
    out: RunsFolder = Path("results"),
) -> None:
    """Print the report of a run, or write it as a page, or its figures for other programs.

    It is what lmbench run printed: the table of models and estimates, notes on them, and the protocol that the figures
    depend on. The page has the pictures too, a passage of the test text as each model sees it, and text that they
    made; of several runs it is one page with a selector.

    [bold]Examples[/bold]

      lmbench report latest

      lmbench report latest --html report.html --open

      lmbench report latest --format latex > table.tex

      lmbench report results/2026-05-04-book-1a2b3c4d results/2026-05-05-book-5e6f7a8b --html both.html
    """
    from lmbench import store

    _check(runs, json, html, show, form, model, tensorboard)
    folders = [store.find_run(name, out) for name in runs or [store.LATEST]]
    if json:
        terminal.write_json((folders[0] / store.RECORD).read_text(encoding="utf-8"))
    elif form is not None:
        from lmbench.pipeline.exporting import export

        terminal.data(export(folders, form, model or []))
    elif tensorboard is not None:
        from lmbench.report.tensorboard import write_curves

        count = write_curves(tensorboard, [(folder.resolve().name, store.read_record(folder)) for folder in folders])
        terminal.say(f"wrote {count} learning curves into {tensorboard}", err=True)
    elif html is None and not show:
        from lmbench.report.screen import print_report

        print_report(store.read_record(folders[0]), page="notes" if notes else "report")
    else:
        _write_page(folders, html, show)


def _check(
    runs: list[str] | None,
    json: bool,
    html: Path | None,
    show: bool,
    form: str | None,
    model: list[str] | None,
    tensorboard: Path | None,
) -> None:
    """Raise UsageError where what is asked for does not go together."""
    page = html is not None or show
    if sum((json, page, form is not None, tensorboard is not None)) > 1:
        other = "--html and --open" if page else "--format or --tensorboard"
        line = "--json prints the record of one run: leave it out, or " + other
        raise UsageError(line if json else "--html, --format and --tensorboard are three ways to write a run: give one")
    if model and form is None:
        raise UsageError("--model chooses rows of --format: give a format, or leave --model out")
    if len(runs or []) > 1 and html is None and form is None and tensorboard is None:
        raise UsageError("several runs make one page: give --html FILE or --format, or one RUN")


def _write_page(folders: list[Path], html: Path | None, show: bool) -> None:
    from lmbench.pipeline.pages import ASKED, run_page, write_runs
    from lmbench.report import format as form

    path = write_runs(folders, html) if html is not None else run_page(folders[0], ASKED)
    terminal.say(f"wrote {path} ({form.size(path.stat().st_size)})", err=True)
    if show:
        typer.launch(path.resolve().as_uri())
