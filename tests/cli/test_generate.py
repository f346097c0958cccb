"""`lmbench generate`: texts of every kind of model, side by side, stopped, counted, broken off."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from commands import lmbench
from rich.cells import cell_len

from lmbench.pipeline import Plan, Run, writing
from lmbench.pipeline import run as fit

NETS = ["transformer(layers=1, heads=2, width=16, context=16)", "lstm(layers=1, width=16)", "mingru(width=16)"]
COUNTS = [
    "ngram(order=3)",
    "ngram(order=3, smoothing=witten_bell)",
    "suffix(smoothing=pitman_yor)",
    "pairs(distance=2)",
]
MIXED = ["cache(model=ngram(order=2))", "mixture(ngram(order=3), lstm(layers=1, width=16))"]


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of each family on lines of Japanese and English, with an escape sequence in each tenth line."""
    generator = np.random.default_rng(2)
    words = np.array(["三四郎", "は", "the", "queen", "said", "né", "猫である", "\x1b[31mred"])
    lines = [" ".join(words[generator.integers(0, 8 if n % 10 == 0 else 7, 6)]) for n in range(300)]
    path = tmp_path_factory.mktemp("text") / "lines.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    models = [*COUNTS, *NETS, *MIXED]
    plan = Plan(
        source=str(path), tokenizer="char", models=models, estimators=[], device="cpu", train_tokens=3_000,
        lines=True, out=tmp_path_factory.mktemp("results"),
    )  # fmt: skip
    return fit(plan, command="lmbench run")


def test_every_family_writes(every: Run) -> None:
    done = lmbench("generate", every.folder, "--model", "all", "--tokens", 30, "--count", 2, "--json", "--prompt", "三")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert [each["model"] for each in found["models"]] == [row.model for row in every.record.rows]
    for each in found["models"]:
        assert [text["tokens"] for text in each["texts"]] == [30, 30]
        assert each["texts"][0]["text"] != each["texts"][1]["text"]
        assert each["nats_per_token"] > 0
    again = json.loads(
        lmbench("generate", every.folder, "--model", "all", "--tokens", 30, "--json", "--prompt", "三").stdout
    )
    for both in zip(found["models"], again["models"], strict=True):
        assert both[1]["texts"][0]["text"] == both[0]["texts"][0]["text"]  # the same seed, however many are drawn


def test_texts_are_drawn_in_as_many_batches_as_there_is_room_for(every: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["generate", every.folder, "--model", NETS[0], "--count", 5, "--tokens", 12, "--json"]
    whole = lmbench(*words).stdout
    # keys and values: two of one layer, 16 places, 16 wide, in four bytes; room for two texts
    monkeypatch.setattr(writing, "free_memory", lambda: 4 * 2 * (2 * 16 * 16 * 4 + 1000))
    assert json.loads(lmbench(*words).stdout)["models"][0]["texts"] == json.loads(whole)["models"][0]["texts"]


def test_texts_stand_side_by_side_in_equal_columns(every: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "90")
    words = [
        "generate",
        every.folder,
        "--model",
        COUNTS[0],
        "--model",
        COUNTS[2],
        "--tokens",
        120,
        "--prompt",
        "三四郎",
    ]
    done = lmbench(*words)
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert any("三" in line for line in lines)
    width = (90 - 3) // 2
    for line in lines:
        cells, left = 0, ""
        for character in line:  # what stands to the left of the second column ends with it, whatever characters it has
            if cells >= width:
                break
            left, cells = left + character, cells + cell_len(character)
        assert cells in (width, cell_len(line))
        assert line[len(left) :][:3].strip() == ""
    assert "^[[31m" in done.stdout or "\x1b" not in done.stdout
    monkeypatch.setenv("COLUMNS", "40")
    narrow = lmbench(*words)
    assert narrow.stdout.startswith(f"--- {COUNTS[0]} ---")
    assert f"--- {COUNTS[2]} ---" in narrow.stdout
    one = lmbench("generate", every.folder, "--model", COUNTS[0], "--tokens", 120, "--prompt", "三四郎")
    assert one.stdout.strip() in narrow.stdout


def test_a_stop_text_ends_each_text_where_it_stands(every: Run) -> None:
    words = ["generate", every.folder, "--model", COUNTS[0], "--tokens", 400, "--count", 3, "--stop", "猫", "--json"]
    for text in json.loads(lmbench(*words).stdout)["models"][0]["texts"]:
        assert text["stopped"] == "stop"
        assert "猫" not in text["text"]
        assert text["tokens"] < 400


def test_a_prompt_from_standard_input_and_lines_in_it(every: Run) -> None:
    asked = ["generate", every.folder, "--model", COUNTS[0], "--tokens", 20, "--temperature", 0]
    assert (
        lmbench(*asked, "--prompt", "-", stdin="the queen\n").stdout == lmbench(*asked, "--prompt", "the queen").stdout
    )
    # where documents are lines, the end of a line in the prompt begins another document
    one = lmbench(*asked, "--prompt", "said\nthe queen", "--json").stdout
    other = lmbench(*asked, "--prompt", "the queen", "--json").stdout
    assert json.loads(one)["models"] == json.loads(other)["models"]
    said = lmbench(*asked, "--prompt", "ΩΩ", "--json")  # never seen: spelled in bytes
    assert said.exit_code == 0
    assert lmbench(*asked, "--prompt", "").exit_code == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--temperature", "-1"], "temperature must be 0"),
        (["--temperature", "inf"], "and finite"),
        (["--top-p", "0"], "top-p must be above 0"),
        (["--min-p", "2"], "min-p must be 0 to 1"),
        (["--repetition-penalty", "0"], "repetition penalty must be above 0"),
        (["--stop", ""], "--stop is empty"),
    ],
)
def test_settings_that_mean_nothing_are_a_line(every: Run, options: list[str], message: str) -> None:
    done = lmbench("generate", every.folder, *options)
    assert done.exit_code == 2
    assert message in done.output
    assert done.output.count("\n") == 1


