"""`lmbench overlap`: what a text repeats of the training text of a run, word for word."""

from __future__ import annotations

import json as json_
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lmbench import terminal
from lmbench.cli._options import DecodingErrors, Encoding, Errors, Quiet, RunName, RunsFolder, TextField
from lmbench.errors import UsageError

if TYPE_CHECKING:
    from lmbench.pipeline.overlap import Overlap

__all__ = ["overlap"]

PANEL = "Look at a run"
_SHOWN = 72  # characters of a passage


def overlap(
    *,
    run: RunName = "latest",
    file: Annotated[str, typer.Argument(metavar="FILE", help="The text: a file, a folder, or - for standard input.")],
    encoding: Encoding = None,
    errors: DecodingErrors = Errors.STRICT,
    text_field: TextField = "text",
    words: Annotated[
        bool, typer.Option("--words", help="Count words, as the Creativity Index is defined, not the run's tokens.")
    ] = False,
    novelty: Annotated[int, typer.Option(min=1, max=100, help="Longest n-gram of the novelty curve.")] = 12,
    first: Annotated[int, typer.Option("--from", min=1, max=100, help="First L of the Creativity Index.")] = 5,
    last: Annotated[int, typer.Option("--to", min=1, max=100, help="Last L of the Creativity Index.")] = 12,
    top: Annotated[int, typer.Option(min=0, help="How many of the longest matches to show.")] = 5,
    json: Annotated[bool, typer.Option("--json", help="JSON on standard output, with every match length.")] = False,
    quiet: Quiet = False,
    out: RunsFolder = Path("results"),
) -> None:
    """Compare a text with the training text of a run: the longest matches, n-gram novelty, the Creativity Index.

    Novelty is the share of the text's n-grams that training does not hold. L-uniqueness is the share of its words
    that lie in no n-gram of training with n of L or more; the Creativity Index is their sum over L (Lu et al. 2024),
    of verbatim matches alone.

    [bold]Examples[/bold]

      lmbench generate latest --tokens 2000 > made.txt && lmbench overlap latest made.txt

      lmbench overlap latest essay.txt --words
    """
    from lmbench import pipeline, store
    from lmbench.cli._progress import shown_on
    from lmbench.corpus import default_cache, open_source
    from lmbench.pipeline.overlap import overlap as compare

    if last < first:
        raise UsageError(f"--to must be --from ({first}) or more, not {last}")
    folder = store.find_run(run, out)
    record = store.read_record(folder)
    tokenizer = pipeline.tokenizer_of(folder, record.card)
    with shown_on(terminal.notes(), quiet) as (progress, _):
        lines = bool(record.plan.get("lines"))
        options: dict[str, Any] = {
            "lines": lines, "encoding": encoding, "errors": errors.value, "text_field": text_field,
        }  # fmt: skip
        text = open_source(file, cache=default_cache(), progress=progress, **options).text
        index = pipeline.training_index(folder, progress)
        span = (first, last)
        found = compare(index, tokenizer, text, progress, words=words, novelty=novelty, span=span, most=top)
    if json:
        terminal.write_json(json_.dumps(asdict(found), ensure_ascii=False, allow_nan=False))
        return
    _show(found, record.card.tokenizer)


def _show(found: Overlap, tokenizer: str) -> None:
    from lmbench.report.screen import screen, styled

    console = screen()
    kind = "words and marks" if found.unit == "word" else f"tokens ({tokenizer})"
    console.say(f"{found.size:,} {kind} against {found.training_size:,} of training")
    if found.unknown:
        console.say(_outside(found))
    matches = f"a match is {found.mean_length:.2f} {found.unit}s long on average and {found.longest:,} at most"
    console.say(f"from each {found.unit} on, {matches}")
    first, last = found.span
    if found.creativity_index is not None:
        index = f"Creativity Index, L = {first} to {last} {found.unit}s: {found.creativity_index:.4f}"
        console.print(styled(f"{index} of {last - first + 1}", "bold"))
    console.print()
    console.say("how much of it training does not hold")
    console.print(_curve(found))
    if found.passages:
        console.print()
        console.say("the longest matches")
        console.print(_passages(found))


def _outside(found: Overlap) -> str:
    if found.unit == "word":
        return f"{found.unknown:,} of them are in no training document"
    return f"{found.unknown:,} of them are outside the vocabulary, and are all taken for one token"


def _curve(found: Overlap) -> Any:
    from lmbench.report import format as form
    from lmbench.report.screen import Grid, Heading

    grid = Grid(Heading("n"), Heading("new n-grams", rank=1), Heading("L-uniqueness", rank=2))
    for n in sorted({*found.novelty, *found.uniqueness}):
        cells = (found.novelty.get(n), found.uniqueness.get(n))
        grid.add(f"{n}", *(form.NOTHING if value is None else f"{value:.2%}" for value in cells))
    return grid


def _passages(found: Overlap) -> Any:
    from lmbench.cli._phrases import quoted
    from lmbench.report.screen import Grid, Heading

    grid = Grid(Heading(f"{found.unit}s"), Heading("in training", rank=1), Heading("text", "name", longest=_SHOWN + 2))
    for item in found.passages:
        times = "once" if item.count == 1 else f"{item.count:,} times"
        where = f"{times}, document {item.training_document:,}"
        grid.add(f"{item.tokens:,}", where, quoted(item.text, _SHOWN))
    return grid
