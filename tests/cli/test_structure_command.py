"""`lmbench structure` from end to end, and its mistakes in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import lmbench


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import numpy as np

    rng = np.random.default_rng(1)
    words = rng.zipf(1.7, 6000) % 900
    path = tmp_path_factory.mktemp("text") / "book.txt"
    path.write_text(" ".join(f"w{word}" for word in words), encoding="utf-8")
    return path


def test_a_table_and_three_files(book: Path, tmp_path: Path) -> None:
    done = lmbench("structure", book, "--out", tmp_path, "-q")
    assert done.exit_code == 0, done.output
    assert "mutual information" in done.stdout
    assert "Zipf" in done.stdout
    [folder] = tmp_path.iterdir()
    assert {path.name for path in folder.iterdir()} == {"structure.json", "structure.html", "structure.png"}
    content = json.loads((folder / "structure.json").read_text(encoding="utf-8"))
    assert content["lexicon"] == "word"
    assert content["types_of"] == 6000


def test_json_is_the_file(book: Path, tmp_path: Path) -> None:
    done = lmbench("structure", book, "--unit", "word", "--model", "none", "--json", "-q", "--out", tmp_path)
    assert done.exit_code == 0, done.output
    content = json.loads(done.stdout)
    assert content["unit"] == "word"
    assert content["scaling"]["measured"] is None


@pytest.mark.parametrize(
    ("content", "options", "code", "says"),
    [
        ("ab", (), 1, "needs 100 symbols, the text has 2"),
        ("吾輩は猫である。" * 50, ("--unit", "word"), 1, "no unit word"),
        ("some text here " * 50, ("--model", "ngramm"), 2, "did you mean 'ngram'"),
    ],
)
def test_mistakes(content: str, options: tuple[str, ...], code: int, says: str, tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text(content, encoding="utf-8")
    done = lmbench("structure", path, *options, "-q", "--out", tmp_path / "out")
    assert done.exit_code == code
    [line] = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert says in line
