"""`lmbench shannon`: the series of approximations of 1948."""

from __future__ import annotations

import json as json_
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lmbench import terminal
from lmbench.cli._complete import complete_model, complete_run
from lmbench.cli._options import (
    TEXT,
    DecodingErrors,
    Device,
    DeviceName,
    Encoding,
    Errors,
    Json,
    Quiet,
    RunsFolder,
    Seed,
    Source,
    SplitRule,
    TestText,
    TextField,
)
from lmbench.errors import UsageError
from lmbench.invocation import command

if TYPE_CHECKING:
    from lmbench.pipeline.series import Steps, Wanted
    from lmbench.progress import Progress
    from lmbench.record import Row

__all__ = ["shannon"]

PANEL = "Run"
_SERIES = "Series"
_OF_A_TEXT = ("source", "test", "split", "encoding", "errors", "text_field")


class Letters(StrEnum):
    ALL = "all"
    SHANNON = "27"


class Way(StrEnum):
    COUNTS = "counts"
    BOOK = "book"


def shannon(
    context: typer.Context,
    source: Source = "python-help",
    run: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="The text of a run, and its networks at the end; the series is kept in its record and its report.",
            autocompletion=complete_run,
            rich_help_panel=TEXT,
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODEL",
            help="A model of --run at the end; repeat for more. [dim]\\[its networks][/]",
            autocompletion=complete_model,
            rich_help_panel=_SERIES,
        ),
    ] = None,
    test: TestText = None,
    split: SplitRule = None,
    encoding: Encoding = None,
    errors: DecodingErrors = Errors.STRICT,
    text_field: TextField = "text",
    letters: Annotated[
        Letters,
        typer.Option(
            help="all: every character of the text; 27: Shannon's, a-z without case or accents, all else a space.",
            rich_help_panel=_SERIES,
        ),
    ] = Letters.ALL,
    method: Annotated[
        Way,
        typer.Option(
            help="counts: draw in proportion to the counts; book: Shannon's own way, open the text at a random place "
            "and read on to the context.",
            rich_help_panel=_SERIES,
        ),
    ] = Way.COUNTS,
    order: Annotated[
        int, typer.Option(min=0, help="Highest order of letters and of words.", rich_help_panel=_SERIES)
    ] = 32,
    characters: Annotated[
        int, typer.Option(min=1, max=100_000, help="Characters of each sample.", rich_help_panel=_SERIES)
    ] = 160,
    most: Annotated[
        int,
        typer.Option(min=1000, help="Characters of training text, at most: from all over it.", rich_help_panel=_SERIES),
    ] = 8_000_000,
    seed: Seed = 0,
    device: DeviceName = Device.AUTO,
    out: RunsFolder = Path("results"),
    json: Json = False,
    quiet: Quiet = False,
    contexts: Annotated[str | None, typer.Option(hidden=True)] = None,
    positions: Annotated[int | None, typer.Option(hidden=True)] = None,
    ranks: Annotated[bool, typer.Option("--ranks", hidden=True)] = False,
) -> None:
    """Print Shannon's series of approximations to a text: letters, then words, of growing order.

    Each step is drawn from the counts of the training text: letters equally likely, then by their frequencies, then by
    what follows one letter, two letters and on; likewise words; then all suffixes of the text, and with --run the
    run's networks. Beside it stand the cross-entropy of the held-out text under a smoothed model of that order, and
    how much of the sample stands in the training text word for word. Letters, and words, stop at a step that only
    copies. Words of scripts without spaces are those of ICU (package icu4py). Shannon's prediction game of 1951 is
    lmbench bounds.

    [bold]Examples[/bold]

      lmbench shannon

      lmbench shannon tinyshakespeare.txt --letters 27 --method book --seed 3

      lmbench shannon sanshiro.txt

      lmbench shannon --run latest
    """
    _check_form(context, source, out, {"contexts": contexts, "positions": positions, "ranks": ranks or None})
    if run is None and model:
        raise UsageError(f"--model names a model of --run, which is not given; {_moved('latest')}")
    from lmbench import store
    from lmbench.cli._progress import Between
    from lmbench.cli._series import Shown
    from lmbench.pipeline.pages import run_page
    from lmbench.pipeline.series import Wanted, networks_of, steps_of_run

    if run is not None:
        for name in _OF_A_TEXT:
            if _given(context, name):
                shown = "SOURCE" if name == "source" else f"--{name.replace('_', '-')}"
                raise UsageError(f"{shown} cannot stand beside --run: the text is the run's own")
        if letters is Letters.SHANNON:
            raise UsageError("--letters 27 cannot stand beside --run: its networks have read the text as it is")
    wanted = Wanted(letters.value, method.value, order, characters, most, seed)
    progress = Between(terminal.notes(), quiet or json)
    rows: list[Row] = []
    folder, record = Path(), None
    if run is not None:
        folder = store.find_run(run, out)
        record = store.read_record(folder)
        rows = [store.find_row(record, name) for name in model] if model else networks_of(record)
        steps = steps_of_run(folder, record, wanted, progress)
        name = record.card.corpus
    else:
        options = {"test": test, "split": split, "encoding": encoding, "errors": errors.value, "text_field": text_field}
        name, steps = _of_source(source, options, wanted, progress)
    shown_steps = Shown(name, silent=json)
    for step in steps:
        shown_steps.add(step)
    if record is not None:
        from lmbench.machine import resolve_device

        for row in rows:
            shown_steps.add(steps.network(folder, record, row, resolve_device(device.value)))
    made = steps.series(shown_steps.steps)
    if record is not None:
        store.amend_record(folder, record.model_copy(update={"series": made}))
        run_page(folder)
    if json:
        terminal.write_json(json_.dumps(made.model_dump(mode="json"), ensure_ascii=False, allow_nan=False))
        return
    shown_steps.end(made)
    if record is not None:
        terminal.say(err=True)
        terminal.say(f"kept in {folder} (record.json, report.html)", err=True)


