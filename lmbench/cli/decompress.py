"""`lmbench decompress`: what `lmbench compress` wrote, as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lmbench import terminal
from lmbench.cli._options import OUTPUT, Quiet, RunName, RunsFolder

__all__ = ["decompress"]

PANEL = "Look at a run"


def decompress(
    *,
    run: RunName = "latest",
    file: Annotated[
        Path, typer.Argument(metavar="FILE.lmz", help="A file that lmbench compress wrote.", dir_okay=False)
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="What to write. [dim]\\[FILE without .lmz][/]",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Try it on another machine, or with other versions, than made the file.")
    ] = False,
    quiet: Quiet = False,
    out: RunsFolder = Path("results"),
) -> None:
    """Decompress a file with the model of the run that it was compressed with, which the file names.

    The output appears when it is whole and has the checksum of what was compressed; a damaged or cut file, another
    model, and a machine that computes otherwise are each named, and nothing is written.

    [bold]Examples[/bold]

      lmbench decompress latest essay.lmz -o essay.txt
    """
    from lmbench import store
    from lmbench.cli._progress import shown_on
    from lmbench.errors import UsageError
    from lmbench.pipeline.compressing import decompressed

    folder = store.find_run(run, out)
    target = output or file.with_suffix("")
    if output is None and target.exists() and target != file:
        raise UsageError(f"{target} is there already: say with -o what to write")
    if target == file:
        raise UsageError(f"{file} does not end in .lmz: say with -o what to write")
    with shown_on(terminal.notes(), quiet) as (progress, _):
        content = decompressed(folder, store.read_record(folder), file, progress, anyway)
        with store.atomic(target) as handle:
            handle.write(content)
    terminal.say(f"wrote {target} ({len(content):,} bytes)", err=True)
