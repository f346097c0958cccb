"""Ctrl-C at a step's end, not in its middle."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupt:
    """Whether Ctrl-C has been pressed."""

    pressed = False


@contextmanager
def deferred() -> Iterator[Interrupt]:
    """Within it the first Ctrl-C only sets `pressed`, so that a step is never half taken; the second one raises.

    Only the main thread is told of signals; in any other, `pressed` stays False.
    """
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return

    def note(_number: int, _frame: FrameType | None) -> None:
        if interrupt.pressed:
            raise KeyboardInterrupt
        interrupt.pressed = True

    before = signal.signal(signal.SIGINT, note)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, before)
