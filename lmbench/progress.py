"""Progress as the library sees it: a named task that advances. Drawing it is the caller's business."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Task(Protocol):
    def advance(self, steps: float = 1) -> None: ...

    def show(self, note: str) -> None:
        """Replace the short note after the bar, e.g. `loss 1.523  81,000 tokens/s`."""


class Progress(Protocol):
    """Something that can show that work goes on."""

    @contextmanager
    def task(self, description: str, total: float | None = None) -> Iterator[Task]:
        """A unit of work of `total` steps; None where the total is not known."""

    def say(self, line: str) -> None:
        """A line that stays: what should be known before the work is done."""


class _SilentTask:
    def advance(self, steps: float = 1) -> None:
        pass

    def show(self, note: str) -> None:
        pass


class Silent:
    """A `Progress` that shows nothing: the default of every library call."""

    @contextmanager
    def task(self, description: str, total: float | None = None) -> Iterator[Task]:
        yield _SilentTask()

    def say(self, line: str) -> None:
        pass
