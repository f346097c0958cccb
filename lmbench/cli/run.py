"""`lmbench run`: the main job."""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lmbench import terminal
from lmbench.cli._complete import complete_run
from lmbench.cli._options import (
    OUTPUT,
    TEXT,
    DecodingErrors,
    Device,
    DeviceName,
    EachLine,
    Encoding,
    Errors,
    Quiet,
    Seed,
    Tensorboard,
    TestText,
    TextField,
    WholeNotes,
)
from lmbench.cli._progress import Lines, shown_on
from lmbench.errors import LmbenchError, UsageError
from lmbench.training.budget import SECONDS

if TYPE_CHECKING:
    from lmbench.pipeline import OnRow, Run
    from lmbench.pipeline.fits import OnPoint
    from lmbench.record import Entropy, Failure, Row

__all__ = ["run"]

PANEL = "Run"

_WHAT, _BUDGET = "What is compared", "Budget of a net"
_WITH_RESUME = ("resume", "device", "out", "json", "notes", "quiet", "debug", "tensorboard")


class Protocol(StrEnum):
    STATIC = "static"
    PREQUENTIAL = "prequential"


class Match(StrEnum):
    SECONDS = "seconds"
    BYTES = "bytes"


def run(
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A corpus (see lmbench corpora), a path (text, folder, .jsonl, .parquet, each also .gz .xz .zst "
            ".bz2), hf:owner/name\\[:config], or - for standard input.",
        ),
    ] = "python-help",
    valid: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="Validation text. [dim]\\[cut from SOURCE][/]", rich_help_panel=TEXT),
    ] = None,
    test: TestText = None,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="A/B/C[:RULE]",
            help="Train/valid/test in per cent, or train/test, where counts are taken anew on train and valid. "
            "RULE: documents draws whole ones by the hash of their content, spans takes pieces from all over the text, "
            "end cuts off its end. Without one: end for train/test, else documents where there are enough, else spans. "
            "[dim]\\[the corpus's own, or 90/5/5][/]",
            rich_help_panel=TEXT,
        ),
    ] = None,
    deduplicate: Annotated[
        bool,
        typer.Option(
            "--deduplicate",
            help="Drop from the training text the passages of 50 characters and more that validation or test hold too.",
            rich_help_panel=TEXT,
        ),
    ] = False,
    lines: EachLine = False,
    encoding: Encoding = None,
    errors: DecodingErrors = Errors.STRICT,
    text_field: TextField = "text",
    tokenizer: Annotated[
        str, typer.Option(metavar="SPEC", help="Tokenizer, see lmbench tokenizers.", rich_help_panel=_WHAT)
    ] = "bpe",
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SPEC",
            help="A model, see lmbench models; repeat for more; none for no model. "
            "[dim]\\[uniform, n-grams of order 1, 2, 3, 5, all suffixes, a transformer, a mixture of the last two][/]",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    estimator: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SPEC",
            help="An estimator of the entropy, see lmbench estimators; repeat for more; none for no estimator. "
            "[dim]\\[block entropies and compressors][/]",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    protocol: Annotated[
        Protocol,
        typer.Option(
            help="static: fitted on the training text, scored on the test text; prequential: the whole text coded in "
            "blocks, each with what was learnt before it, compressors likewise.",
            rich_help_panel=_WHAT,
        ),
    ] = Protocol.STATIC,
    blocks: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Blocks of the prequential code; more of them learn more often. [dim]\\[a block a doubling][/]",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    train_seconds: Annotated[
        float | None,
        typer.Option(
            help="Seconds to train each net for; of several limits the one that is reached first ends it. "
            f"[dim]\\[{SECONDS['cpu']:g}, on a GPU {SECONDS['cuda']:g}, where no limit is given][/]",
            rich_help_panel=_BUDGET,
        ),
    ] = None,
    train_tokens: Annotated[
        int | None, typer.Option(min=1, help="Tokens to train each net on.", rich_help_panel=_BUDGET)
    ] = None,
    train_flops: Annotated[
        float | None,
        typer.Option(help="Floating-point operations to train each net with, e.g. 1e15.", rich_help_panel=_BUDGET),
    ] = None,
    match: Annotated[
        Match | None,
        typer.Option(
            help="A fair fight: each net trains for as many seconds as the best n-gram took to fit, or is as wide as "
            "its bytes on disk allow. N-grams are fitted first; the best has the lowest loss on validation.",
            rich_help_panel=_BUDGET,
        ),
    ] = None,
    seeds: Annotated[
        int,
        typer.Option(
            min=1,
            help="How often each net is trained, with seeds from --seed on: its row is their mean, and its interval "
            "is for texts and seeds. N-grams are fitted once.",
            rich_help_panel=_BUDGET,
        ),
    ] = 1,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify",
            help="Code a slice of the test text with each model and decode it again: the table marks the rows whose "
            "bits are those of their score.",
            rich_help_panel=_WHAT,
        ),
    ] = False,
    drift: Annotated[
        bool,
        typer.Option(
            "--drift",
            help="Let each model write texts of its own, and hold their entropy against the cross-entropy that it was "
            "scored at; a minute a model at most.",
            rich_help_panel=_WHAT,
        ),
    ] = False,
    shuffle_labels: Annotated[
        bool,
        typer.Option(
            "--shuffle-labels",
            help="Train each net a second time, on the training tokens in random order: its loss on them is what it "
            "learns by heart.",
            rich_help_panel=_WHAT,
        ),
    ] = False,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder that the run's folder is made in.", rich_help_panel=OUTPUT)
    ] = Path("results"),
    name: Annotated[
        str | None,
        typer.Option(metavar="WORD", help="A word to call the run by, in place of RUN.", rich_help_panel=OUTPUT),
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="Go on with an interrupted run: its folder, its name, or latest.",
            rich_help_panel=OUTPUT,
            autocompletion=complete_run,
        ),
    ] = None,
    tensorboard: Tensorboard = None,
    device: DeviceName = Device.AUTO,
    seed: Seed = 0,
    json: Annotated[
        bool,
        typer.Option("--json", help="The record on standard output, all else on standard error."),
    ] = False,
    notes: WholeNotes = False,
    quiet: Quiet = False,
) -> None:
    """Fit models and estimate the entropy on one text, and compare.

    A SPEC is name or name(option=value, ...). The record, the fitted models and report.html
    stay in DIR/<date>-<corpus>-<hash>/.

    [bold]Examples[/bold]

      lmbench run

      lmbench run book.txt --model 'ngram(order=5)' --model 'transformer(layers=4, width=128)'

      lmbench run tinyshakespeare.txt --tokenizer char --split 90/10 --train-seconds 100

      lmbench run ptb.train.txt --valid ptb.valid.txt --test ptb.test.txt --lines --tokenizer word
    """
    from lmbench import pipeline, store

    for option, limit in (("--train-seconds", train_seconds), ("--train-flops", train_flops)):
        if limit is not None and not 0 < limit < math.inf:
            raise UsageError(f"{option} must be more than 0 and finite, not {limit:g}")
    if pipeline.follows():
        pipeline.follow()
        return
    if resume is not None:
        _alone(context)
    with _curves(tensorboard) as on_point, shown_on(terminal.notes(), quiet) as (progress, lines_out):
        tell = _teller(lines_out)
        if resume is not None:
            folder = store.find_run(resume, out)
            chosen = None if device is Device.AUTO else device.value
            done = pipeline.resume(folder, progress, tell, chosen, on_point)
        else:
            plan = pipeline.Plan(
                source=source, models=_listed(model, pipeline.MODELS), tokenizer=tokenizer,
                estimators=_listed(estimator, pipeline.ESTIMATORS), valid=valid, test=test, split=split, lines=lines,
                encoding=encoding, errors=errors.value, text_field=text_field, device=device.value, seed=seed,
                train_seconds=train_seconds, train_tokens=train_tokens, out=out, protocol=protocol.value,
                blocks=blocks, train_flops=train_flops, match=None if match is None else match.value,
                shuffle_labels=shuffle_labels, deduplicate=deduplicate, seeds=seeds, name=name,
                verify=verify, drift=drift,
            )  # fmt: skip
            done = pipeline.run(plan, progress, tell, shlex.join(["lmbench", *sys.argv[1:]]), on_point)
    _show(done, json, notes)


