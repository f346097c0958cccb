"""`lmbench entropy --calibrate`: the estimators on sources whose entropy rate is known."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import typer

from lmbench.cli._progress import shown_on
from lmbench.errors import UsageError


def calibrate_and_print(
    specs: Sequence[str], sizes: str, samples: str, folder: Path, as_json: bool, quiet: bool
) -> None:
    """Print the table and write calibration.json and calibration.md into `folder`."""
    from lmbench import machine, store
    from lmbench.entropy import _calibration as calibration
    from lmbench.record import finite
    from lmbench.report.calibration import calibration_markdown, calibration_table
    from lmbench.report.screen import console_for

    lengths, counts = _numbers(sizes, "--sizes"), _numbers(samples, "--samples")
    if len(counts) not in (1, len(lengths)):
        raise UsageError(f"--samples {samples!r} must be one number, or one for each of the {len(lengths)} --sizes")
    counts = counts * len(lengths) if len(counts) == 1 else counts
    with shown_on(sys.stderr, quiet) as (progress, _):
        rows = calibration.calibrate(
            specs=specs or calibration.ESTIMATORS, sizes=lengths, samples=counts, progress=progress
        )
    facts = {
        "command": shlex.join(["lmbench", *sys.argv[1:]]),
        "started": store.now().isoformat(),
        "machine": finite(machine.machine("cpu")),
        "versions": machine.versions(),
        "commit": machine.commit(),
    }
    content = json.dumps(facts | {"rows": [asdict(row) for row in rows]}, indent=2, ensure_ascii=False) + "\n"
    host = f"{facts['machine']['cpu']}, {facts['machine']['cores']} cores"  # type: ignore[index]
    about = [f"`{facts['command']}`", f"{facts['started']}, {host}, commit {facts['commit']}"]
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("calibration.json", content), ("calibration.md", calibration_markdown(rows, about))):
        with store.atomic(folder / name) as handle:
            handle.write(text.encode())
    if as_json:
        sys.stdout.write(content)
    else:
        console_for(sys.stdout).print(calibration_table(rows))
    typer.echo(f"\nwrote {folder / 'calibration.json'} and {folder / 'calibration.md'}", err=True)


def _numbers(text: str, option: str) -> list[int]:
    """`1000,10_000` to [1000, 10000]."""
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError as error:
        raise UsageError(f"{option} {text!r} must be whole numbers with commas between them") from error
    if min(numbers) < 1:
        raise UsageError(f"{option} {text!r}: each must be at least 1")
    return numbers
