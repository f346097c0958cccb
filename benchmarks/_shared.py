"""What the benchmarks share: processes that are run and measured, and the file that the figures go to."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass
class Usage:
    """What a process took from its start to its end, and what it printed; memory is its peak."""

    seconds: float
    cores: float
    peak_mb: float
    output: str
    said: str  # on standard error


def measured(command: list[str], stdin: Path | None = None, stdout: Path | None = None) -> Usage:
    """Run a process to its end; raises SystemExit with its own words where it fails."""
    begun = time.perf_counter()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command,
            stdin=stdin.open("rb") if stdin else subprocess.DEVNULL,
            stdout=stdout.open("wb") if stdout else out,
            stderr=errors,
        )
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        errors.seek(0)
        output, said = out.read().decode(), errors.read().decode()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed with {process.returncode}: {said[-2000:]}")
    return Usage(seconds, (used.ru_utime + used.ru_stime) / seconds, used.ru_maxrss / 1024, output, said)


def median(times: int, command: Callable[[], Usage]) -> Usage:
    """The median of several runs, by their seconds."""
    return sorted((command() for _ in range(times)), key=lambda usage: usage.seconds)[times // 2]


def run(
    command: list[str], cwd: Path | None = None, started: str = "", ended: tuple[str, ...] = ()
) -> tuple[str, float]:
    """A process's output, and the seconds from the line that begins with `started` to the last one that begins with one
    of `ended`; to the process's end where none does.

    Raises SystemExit with its last words where it fails.
    """
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}
    begun, last, lines = time.perf_counter(), None, []
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if started and line.startswith(started):
                begun = time.perf_counter()
            if ended and line.startswith(ended):
                last = time.perf_counter()
        process.wait()
        seconds = (last or time.perf_counter()) - begun
        errors.seek(0)
        said = errors.read()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed with {process.returncode}: {said[-2000:]}")
    return "".join(lines), seconds


def write_figures(path: Path, args: argparse.Namespace, described: dict[str, Any], **figures: Any) -> None:
    """JSON: the machine, what was asked for (of a path its last part alone), and the figures."""
    given = {name: Path(value).name if Path(str(value)).exists() else value for name, value in vars(args).items()}
    content = {"machine": described, "arguments": given, **figures}
    path.write_text(json.dumps(content, indent=2, default=str) + "\n", encoding="utf-8")