def test_what_a_text_cost_stands_beside_what_was_scored(every: Run) -> None:
    done = lmbench("generate", every.folder, "--model", COUNTS[0], "--tokens", 200)
    row = next(row for row in every.record.rows if row.model == COUNTS[0])
    assert "nats/token; scored at" in done.stderr
    assert f"{row.nats_per_token:.3f}" in done.stderr
    assert lmbench("generate", every.folder, "--model", COUNTS[0], "-q").stderr == ""


def _on_a_terminal(words: list[str], until: bytes, interrupt: bool) -> tuple[bytes, int, list[object], list[object]]:
    """What a command writes on a terminal of its own, its exit code, and the terminal's settings before and after;
    with Ctrl-C typed once it has written `until`."""
    import termios

    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    process = subprocess.Popen(
        [sys.executable, "-m", "lmbench", *words], stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
        preexec_fn=lambda: __import__("fcntl").ioctl(0, termios.TIOCSCTTY, 0), env=os.environ | {"COLUMNS": "100"},
    )  # fmt: skip
    written, deadline, sent = b"", time.monotonic() + 120, False
    while time.monotonic() < deadline:
        if select.select([master], [], [], 0.1)[0]:
            written += os.read(master, 65_536)
        elif process.poll() is not None:
            break
        if interrupt and not sent and until in written:
            os.write(master, b"\x03")
            sent = True
    code, after = process.wait(10), termios.tcgetattr(slave)
    os.close(master)
    os.close(slave)
    return written, code, before, after


@pytest.mark.skipif(not hasattr(os, "fork"), reason="terminals of POSIX")
def test_ctrl_c_in_the_middle_leaves_the_terminal_as_it_was(every: Run) -> None:
    words = ["generate", str(every.folder), "--model", COUNTS[0], "--model", COUNTS[2], "--tokens", "200000"]
    written, code, before, after = _on_a_terminal(words, b"queen", interrupt=True)
    assert code == 1
    assert before == after
    assert b"error: interrupted" in written
    assert b"Traceback" not in written
    assert b"\x1b" not in written  # no colour, no cursor to be put back, and what a model writes is never obeyed


def test_a_closed_pipe_ends_it(every: Run) -> None:
    words = [sys.executable, "-m", "lmbench", "generate", str(every.folder), "--model", COUNTS[0], "--tokens", "100000"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.read(50)
    process.stdout.close()
    try:
        _, errors = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        raise
    assert process.returncode == 1
    assert errors == b""
