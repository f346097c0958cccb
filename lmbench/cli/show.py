"""`lmbench show`: what a run is, in short."""

from __future__ import annotations

from pathlib import Path

from lmbench import terminal
from lmbench.cli._options import RunName, RunsFolder

__all__ = ["show"]

PANEL = "Look at a run"
_SECTIONS = ("table", "card")


def show(run: RunName = "latest", out: RunsFolder = Path("results")) -> None:
    """Show a run in short: where it is, the rows of its table, and the protocol that they depend on.

    lmbench report prints the notes, learning curves and estimates too, and writes the page.

    [bold]Example[/bold]

      lmbench show latest
    """
    from lmbench import store
    from lmbench.files import bytes_on_disk
    from lmbench.report import format as form
    from lmbench.report.screen import screen
    from lmbench.report.section import sections

    folder = store.find_run(run, out)
    record = store.read_record(folder)
    console = screen()
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
