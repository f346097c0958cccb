"""`lmbench play`: keys and what they do, on a pipe; and a terminal that is as it was, on a pty."""

from __future__ import annotations

import asyncio
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import lmbench
from numpy.typing import NDArray
from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from lmbench.cli._playing import WRITTEN, Game, Screen
from lmbench.corpus.text import text_of
from lmbench.model.base import Model, ModelCard
from lmbench.pipeline import Run
from lmbench.progress import Silent
from lmbench.tokenizer.byte import Byte
from lmbench.tokenizer.char import Char

TEXT = "abcabcabc猫"


class Next:
    """Expects after each character the one `by` places on in the alphabet of the run."""

    def __init__(self, size: int, by: int) -> None:
        self.size, self.by = size, by
        self.card = ModelCard()

    def next_log_probs(self, context: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        scores = np.full(self.size, -9.0)
        scores[(int(context[-1]) + self.by) % 3 if len(context) else 0] = 0.0
        scores[2] += 0.5
        found: NDArray[np.float64] = scores - np.logaddexp.reduce(scores)
        return found


def game(text: str = "") -> Game:
    tokenizer = Char().train(text_of([TEXT]), Silent())
    size = len(tokenizer.vocabulary)

    def load(name: str) -> Model:
        model: Any = Next(size, int(name))
        return model

    return Game(tokenizer, ["1", "2"], load, text)


class Narrow(DummyOutput):
    def get_size(self) -> Size:
        return Size(rows=24, columns=80)


def played(keys: str, start: Game, check: Callable[[Screen], None] | None = None, wait: float = 0.0) -> str:
    """The text after `keys` were typed; `check` looks at the screen before it is left."""
    with create_pipe_input() as stdin:
        screen = Screen(start, "run", stdin, Narrow())

        async def type_keys() -> None:
            stdin.send_text(keys)
            await asyncio.sleep(0.05 + wait)
            for _ in range(100):
                if screen.answer.text == screen.text and screen.answer.prediction is not None:
                    break
                await asyncio.sleep(0.01)
            if check is not None:
                check(screen)
            stdin.send_text("\x03")

        screen.run(type_keys)
        return screen.buffer.text


def test_typing_and_taking() -> None:
    assert played("a", game()) == "a"
    assert played("a\t", game()) == "ab"
    assert played("a\t\t\t", game()) == "abca"
    assert played("\t", game("c")) == "ca"


def test_another_candidate_and_another_model() -> None:
    assert played("a\x1b[B\t", game()) == "ac"  # Down
    assert played("a\x1b[B\x1b[A\t", game()) == "ab"
    assert played("a\x0e\t", game()) == "ac"  # Ctrl-N: two places on
    assert played("a\x0e\x10\t", game()) == "ab"


def test_what_is_shown_is_of_what_stands_there() -> None:
    def check(screen: Screen) -> None:
        assert screen.answer.name == "2"
        rows = "".join(text for _, text, *_ in screen._candidates()).splitlines()
        assert rows[0].split()[:2] == [">", "b"]
        assert rows[1].startswith("  ")
        assert "%" in rows[0]
        assert "entropy" in "".join(text for _, text, *_ in screen._head())

    played("bc\x0e", game(), check)


def test_a_model_writes_until_a_key_is_pressed() -> None:
    assert len(played("a\x07", game(), wait=0.6)) == 1 + WRITTEN
    assert len(played("a\x07x", game(), wait=0.2)) < 1 + WRITTEN


def test_bytes_become_characters_as_they_come() -> None:
    tokenizer = Byte()
    own = Game(tokenizer, ["x"], lambda name: None)  # type: ignore[arg-type, return-value]
    text: str | None = "a"
    for value in "猫".encode():
        assert text is not None
        text = own.after(text, value)
    assert text == "a猫"
    assert own.after("a", 0xE7) == "a\udce7"
    assert own._ids("a\udce7").tolist() == [97, 0xE7]
    assert own.after("a", tokenizer.vocabulary.end_of_text) is None


def test_what_a_terminal_would_obey_is_shown_as_signs() -> None:
    def check(screen: Screen) -> None:
        assert screen.buffer.text == "a\x1b[1m\u202e"

    def shown(screen: Screen) -> str:
        return "".join(
            screen.app.renderer.last_rendered_screen.data_buffer[row][column].char  # type: ignore[union-attr]
            for row in range(24)
            for column in range(80)
        )

    found = []

    def both(screen: Screen) -> None:
        check(screen)
        found.append(shown(screen))

    played("", game("a\x1b[1m\u202e"), both)
    assert "\x1b" not in found[0]
    assert "\u202e" not in found[0]
    assert "^[[1m<U+202E>" in found[0]


def test_it_needs_a_terminal(small_run: Run) -> None:
    said = lmbench("play", small_run.folder)
    assert said.exit_code == 2
    assert "needs a terminal" in said.output


def on_pty(run: Path, keys: list[bytes | int], *options: str) -> tuple[str, list[Any], list[Any], int]:
    """(what it drew, settings of the terminal before and after, exit code); a number among `keys` is a signal."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, 80))
    before = termios.tcgetattr(slave)
    process = subprocess.Popen(
        [sys.executable, "-m", "lmbench", "play", str(run), *options], stdin=slave, stdout=slave, stderr=slave,
        start_new_session=True, env={**os.environ, "TERM": "xterm-256color"},
    )  # fmt: skip
    drawn = b""

    def read(until: bytes, seconds: float = 60.0) -> None:
        nonlocal drawn
        end = time.monotonic() + seconds
        while until not in drawn and time.monotonic() < end:
            if select.select([master], [], [], 0.1)[0]:
                drawn += os.read(master, 65536)

    read(b"entropy")
    for key in keys:
        if isinstance(key, int):
            process.send_signal(key)
        else:
            os.write(master, key)
        time.sleep(0.3)
    end = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < end:
        read(b"\0never", 0.2)
    read(b"\0never", 0.2)
    after = termios.tcgetattr(slave)
    code = process.wait(10)
    os.close(master)
    os.close(slave)
    return drawn.decode("utf-8", "replace"), before, after, code


@pytest.mark.parametrize("leave", [b"\x03", signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_the_terminal_is_as_it_was(leave: bytes | int, small_run: Run) -> None:
    drawn, before, after, _ = on_pty(small_run.folder, [b"the\t", leave], "--model", "ngram(order=3)")
    assert before == after
    assert drawn.count("\x1b[?1049h") == drawn.count("\x1b[?1049l") == 1
    assert drawn.rindex("\x1b[?1049l") > drawn.rindex("\x1b[?1049h")
    assert drawn.rindex("\x1b[?25h") > drawn.rindex("\x1b[?25l")
    assert "Traceback" not in drawn


def test_an_exception_gives_the_terminal_back(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = game("a")
    monkeypatch.setattr(Game, "ask", lambda self, name, text: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        played("b", broken)
