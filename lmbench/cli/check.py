"""`lmbench check`: is my loss right?"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lmbench import terminal
from lmbench.cli._options import OUTPUT, Device, DeviceName, Quiet
from lmbench.cli._progress import shown_on
from lmbench.errors import UsageError

if TYPE_CHECKING:
    from lmbench.pipeline.checking import Checked
    from lmbench.pipeline.recipe import Recipe

__all__ = ["check"]

PANEL = "Run"
_FIRST = "python-help"  # needs no data


def check(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="A recipe, see --list.", show_default=True)] = _FIRST,
    data: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="The text, where the recipe has none to fetch: a file, or a folder."),
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the recipes, what they need and take.")] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Keep the run in a folder of DIR.", rich_help_panel=OUTPUT),
    ] = None,
    write: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write what was measured here to FILE, as figures for later checks on this text.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    device: DeviceName = Device.AUTO,
    quiet: Quiet = False,
) -> None:
    """Run a published recipe, and say pass or fail against its figures. Exit code 1 where one fails.

    A recipe says what is run, what was published, by whom, by which conventions, and how far off may be. The figures of
    python-help are our own, on the text that every Python carries, and need no data.

    [bold]Examples[/bold]

      lmbench check

      lmbench check ptb-kn5 --data ~/ptb

      lmbench check --list
    """
    from lmbench.pipeline import checking
    from lmbench.pipeline.recipe import recipe

    if list_:
        _list()
        return
    found = recipe(name)
    if write is not None and found.figures_of is None:
        raise UsageError(f"--write: the figures of {name} are others', and stand in its recipe")
    with tempfile.TemporaryDirectory(prefix="lmbench-check-") as own:
        plan = checking.plan_of(found, data, out or Path(own), device.value)
        with shown_on(terminal.notes(), quiet) as (progress, _), _own_words(out):
            done, checked = checking.check(found, plan, progress)
        _show(found, checked)
        if out is not None:
            terminal.say(f"kept in {done.folder}", err=True)
        if write is not None:
            checking.write_recorded(write, found, done, checked)
            terminal.say(f"wrote {write}", err=True)
            return
    if any(each.verdict != "pass" for each in checked):
        raise typer.Exit(1)


@contextmanager
def _own_words(out: Path | None) -> Iterator[None]:
    """Of a run that is not kept, Ctrl-C says so."""
    try:
        yield
    except KeyboardInterrupt as stop:
        if out is not None:
            raise
        raise KeyboardInterrupt("interrupted; nothing is kept: with --out DIR the run can be gone on with") from stop


def _show(recipe: Recipe, checked: Sequence[Checked]) -> None:
    from lmbench.report.screen import Grid, Heading, bullets, screen

    console = screen()
    console.say(f"{recipe.name}: {recipe.description}")
    grid = Grid(
        Heading("model", "name"), Heading("figure", "name", longest=30), Heading("published", rank=2),
        Heading("tolerance", rank=3), Heading("here", rank=1, style="bold"), Heading("verdict", "word", rank=0),
    )  # fmt: skip
    notes = []
    for each in checked:
        wanted = each.expected
        figure = f"{wanted.figure}, {wanted.protocol}" if wanted.protocol else wanted.figure
        sign = "≤ +" if wanted.at_most else "± "
        published = "–" if each.published is None else f"{each.published:.4f}"
        grid.add(wanted.model, figure, published, f"{sign}{wanted.tolerance:g}", f"{each.here:.4f}", each.verdict)
        notes.append(f"{wanted.conventions}; source: {wanted.source}")
    console.print(grid)
    console.print()
    console.print(bullets(list(dict.fromkeys(notes)), console.width))
    terminal.say()
    console.say(_verdict(recipe, checked))


def _verdict(recipe: Recipe, checked: Sequence[Checked]) -> str:
    failed = [each for each in checked if each.verdict == "fail"]
    if failed:
        return f"fail: {len(failed)} of {len(checked)} figures are not as published"
    if any(each.verdict == "no figure" for each in checked):
        return (
            f"no verdict: there are no figures for this text, which another Python carries; {recipe.figures_of} has "
            "those of others"
        )
    better = " or better" if any(each.expected.at_most for each in checked) else ""
    return f"pass: {len(checked)} of {len(checked)} figures are as published{better}"


def _list() -> None:
    from lmbench.pipeline.recipe import names, recipe
    from lmbench.report import format as form
    from lmbench.report.screen import indented, screen, styled

    console = screen()
    for found in map(recipe, names()):
        console.print(styled(found.name, "bold"))
        where = "a GPU" if found.device == "cuda" else "this machine"
        needs = "no data" if not found.data else f"--data with {found.data}"
        if found.source and found.data:
            needs = f"the corpus {found.source}, or {needs}"
        for line in (found.description, f"about {form.seconds(found.seconds)} on {where}; needs {needs}"):
            console.print(indented(line, 2))
