"""Every command, with names and texts from a stranger: on a terminal, in encodings that lack characters, and narrow."""

from __future__ import annotations

import io
import os
import pty
import re
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import typer
from commands import APP
from rich.cells import cell_len

from lmbench.corpus import corpora
from lmbench.report.export import forms

MIXTURE = "mixture(models=[ngram(order=1), ngram(order=2, smoothing=witten_bell)])"
ZLIB = ["--estimator", "zlib"]
NONE = ["--estimator", "none"]
COMMANDS = typer.main.get_command(APP).commands  # type: ignore[attr-defined]
NAMES = sorted(COMMANDS)
OPTIONS = {name: [word for option in command.params for word in option.opts] for name, command in COMMANDS.items()}
MARK = "\x1b[35;44m"  # no style of the program's own
HOSTILE = [MARK, "\x1b]0;title\x07", "a\x08b", "\x9b1m", "\x7f", "\u202eover\u202c", "\u2066x\u2069", "[red]x[/red]"]
OWN = re.compile(r"\x1b\[(?:[0-9;]*m|\?25[lh]|[0-9]*[AKHJ])")  # styles, and what moves the bars of progress
OBEYED = re.compile("[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass
class House:
    """What the commands are given: a text, a run of it, and games on it, all named by a stranger; a run of its bytes,
    and a file that was compressed with it."""

    text: str
    run: str
    out: str
    games: list[str]
    home: Path
    bytes: str
    small: str


@contextmanager
def streams(out: io.TextIOWrapper, stdin: str) -> Iterator[None]:
    before = sys.stdout, sys.stderr, sys.stdin
    sys.stdout = sys.stderr = out
    sys.stdin = io.StringIO(stdin)
    try:
        yield
    finally:
        sys.stdout, sys.stderr, sys.stdin = before


def called(*arguments: str) -> int:
    try:
        APP(args=list(arguments), prog_name="lmbench")
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def on_terminal(*arguments: str, stdin: str = "", columns: int = 80) -> str:
    """What a terminal of so many columns gets of standard output and standard error."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, columns))
    settings = termios.tcgetattr(slave)
    settings[1] &= ~termios.OPOST
    termios.tcsetattr(slave, termios.TCSANOW, settings)
    pieces: list[bytes] = []

    def read() -> None:
        try:
            while piece := os.read(master, 65536):
                pieces.append(piece)
        except OSError:  # the other end is closed
            return

    reader = threading.Thread(target=read)
    reader.start()
    try:
        with open(slave, "w", encoding="utf-8") as stream, streams(stream, stdin):  # noqa: PTH123
            called(*arguments)
    finally:
        reader.join()
        os.close(master)
    return b"".join(pieces).decode("utf-8")


def in_encoding(encoding: str, *arguments: str, stdin: str = "") -> tuple[int, str]:
    buffer = io.BytesIO()
    stream = io.TextIOWrapper(buffer, encoding=encoding, newline="")
    with streams(stream, stdin):
        code = called(*arguments)
    stream.flush()
    return code, buffer.getvalue().decode(stream.encoding)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    home = tmp_path_factory.mktemp("house")
    generator = np.random.default_rng(3)
    words = np.array(["the", "queen", "said", "né", "猫である", "on", *HOSTILE])
    text = home / f"e{MARK}\u202e三[red]\x9b.txt"
    lines = [" ".join(words[generator.integers(0, len(words), 12)]) for _ in range(120)]
    text.write_text("\n".join(lines) + "\n", encoding="utf-8")
    arpa = home / f"a{MARK}\u202e.arpa"
    arpa.write_text(
        "\\data\\\nngram 1=4\n\n\\1-grams:\n-0.6\t<unk>\n-99\t<s>\n-0.6\t</s>\n-0.3\tthe\n\n\\end\\\n", encoding="utf-8"
    )
    code, said = in_encoding(
        "utf-8", "run", str(text), "--tokenizer", "word", "--lines", "--model", "ngram(order=2)", "--model",
        f"arpa(path='{arpa}')", "--model", MIXTURE,
        "--estimator", "zlib", "--out", str(home / "runs"), "-q",
    )  # fmt: skip
    assert code == 0, said
    [run] = (home / "runs").iterdir()
    games = []
    for model in ("ngram(order=2)", "arpa"):
        code, said = in_encoding(
            "utf-8", "guess", "--model", f"latest:{model}", "--length", "12", "--out", str(home / "games"), "--runs",
            str(home / "runs"), "-q",
        )  # fmt: skip
    games = [str(path) for path in sorted((home / "games").rglob("*.json"))]
    small = home / f"s{MARK}\u202e"
    small.write_bytes(MARK.encode() + b"\xff")
    for arguments in (
        ["run", str(text), "--tokenizer", "byte", "--model", "uniform", *NONE, "--out", str(home / "bytes"), "-q"],
        ["compress", str(small), "--out", str(home / "bytes"), "-q"],
    ):
        code, said = in_encoding("utf-8", *arguments)
        assert code == 0, said
    [of_bytes] = (home / "bytes").iterdir()
    return House(str(text), str(run), str(home / "runs"), games, home, str(of_bytes), str(small))


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a page and its pictures hold is no matter of the terminal, and costs more than all else here."""
    monkeypatch.setattr("lmbench.report.draw.svg", lambda figure, prefix, label="": "<svg></svg>")
    monkeypatch.setattr("lmbench.report.draw.png", lambda figure, title: b"")


def _guess(house: House) -> list[list[str]]:
    place = ["--out", str(house.home / "more")]
    bets = [["guess", house.text, "--length", "3", "--gamble", *place]]
    games = [["guess", "--compare", *house.games[:2]]] if len(house.games) > 1 else []
    return [["guess", house.text, "--length", "3", *place], *bets, *games]


# What a command is tried with: one more command, one more line here.
WAYS: dict[str, Callable[[House], list[list[str]]]] = {
    "check": lambda house: [["check", "--list"]],
    "compare": lambda house: [
        ["compare", house.run, "ngram(order=2)", "mixture"],
        ["compare", house.run, "arpa", "best"],
        ["compare", house.run],
    ],
    "compress": lambda house: [["compress", house.bytes, house.small, "-o", f"{house.home}/{MARK}.lmz"]],
    "corpora": lambda house: [["corpora"], *(["corpora", known.name] for known in corpora())],
    "count": lambda house: [
        ["count", house.run, "the"],
        ["count", house.run, MARK],
        ["count", house.run, f"no {MARK}"],
    ],
    "decompress": lambda house: [["decompress", house.bytes, f"{house.small}.lmz", "-o", f"{house.home}/{MARK}.back"]],
    "entropy": lambda house: [
        ["entropy", house.text, "--estimator", "zlib", "--estimator", "block", "--out", str(house.home / "entropy")]
    ],
    "estimators": lambda house: [["estimators"], ["estimators", "block"]],
    "export": lambda house: [["export", "arpa", house.run, "ngram(order=2)", str(house.home / f"out{MARK}\x9b.arpa")]],
    "generate": lambda house: [["generate", house.run, "--tokens", "60", "--prompt", f"the {MARK}"]],
    "guess": _guess,
    "models": lambda house: [["models"], ["models", "ngram"]],
    "overlap": lambda house: [["overlap", house.run, house.text]],
    "play": lambda house: [["play", house.run, "--model", f"no {MARK}"]],  # the rest is in test_play.py
    "predict": lambda house: [["predict", house.run, f"the {MARK}", "--tokens", "--tree", "5"]],
    "report": lambda house: [
        ["report", house.run],
        ["report", house.run, "--html", str(house.home / "report.html")],
        *(["report", house.run, "--format", form] for form in forms()),
    ],
    "rm": lambda house: [["rm", house.run]],
    "run": lambda house: [
        ["run", house.text, "--tokenizer", "word", "--model", "uniform", *ZLIB, "--out", f"{house.home}/x"],
        ["run", house.text, "--model", f"arpa(path='{house.home}/{MARK}')", "--out", f"{house.home}/x"],
    ],
    "score": lambda house: [
        ["score", house.run, house.text, "--model", "ngram(order=2)"],
        ["score", house.run, house.text, "--model", "all", "--per", "word"],
        ["score", house.run, house.text, "--model", "mixture", "--per", "token"],
        ["score", house.run, house.text, "--model", "ngram(order=2)", "--protocol", "kenlm"],
    ],
    "runs": lambda house: [["runs", "--out", house.out]],
    "show": lambda house: [["show", house.run], ["show", house.run, "--check"]],
    "bounds": lambda house: [["bounds", house.run, "--positions", "40", "--contexts", "0,1", "--ranks"]],
    "segment": lambda house: [["segment", house.text, "--model", "ngram(order=2)", "--characters", "400"]],
    "shannon": lambda house: [["shannon", house.text, "--order", "2", "--characters", "40"]],
    "smoothings": lambda house: [["smoothings"], ["smoothings", "kneser_ney"]],
    "structure": lambda house: [
        ["structure", house.text, "--unit", "char", "--model", "none", "--out", str(house.home / "structure")]
    ],
    "trust": lambda house: [["trust", house.run]],
    "tokenizers": lambda house: [["tokenizers"], ["tokenizers", "bpe"]],
}  # fmt: skip
# a text; files; a table whose rows go out before the next one is known; questions
NO_TABLE = ("generate", "export", "score", "rm", "compress", "decompress", "play")
NOTHING_FOREIGN = ("check", "compare", "bounds", "report", "runs", "rm")  # in 80 columns
WRONG = [f"x{MARK}\u202e\x9b", f"--no{MARK}\u202e\x9b"]


def ways(name: str, house: House) -> list[list[str]]:
    return [*WAYS[name](house), *([name, wrong] for wrong in WRONG)]


def typed(arguments: list[str]) -> str:
    """What a person types at a game: wrong symbols, among them what a terminal would obey; then gives up."""
    return ("a10 rest\n" if "--gamble" in arguments else "\x1b\x9b\u202e\n?\n") * 40


def test_every_command_is_tried() -> None:
    assert sorted(WAYS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_no_terminal_obeys_a_text_or_a_name(name: str, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    for arguments in ways(name, house):
        said = on_terminal(*arguments, stdin=typed(arguments))
        assert MARK not in said
        left = OWN.sub("", said.replace("\x1b[?25h", ""))
        assert OBEYED.findall(left) == [], arguments
        if name not in ("models", "smoothings", "tokenizers", "estimators", "corpora"):
            assert "^[[35;44m" in left or {arguments[-1]} & {*WRONG, "--check"} or name in NOTHING_FOREIGN, arguments


def test_a_file_gets_the_text_itself_and_json_says_it(house: House) -> None:
    arguments = ["generate", house.run, "--tokens", "60", "--prompt", f"the {MARK}", "--model", "ngram(order=2)"]
    for encoding in ("utf-8", "ascii", "cp1252"):
        _, written = in_encoding(encoding, *arguments)
        assert written.startswith(f"the {MARK} ")
    assert "^[" in on_terminal(*arguments)


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
@pytest.mark.parametrize("name", NAMES)
def test_an_encoding_that_lacks_characters_stops_nothing(name: str, encoding: str, house: House) -> None:
    for arguments in [*ways(name, house), [name, "--help"]]:
        code, said = in_encoding(encoding, *arguments, stdin=typed(arguments))
        assert code in (0, 1, 2)
        assert "Traceback" not in said
        refused = arguments[-1] in WRONG or any(f"no {MARK}" == word and name == "play" for word in arguments)
        refused = refused or (name in ("compare", "run") and any("arpa" in word for word in arguments))
        assert (code != 0) == refused, (arguments, said)


def _whole(line: str) -> str:
    return OWN.sub("", line).rstrip("\r")


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("columns", [24, 40, 60, 80, 120])
@pytest.mark.parametrize("name", [name for name in NAMES if name not in NO_TABLE])
def test_every_table_fits_its_terminal(name: str, columns: int, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setenv("TERM", "dumb")
    for arguments in WAYS[name](house):
        quiet = ["-q"] if "--quiet" in OPTIONS[name] else []
        if (name == "guess" and "--compare" not in arguments) or {"--html", "--format"} & {*arguments}:  # no table
            continue
        said = on_terminal(*arguments, *quiet, columns=columns)
        lines = [_whole(line) for line in said.split("\n")]
        own = [line for line in lines if not line.startswith(("error:", "kept in", "wrote"))]
        assert max(map(cell_len, own)) <= columns, (arguments, said)
        if "error:" not in said and name not in ("models", "smoothings", "tokenizers", "estimators"):
            assert re.search(r"\d", "".join(own)), arguments
