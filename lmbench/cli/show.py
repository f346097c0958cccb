"""`lmbench show`: what a run is, in short."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lmbench import terminal
from lmbench.cli._options import Quiet, RunName, RunsFolder

if TYPE_CHECKING:
    from lmbench.report.screen import Screen

__all__ = ["show"]

PANEL = "Look at a run"
_SECTIONS = ("table", "card")


def show(
    run: RunName = "latest",
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Read every file of the run, and say which is not the one that its record was made with.",
        ),
    ] = False,
    quiet: Quiet = False,
    out: RunsFolder = Path("results"),
) -> None:
    """Show a run in short: where it is, the rows of its table, and the protocol that they depend on.

    lmbench report prints the notes, learning curves and estimates too, and writes the page.

    [bold]Examples[/bold]

      lmbench show latest

      lmbench show latest --check
    """
    from lmbench import store
    from lmbench.files import bytes_on_disk
    from lmbench.report import format as form
    from lmbench.report.screen import screen
    from lmbench.report.section import sections

    folder = store.find_run(run, out)
    console = screen()
    if check:
        _check(folder, console, quiet)
        return
    record = store.read_record(folder)
    called = f"{record.card.name}: " if record.card.name else ""
    rows = form.counted(len(record.rows), "row")
    facts = [record.status, rows, form.size(bytes_on_disk(folder))]
    if record.failures:
        facts.append(f"{form.counted(len(record.failures), 'failure')}, see lmbench report")
    console.say(f"{called}{folder} ({', '.join(facts)})")
    for name in _SECTIONS:
        piece = sections.make(name).text(record, console.width)
        if piece is not None:
            terminal.say()
            console.print(piece)


def _check(folder: Path, console: Screen, quiet: bool) -> None:
    """Say what of the run is as its record has it. Exit code 1 where something is not."""
    from lmbench.cli._progress import shown_on
    from lmbench.pipeline.verify import verify
    from lmbench.report import format as form

    with shown_on(terminal.notes(), quiet) as (progress, _):
        found = verify(folder, progress)
    for line in found.faults:
        terminal.say(f"error: {line}", err=True)
    if found.faults:
        raise typer.Exit(1)
    if not found.files:
        console.say(f"{folder}: its record is of before hashes of files were kept; the figures are those of its scores")
        return
    amount = f"{form.counted(found.files, 'file')} ({form.size(found.bytes)})"
    more = f"; no hash is known of {', '.join(found.unknown[:3])}" if found.unknown else ""
    console.say(f"{folder}: {amount} are those that the record was made with, and its figures are those of them{more}")
