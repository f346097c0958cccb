"""One place writes on the terminal; what came from outside is visible there, and no stream lacks a character."""

from __future__ import annotations

import ast
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lmbench
from lmbench import terminal

PACKAGE = Path(lmbench.__file__).parent
WRITERS = {"terminal.py", "report/screen.py"}  # the streams; what is laid out for them


CALLS = ("print", "typer.echo", "typer.secho", "click.echo")


class Terminal(io.StringIO):
    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True


def direct(source: str) -> list[str]:
    """The calls and names by which `source` writes on a stream itself, or reads mark-up out of a text."""
    found = []
    for node in ast.walk(ast.parse(source)):
        name = ast.unparse(node) if isinstance(node, ast.Attribute | ast.Name) else ""
        if isinstance(node, ast.Call) and ast.unparse(node.func) in (
            "print",
            "typer.echo",
            "typer.secho",
            "click.echo",
        ):
            found.append(ast.unparse(node.func))
        elif name in ("sys.stdout", "sys.stderr", "sys.__stdout__", "sys.__stderr__", "os.write"):
            found.append(name)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            # types and widths say nothing on a terminal; the bars of progress get a Screen as their console
            known = ("rich.console.RenderableType", "rich.cells.", "rich.progress", "rich.table.Column")
            found += [each for each in names if each.startswith("rich.") and not each.startswith(known)]
            found += [each for each in names if each in ("sys.stdout", "sys.stderr", "rich.print", "typer.echo")]
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] in ("rich", "click")]
    return found


def test_one_place_writes_on_the_terminal() -> None:
    files = {path.relative_to(PACKAGE).as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}
    assert files.keys() >= WRITERS
    wrong = {name: direct(path.read_text(encoding="utf-8")) for name, path in files.items() if name not in WRITERS}
    assert {name: found for name, found in wrong.items() if found} == {}


@pytest.mark.parametrize(
    "source",
    [
        "print(x)", "typer.echo(x)", "write = sys.stdout.write", "from rich.text import Text", "from rich import print",
        "from sys import stdout", "import rich", "os.write(1, x)", "with shown_on(sys.stderr): pass",
    ],
)  # fmt: skip
def test_every_way_around_it_is_found(source: str) -> None:
    assert direct(source)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b]0;title\x07", "^[[31mred^[]0;title^G"),
        ("a\x08b\x7f\x00\r\n\t", "a^Hb^?^@^M^J^I"),
        ("\x9b1m\x85\x80\x9f", r"\x9b1m\x85\x80\x9f"),
        ("\u202eover\u202c\u2066\u2069", "<U+202E>over<U+202C><U+2066><U+2069>"),
        ("\u200e\u200b\ufeff\u2028", "<U+200E><U+200B><U+FEFF><U+2028>"),
        ("caf\udce9", r"caf\xe9"),
        ("\ud800", r"\ud800"),
        ("\U000e0041tag", "<U+E0041>tag"),
    ],
)  # fmt: skip
def test_what_a_terminal_would_obey_is_shown(text: str, shown: str) -> None:
    assert terminal.visible(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "吾輩は猫である。　名前は", "السَّلامُ عليكم ٣٫١٤", "می\u200cخواهم", "cafe\u0301 ñ", "क्\u200dष", "ภาษาไทย",
        "👨\u200d👩\u200d👧 ❤\ufe0f", "🏴\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f",
        "한국어 \u00a0x", "שלום", "[red]x[/red]",
    ],
)  # fmt: skip
def test_ordinary_text_of_every_script_stays_as_it_is(text: str) -> None:
    assert terminal.visible(text) == text


@given(st.text())
def test_visible_text_is_visible_already(text: str) -> None:
    once = terminal.visible(text)
    assert terminal.visible(once) == once
    assert not any(ord(letter) < 0x20 or 0x7F <= ord(letter) < 0xA0 for letter in once)
    assert not any(0x202A <= ord(letter) <= 0x202E or 0x2066 <= ord(letter) <= 0x2069 for letter in once)


@given(st.text(), st.sampled_from(["ascii", "cp1252", "latin-1", "shift_jis", "utf-8"]))
def test_a_stream_of_any_encoding_takes_every_text(text: str, encoding: str) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
    terminal.say(text, stream=stream)
    assert terminal.plain(terminal.plain(text, encoding), encoding) == terminal.plain(text, encoding)


def test_signs_stand_where_an_encoding_lacks_them() -> None:
    assert terminal.plain("1 – 2 … ± ∞ │ 三 é", "ascii") == r"1 - 2 ... +- inf | \u4e09 \xe9"
    assert terminal.plain("1 – 2 … ± ∞ │ 三 é", "cp1252") == r"1 – 2 … ± inf | \u4e09 é"
    assert all(sign.isascii() for sign in terminal.SIGNS.values())


@given(st.text())
def test_json_on_a_terminal_says_the_same(text: str) -> None:
    content = json.dumps({"text": text}, ensure_ascii=False)
    with pytest.MonkeyPatch.context() as patch:
        stream = Terminal()
        patch.setattr("sys.stdout", stream)
        terminal.write_json(content)
    written = stream.getvalue().removesuffix("\n")
    assert json.loads(written) == {"text": text}
    assert terminal.visible(written) == written


@pytest.mark.parametrize(("encoding", "raw"), [("utf-8", "猫\x9b\u202e"), ("cp1252", None), ("ascii", None)])
def test_json_in_a_pipe_is_exact_or_ascii(encoding: str, raw: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
    monkeypatch.setattr("sys.stdout", stream)
    terminal.write_json(json.dumps("猫\x9b\u202e", ensure_ascii=False))
    content = stream.buffer.getvalue()  # type: ignore[attr-defined]
    assert json.loads(content.decode("utf-8")) == "猫\x9b\u202e"
    assert raw is None or raw in content.decode("utf-8")
