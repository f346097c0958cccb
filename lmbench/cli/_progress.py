"""Progress drawn: bars on a terminal, a line now and then where there is none."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from lmbench import terminal
from lmbench.progress import Progress, Silent, Task

if TYPE_CHECKING:
    from rich import progress as rich_progress

_EVERY = 10.0  # seconds between two lines of one task
_WORTH_A_LINE = 2.0  # a task that ended sooner is not mentioned


@contextmanager
def shown_on(stream: TextIO, quiet: bool) -> Iterator[tuple[Progress, Lines | None]]:
    """A Progress that draws on `stream`, and where to print lines above it; (silent, None) where `quiet`."""
    if quiet:
        yield Silent(), None
    elif stream.isatty():
        bars = _bars(stream)
        with bars:
            lines = Lines(stream, bars)
            yield Bars(bars, stream, lines.print), lines
    else:
        lines = Lines(stream)
        yield lines, lines


def _bars(stream: TextIO) -> rich_progress.Progress:
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.table import Column

    from lmbench.report.screen import console_for

    return Progress(
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, max_width=36)),
        BarColumn(bar_width=20),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[note]}", markup=False, style="dim", table_column=Column(no_wrap=True, ratio=1)),
        console=console_for(stream),
        redirect_stdout=False,
        transient=True,
        expand=True,
    )


class Bars:
    """Tasks as bars, gone when they are done."""

    def __init__(self, bars: rich_progress.Progress, stream: TextIO, say: Callable[[str], None]) -> None:
        self._bars = bars
        self._stream = stream
        self.say = say

    def _shown(self, text: str) -> str:
        return terminal.shown(text, self._stream)

    @contextmanager
    def task(self, description: str, total: float | None = None) -> Iterator[Task]:
        number = self._bars.add_task(self._shown(description), total=total, note="")
        try:
            yield _Bar(self._bars, number, self._shown)
        finally:
            self._bars.remove_task(number)


class _Bar:
    def __init__(self, bars: rich_progress.Progress, number: rich_progress.TaskID, shown: Callable[[str], str]) -> None:
        self._bars = bars
        self._number = number
        self._shown = shown

    def advance(self, steps: float = 1) -> None:
        self._bars.advance(self._number, steps)

    def show(self, note: str) -> None:
        self._bars.update(self._number, note=self._shown(note))


class Lines:
    """Tasks as lines of text: where a long one stands every ten seconds, and how long it took."""

    def __init__(self, stream: TextIO, bars: rich_progress.Progress | None = None) -> None:
        self._stream = stream
        self._bars = bars

    def print(self, text: str) -> None:
        """One line, above the bars where there are any."""
        if self._bars is not None:
            self._bars.console.print(text)
        else:
            terminal.say(text, stream=self._stream)

    say = print

    @contextmanager
    def task(self, description: str, total: float | None = None) -> Iterator[Task]:
        line = _Line(self, description, total)
        yield line
        if time.monotonic() - line.started >= _WORTH_A_LINE:
            self.print(f"{description}: done in {time.monotonic() - line.started:.0f} s")


class _Line:
    def __init__(self, lines: Lines, description: str, total: float | None) -> None:
        self.started = time.monotonic()
        self._lines = lines
        self._description = description
        self._total = total
        self._done = 0.0
        self._note = ""
        self._spoke = self.started

    def advance(self, steps: float = 1) -> None:
        self._done += steps
        if time.monotonic() - self._spoke >= _EVERY:
            self._spoke = time.monotonic()
            share = f" {self._done / self._total:.0%}" if self._total else ""
            note = f" ({self._note})" if self._note else ""
            self._lines.print(f"{self._description}:{share} after {self._spoke - self.started:.0f} s{note}")

    def show(self, note: str) -> None:
        self._note = note


class Between:
    """Progress whose bars are there only while a task lasts, so that lines can be written between two tasks."""

    def __init__(self, stream: TextIO, quiet: bool) -> None:
        self._stream = stream
        self._quiet = quiet
        self._shown: Progress | None = None

    @contextmanager
    def task(self, description: str, total: float | None = None) -> Iterator[Task]:
        if self._shown is not None:  # a task within a task
            with self._shown.task(description, total) as task:
                yield task
            return
        with shown_on(self._stream, self._quiet) as (shown, _):
            self._shown = shown
            try:
                with shown.task(description, total) as task:
                    yield task
            finally:
                self._shown = None

    def say(self, line: str) -> None:
        if self._shown is not None:
            self._shown.say(line)
        elif not self._quiet:
            terminal.say(line, stream=self._stream)
