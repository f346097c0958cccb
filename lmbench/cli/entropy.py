"""`lmbench entropy`: where the floor lies."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lmbench import terminal
from lmbench.cli._calibrate import calibrate_and_print
from lmbench.cli._complete import complete_run
from lmbench.cli._options import (
    MEASURED,
    OUTPUT,
    TEXT,
    DecodingErrors,
    EachLine,
    Encoding,
    Errors,
    Quiet,
    Source,
    SplitRule,
    TestText,
    TextField,
    Unit,
    UnitTokenizer,
    WholeNotes,
)
from lmbench.cli._progress import shown_on
from lmbench.errors import LmbenchError, UsageError

if TYPE_CHECKING:
    from lmbench.pipeline.entropy import OnEstimate
    from lmbench.record import Entropy, Failure

__all__ = ["entropy"]

PANEL = "Run"

_CALIBRATION = "Calibration"
_WITH_RUN = ("run", "estimator", "unit", "json", "quiet", "out", "debug")
_WITH_CALIBRATE = ("calibrate", "sizes", "samples", "estimator", "json", "quiet", "out", "debug")


def entropy(
    context: typer.Context,
    source: Source = "python-help",
    run: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="Put a run's models on the same axis, on its own text: its folder, a part of its name, or latest.",
            autocompletion=complete_run,
            rich_help_panel=TEXT,
        ),
    ] = None,
    test: TestText = None,
    split: SplitRule = None,
    lines: EachLine = False,
    encoding: Encoding = None,
    errors: DecodingErrors = Errors.STRICT,
    text_field: TextField = "text",
    estimator: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SPEC",
            help="An estimator, see lmbench estimators; repeat for more. [dim]\\[every one there is][/]",
            rich_help_panel=MEASURED,
        ),
    ] = None,
    unit: Annotated[
        Unit | None,
        typer.Option(
            help="The symbols of estimators that have a choice; compressors read bytes. [dim]\\[char][/]",
            rich_help_panel=MEASURED,
        ),
    ] = None,
    tokenizer: UnitTokenizer = "bpe",
    calibrate: Annotated[
        bool,
        typer.Option(
            "--calibrate",
            help="No text: every estimator on samples of sources whose rate is known. Bias, spread and coverage go to "
            "DIR/calibration.json and .md.",
            rich_help_panel=_CALIBRATION,
        ),
    ] = False,
    sizes: Annotated[
        str, typer.Option(metavar="N,N,...", help="Symbols in a sample.", rich_help_panel=_CALIBRATION)
    ] = "1000,10000,100000,1000000",
    samples: Annotated[
        str,
        typer.Option(metavar="N,N,...", help="Samples of each size from each source.", rich_help_panel=_CALIBRATION),
    ] = "20,20,10,2",
    out: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="Folder that the panel's folder is made in, and that holds the runs.",
            rich_help_panel=OUTPUT,
        ),
    ] = Path("results"),
    json: Annotated[
        bool,
        typer.Option("--json", help="entropy.json on standard output."),
    ] = False,
    notes: WholeNotes = False,
    quiet: Quiet = False,
) -> None:
    """Estimate the entropy of a text by every means there is, in one table and one picture.

    entropy.json, entropy.html and its figures stay in DIR/<date>-<corpus>-entropy-<hash>/, or, with --run,
    in the run's folder.

    [bold]Examples[/bold]

      lmbench entropy book.txt

      lmbench entropy --run latest

      lmbench entropy book.txt --unit word --estimator block --estimator match_length

      lmbench entropy --calibrate --sizes 1000,10000 --samples 20
    """
    from lmbench import pipeline, store
    from lmbench.pipeline.entropy import PANEL as FILE
    from lmbench.pipeline.entropy import entropy_panel, panel_specs
    from lmbench.report.screen import print_report
    from lmbench.report.section.notes import failures_of

    if calibrate:
        _alone(context, "--calibrate", _WITH_CALIBRATE, "it reads no text")
        calibrate_and_print(estimator or (), sizes, samples, out, json, quiet)
        return
    if run is not None:
        _alone(context, "--run", _WITH_RUN, "the text is the run's own")
    specs = panel_specs(estimator or (), None if unit is None else unit.value)
    tokens = any("token" in map(str, spec.options.values()) for spec in specs)
    plan = pipeline.Plan(
        source=source, models=(), tokenizer=tokenizer if tokens else "char", estimators=specs, test=test, split=split,
        lines=lines, encoding=encoding, errors=errors.value, text_field=text_field, device="cpu", out=out,
    )  # fmt: skip
    with shown_on(terminal.notes(), quiet) as (progress, lines_out):
        tell = _teller(lines_out)
        folder = store.find_run(run, out) if run is not None else None
        panel = entropy_panel(plan, folder, progress, tell, shlex.join(["lmbench", *sys.argv[1:]]))
    if json:
        terminal.write_json((panel.folder / FILE).read_text(encoding="utf-8"))
    else:
        print_report(panel.record, page="entropy")
        if notes:
            terminal.say()
            print_report(panel.record, page="notes")
    terminal.say(err=True)
    terminal.say(f"kept in {panel.folder} (entropy.json, entropy.html)", err=True)
    failed = {failure.spec for failure in panel.record.failures}
    in_unit = {str(spec) for spec in specs if "unit" in spec.options} if unit else set()
    if failed and (estimator or (in_unit and in_unit <= failed)):  # of a panel nobody chose, some may have to pass
        raise LmbenchError("; ".join(failures_of(panel.record.failures)))


def _alone(context: typer.Context, option: str, allowed: tuple[str, ...], why: str) -> None:
    """Raise UsageError where an option that is not `allowed` stands beside `option`."""
    for name in context.params:
        given = context.get_parameter_source(name)
        if name not in allowed and given is not None and given.name == "COMMANDLINE":
            shown = "SOURCE" if name == "source" else f"--{name.replace('_', '-')}"
            raise UsageError(f"{shown} cannot stand beside {option}: {why}")


def _teller(lines: object) -> OnEstimate:
    from lmbench.cli._progress import Lines
    from lmbench.record import Failure
    from lmbench.report import format as form

    def tell(item: Entropy | Failure) -> None:
        if not isinstance(lines, Lines):
            return
        if isinstance(item, Failure):
            lines.print(f"  {item.spec}: not done: {item.message}")
        else:
            bits = form.fixed(item.bits_per_character, 3)
            lines.print(f"  {item.estimator}: {bits} bits/char, {form.seconds(item.seconds)}")

    return tell