@contextmanager
def _curves(folder: Path | None) -> Iterator[OnPoint | None]:
    """Who writes learning curves into `folder` while nets train; nobody where there is no folder."""
    if folder is None:
        yield None
        return
    from lmbench.report.tensorboard import Curves

    with Curves(folder) as curves:
        yield curves.add


def _alone(context: typer.Context) -> None:
    """Raise UsageError where an option stands beside --resume that would make it another run."""
    for name in context.params:
        source = context.get_parameter_source(name)
        if name not in _WITH_RESUME and source is not None and source.name == "COMMANDLINE":
            shown = "SOURCE" if name == "source" else f"--{name.replace('_', '-')}"
            raise UsageError(f"{shown} cannot stand beside --resume, which goes on with what the run was told then")


def _listed(given: list[str] | None, default: tuple[str, ...]) -> tuple[str, ...]:
    if not given:
        return default
    return () if given == ["none"] else tuple(given)


def _teller(lines: Lines | None) -> OnRow:
    from lmbench.record import Failure, Row
    from lmbench.report import format as form

    def tell(item: Row | Entropy | Failure) -> None:
        if lines is None:
            return
        if isinstance(item, Row):
            nats = item.mean_nats if item.nats_per_token is None else item.nats_per_token
            score = "∞" if item.zero_probability_tokens and item.distribution else form.fixed(nats, 4)
            unit = "nats/token" if item.distribution else "mean score, no cross-entropy"
            if nats is None and item.bits_per_byte is not None:  # tokens of its own
                score, unit = f"{item.bits_per_byte:.4f}", "bits/byte"
            lines.print(f"  {item.model}: {score} {unit}, fitted in {form.seconds(item.fit_seconds)}")
        elif isinstance(item, Failure):
            lines.print(f"  {item.spec}: not done: {item.message}")

    return tell


def _show(done: Run, json: bool, notes: bool) -> None:
    from lmbench.pipeline import Plan
    from lmbench.report.screen import print_report
    from lmbench.store import RECORD

    if json:
        terminal.write_json((done.folder / RECORD).read_text(encoding="utf-8"))
    else:
        print_report(done.record)
        if notes:
            terminal.say()
            print_report(done.record, page="notes")
    terminal.say(err=True)
    terminal.say(f"kept in {done.folder} (record.json, report.html, models)", err=True)
    models = {str(spec) for spec in Plan.of(done.record.plan).specs()[1]}
    failed = [failure for failure in done.record.failures if failure.spec in models]
    if failed:
        raise LmbenchError("; ".join(f"{failure.spec}: {failure.message}" for failure in failed))
