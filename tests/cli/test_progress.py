from __future__ import annotations

import io
import time

import pytest

from lmbench.cli import _progress as progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_lines_tell_of_long_tasks_only(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    stream = io.StringIO()
    with progress.shown_on(stream, quiet=False) as (shown, lines):
        with shown.task("quick", 3) as task:
            task.advance(3)
        with shown.task("slow [x]", 4) as task:
            task.show("loss 1.5")
            clock[0] += 5
            task.advance()
            clock[0] += 6
            task.advance()
        assert lines is not None
        lines.print("a line")
    assert stream.getvalue() == "slow [x]: 50% after 11 s (loss 1.5)\nslow [x]: done in 11 s\na line\n"


def test_bars_on_a_terminal_show_names_as_they_are() -> None:
    stream = Terminal()
    with progress.shown_on(stream, quiet=False) as (shown, lines):
        with shown.task("mixture([ngram, uniform])", 2) as task:
            task.advance()
            task.show("[bold]note")
            time.sleep(0.25)
        assert lines is not None
        lines.print("[red]above")
    assert "mixture([ngram, uniform])" in stream.getvalue()
    assert "[bold]note" in stream.getvalue()
    assert "[red]above" in stream.getvalue()


def test_quiet_writes_nothing() -> None:
    stream = Terminal()
    with progress.shown_on(stream, quiet=True) as (shown, lines), shown.task("x", None) as task:
        task.advance()
        task.show("y")
    assert lines is None
    assert stream.getvalue() == ""
