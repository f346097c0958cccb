"""`lmbench score`: any text under the models of a run."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from lmbench import terminal
from lmbench.cli._complete import complete_model
from lmbench.cli._guard import explain
from lmbench.cli._options import (
    OUTPUT,
    TEXT,
    DecodingErrors,
    Device,
    DeviceName,
    Encoding,
    Errors,
    Quiet,
    RunName,
    RunsFolder,
    TextField,
)
from lmbench.cli._progress import shown_on
from lmbench.cli._tables import Format
from lmbench.errors import LmbenchError, UsageError

if TYPE_CHECKING:
    from lmbench.cli._scores import Request
    from lmbench.score.protocol.base import Measure

__all__ = ["score"]

PANEL = "Look at a run"
_LARGE = 1 << 40  # bytes: of a text for which models are opened whole


class Per(StrEnum):
    FILE = "file"
    DOCUMENT = "document"
    LINE = "line"
    WORD = "word"
    TOKEN = "token"


class Closing(Protocol):
    def close(self) -> None:
        """Write what was kept back."""


def score(
    *,
    run: RunName = "latest",
    file: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="Texts, as for lmbench run; - for standard input."),
    ],
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODEL",
            help="A model of the run: its spec, a unique part of it, best, or all; repeat for more. [dim]\\[best][/]",
            autocompletion=complete_model,
        ),
    ] = None,
    per: Annotated[Per, typer.Option(help="What has a row of its own.", rich_help_panel=OUTPUT)] = Per.FILE,
    form: Annotated[
        Format, typer.Option("--format", help="Form of the table on standard output.", rich_help_panel=OUTPUT)
    ] = Format.TEXT,
    nbest: Annotated[
        bool,
        typer.Option(
            "--nbest",
            help="Lines are id ||| text ||| ...; id ||| text ||| ln p of the text is printed for each, at once.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    protocol: Annotated[
        str | None,
        typer.Option(
            metavar="SPEC",
            help="What another program would report beside the exact figure, and what they differ by: kenlm, "
            "lm-eval(max_length=N), nanogpt(block_size=N, batch=N, iterations=N).",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    lines: Annotated[
        bool | None,
        typer.Option(
            "--lines/--no-lines",
            help="Each line is a document, as KenLM and SRILM have it. [dim]\\[as in the run][/]",
            rich_help_panel=TEXT,
        ),
    ] = None,
    encoding: Encoding = None,
    errors: DecodingErrors = Errors.STRICT,
    text_field: TextField = "text",
    device: DeviceName = Device.AUTO,
    quiet: Quiet = False,
    out: RunsFolder = Path("results"),
) -> None:
    """Score texts with models of a run, without fitting anything again.

    nats is -ln p, log10 is log10 p as KenLM and SRILM print it; ends of documents count as tokens. perplexity is e to
    the nats by token: of all tokens (KenLM: including OOVs), without unknown ones (KenLM: excluding OOVs; SRILM: ppl),
    without the ends. ppl1 is SRILM's: without unknown tokens, the ends in the sum of nats and not in the count. SRILM
    leaves tokens of probability zero out of both, and so do these two.

    With - and --per document, line, word or token, where lines are documents, each line is answered before the next
    one is read.

    [bold]Examples[/bold]

      lmbench score latest essay.txt --model all

      lmbench score essay.txt --lines --model 'ngram(order=3)' --per document --format tsv > scores.tsv

      lmbench score latest essay.txt --protocol nanogpt

      lmbench score latest - --nbest --model 'ngram(order=5)' < hypotheses.nbest > rescored.nbest
    """
    from lmbench import store
    from lmbench.cli._scores import Request
    from lmbench.pipeline.scoring import Scorer

    if nbest and (per is not Per.FILE or form is not Format.TEXT):
        raise UsageError("--nbest has a form of its own: leave --per and --format out")
    if protocol is not None and (nbest or per is not Per.FILE):
        raise UsageError("--protocol measures whole texts: leave --per and --nbest out")
    measure = None if protocol is None else _measure(protocol)
    folder = store.find_run(run, out)
    options: dict[str, Any] = {"encoding": encoding, "errors": errors.value, "text_field": text_field}
    with shown_on(terminal.notes(), quiet) as (progress, _):
        scorer = Scorer.open(folder, model or ["best"], device.value, _LARGE if measure else _sizes(file))
        wanted = Request(scorer, scorer.lines if lines is None else lines, options, progress)
        if measure is not None:
            from lmbench.cli._protocol import Protocols

            _all(file, figures := Protocols(wanted, measure, str(protocol), form), figures.add)
        else:
            _scored(wanted, file, per, form, nbest)


def _measure(protocol: str) -> Measure:
    """The protocol that a SPEC says. Raises UsageError where there is no such one."""
    from lmbench.score.protocol import protocols

    measure: Measure = protocols.make(protocol)
    return measure


def _scored(wanted: Request, file: list[str], per: Per, form: Format, nbest: bool) -> None:
    """Print the scores of all texts."""
    from lmbench.cli._scores import rescore, score_file, score_stream

    if nbest:
        _each(file, lambda name: rescore(wanted, name))
        return
    table = wanted.table(per.value, form)
    streams = wanted.lines and per is not Per.FILE and form is not Format.PARQUET

    def one(name: str) -> None:
        if name == "-" and streams:
            score_stream(wanted, per.value, table)
        else:
            score_file(wanted, name, per.value, table)

    _all(file, table, one)


def _all(names: list[str], table: Closing, work: Callable[[str], None]) -> None:
    """`_each`, and then what `table` has kept back."""
    try:
        _each(names, work)
    finally:
        table.close()


def _sizes(names: list[str]) -> int | None:
    """Bytes of all texts, roughly; None where they come piece by piece."""
    return None if "-" in names else sum(map(_size, names))


def _size(name: str) -> int:
    path = Path(name)
    return path.stat().st_size if path.is_file() else 0 if not path.exists() else _LARGE


def _each(names: list[str], work: Callable[[str], None]) -> None:
    """Do all; what cannot be done is said, and the others are done."""
    codes = []
    for name in names:
        try:
            work(name)
        except LmbenchError as error:
            if len(names) == 1:
                raise
            codes.append(error.exit_code)
            terminal.say(f"error: {explain(error)}", err=True)
    if codes:
        raise typer.Exit(max(codes))