def _of_source(source: str, options: dict[str, str | None], wanted: Wanted, progress: Progress) -> tuple[str, Steps]:
    from lmbench.corpus import open_source
    from lmbench.corpus.split import split
    from lmbench.pipeline.job import split_of
    from lmbench.pipeline.series import Steps

    test, fractions = options.pop("test"), options.pop("split")
    corpus = open_source(source, cache=wanted.cache, progress=progress, **options)  # type: ignore[arg-type]
    other = corpus.test
    if test is not None:
        other = open_source(test, cache=wanted.cache, progress=progress, **options).text  # type: ignore[arg-type]
    splits = split(corpus.text, split_of(corpus, fractions), valid=corpus.valid, test=other, name=source)
    return corpus.name, Steps(splits, wanted, progress)


def _given(context: typer.Context, name: str) -> bool:
    found = context.get_parameter_source(name)
    return found is not None and found.name == "COMMANDLINE"


def _moved(run: str) -> str:
    return f"Shannon's prediction game of 1951, played by the models of a run, is now: {command('bounds', run)}"


def _check_form(context: typer.Context, source: str, out: Path, of_1951: dict[str, object]) -> None:
    """Raise UsageError where the words are those of the prediction game, which this command once was."""
    from lmbench.corpus import manifest
    from lmbench.runs import names_run, runs_in

    a_text = not _given(context, "source") or Path(source).is_file() or source in manifest.names()
    a_part = not Path(source).exists() and any(source in run.name for run in runs_in(out))
    a_run = not a_text and (names_run(source, out) or a_part)
    old = next((name for name, value in of_1951.items() if value is not None), None)
    if a_run or old:
        what = f"{source!r} is a run" if a_run else f"--{old} is no option of the series of approximations"
        raise UsageError(f"{what}; {_moved(source if a_run else 'latest')}")
