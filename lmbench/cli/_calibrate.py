"""`lmbench entropy --calibrate`: the estimators on sources whose entropy rate is known."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from lmbench import terminal, written
from lmbench.cli._progress import shown_on
from lmbench.errors import UsageError
from lmbench.invocation import command

if TYPE_CHECKING:
    from lmbench.entropy._calibration import Key, OnOutcome, Outcome

PART = "calibration.part.jsonl"  # of a calibration that is not finished


def calibrate_and_print(
    specs: Sequence[str], sizes: str, samples: str, folder: Path, as_json: bool, quiet: bool
) -> None:
    """Print the table and write calibration.json and calibration.md into `folder`.

    Until then every estimate is kept there, and what is kept is not made again.
    """
    from lmbench import commit, machine, store
    from lmbench.entropy import _calibration as calibration
    from lmbench.record import finite
    from lmbench.report.calibration import calibration_markdown, calibration_table
    from lmbench.report.screen import screen

    lengths, counts = _numbers(sizes, "--sizes"), _numbers(samples, "--samples")
    if len(counts) not in (1, len(lengths)):
        raise UsageError(f"--samples {samples!r} must be one number, or one for each of the {len(lengths)} --sizes")
    counts = counts * len(lengths) if len(counts) == 1 else counts
    chosen = list(specs or calibration.ESTIMATORS)
    part = folder / PART
    known = kept_outcomes(part)
    seeds = [(size, seed) for size, count in zip(lengths, counts, strict=True) for seed in range(count)]
    plan = {(source, *sample, spec) for source in calibration.SOURCES for sample in seeds for spec in chosen}
    if part.exists():
        taken = f"{len(plan & known.keys()):,} of {len(plan):,} estimates are taken from {part}"
        anew = f"{part} was made by other versions or another commit: begun anew"
        terminal.say(f"note: {taken if known else anew}", err=True)
    try:
        with shown_on(terminal.notes(), quiet) as (progress, _), appended(part, bool(known)) as keep:
            rows = calibration.calibrate(
                specs=chosen, sizes=lengths, samples=counts, progress=progress, known=known, on_outcome=keep
            )
    except KeyboardInterrupt as stop:
        kept = len(plan & kept_outcomes(part).keys())
        if not kept:
            raise
        again = [word for spec in specs for word in ("--estimator", spec)]
        words = ["entropy", "--calibrate", *again, "--sizes", sizes, "--samples", samples]
        line = f"interrupted; {kept:,} of {len(plan):,} estimates are kept in {part}; go on with:"
        raise KeyboardInterrupt(f"{line} {command(*words, out=folder)}") from stop
    made_of = commit.of_package()
    facts = {
        "command": shlex.join(["lmbench", *sys.argv[1:]]),
        "started": store.now().isoformat(),
        "machine": finite(machine.machine("cpu")),
        "versions": machine.versions(),
        "commit": made_of.name,
        "commit_note": made_of.note,
    }
    content = json.dumps(facts | {"rows": [asdict(row) for row in rows]}, indent=2, ensure_ascii=False) + "\n"
    host = f"{facts['machine']['cpu']}, {facts['machine']['cores']} cores"  # type: ignore[index]
    about = [f"`{facts['command']}`", f"{facts['started']}, {host}, commit {made_of}"]
    store.make_folder(folder)
    for name, text in (("calibration.json", content), ("calibration.md", calibration_markdown(rows, about))):
        with store.atomic(folder / name) as handle:
            handle.write(text.encode())
    part.unlink(missing_ok=True)
    if as_json:
        terminal.write_json(content)
    else:
        screen().print(calibration_table(rows))
    terminal.say(err=True)
    terminal.say(f"wrote {folder / 'calibration.json'} and {folder / 'calibration.md'}", err=True)


def kept_outcomes(path: Path) -> dict[Key, Outcome]:
    """What an interrupted calibration left in `path`, where it was made by the program as it is now; else nothing.

    A line that is not whole, the last one of a process that was killed, is as good as none.
    """
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    found: dict[Key, Outcome] = {}
    for number, line in enumerate(lines):
        try:
            item = json.loads(line)
            if number == 0:
                if item != _program():
                    return {}
                continue
            source, size, seed, spec = item["key"]
            found[source, size, seed, spec] = _outcome(**item["outcome"])
        except (ValueError, KeyError, TypeError):
            continue
    return found


def _outcome(interval: list[float] | None, **values: Any) -> Outcome:
    from lmbench.entropy._calibration import Outcome

    low_high = None if interval is None else (float(interval[0]), float(interval[1]))
    return Outcome(interval=low_high, **values)


def _program() -> dict[str, Any]:
    """What a figure depends on besides its key."""
    from lmbench import commit, machine

    return {"versions": machine.versions(), "commit": commit.of_package().name}


@contextmanager
def appended(path: Path, go_on: bool) -> Iterator[OnOutcome]:
    """A function that puts an outcome at the end of `path`, a line each; where `go_on`, after those that are there."""
    from lmbench import store

    with ExitStack() as stack:
        handles: list[IO[str]] = []

        def keep(key: Key, outcome: Outcome) -> None:
            if not handles:
                store.make_folder(path.parent)
                handles.append(stack.enter_context(path.open("a" if go_on else "w", encoding="utf-8")))
                handles[0].write("\n" if go_on else json.dumps(_program()) + "\n")
            handles[0].write(json.dumps({"key": key, "outcome": asdict(outcome)}, ensure_ascii=False) + "\n")
            handles[0].flush()
            written.note(path)

        yield keep


def _numbers(text: str, option: str) -> list[int]:
    """`1000,10_000` to [1000, 10000]."""
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError as error:
        raise UsageError(f"{option} {text!r} must be whole numbers with commas between them") from error
    if min(numbers) < 1:
        raise UsageError(f"{option} {text!r}: each must be at least 1")
    return numbers
