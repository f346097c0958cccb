"""Held-out text that trains too is said at once: on standard error, on the card, and among the notes."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest
from commands import lmbench

from lmbench import pipeline
from lmbench.errors import UsageError

QUICK = ("--tokenizer", "byte", "--model", "uniform", "--estimator", "none")


def words(count: int, seed: int) -> str:
    return " ".join(random.Random(seed).choices("abcdefghijklmnopqrstuvwxyz", k=count))


@pytest.fixture
def texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Lines of which none stands twice, in files; some of those in b.txt stand in a.txt."""
    monkeypatch.chdir(tmp_path)
    lines = [words(20, seed) for seed in range(200)]
    (tmp_path / "d").mkdir()
    for name, kept in (("a", lines[:120]), ("b", lines[110:150]), ("c", lines[150:]), ("d/e", lines[:120])):
        (tmp_path / f"{name}.txt").write_text("\n".join(kept) + "\n", encoding="utf-8")
    os.link("a.txt", "hard.txt")
    Path("soft.txt").symlink_to("a.txt")
    Path("copy.txt").write_bytes(Path("a.txt").read_bytes())
    return tmp_path


def notes_of(*arguments: str) -> list[str]:
    """What stands on standard error, which is what the record and the report say too."""
    done = lmbench("run", *arguments, *QUICK, "--json")
    assert done.exit_code == 0, done.output
    said = [line.removeprefix("note: ") for line in done.stderr.splitlines() if line.startswith("note: ")]
    record: dict[str, Any] = json.loads(done.stdout)
    assert record["card"]["notes"] == said
    assert all(line in lmbench("report", "--notes").stdout.replace("\n  ", " ") for line in said)
    return said


@pytest.mark.parametrize("same", ["a.txt", "./d/../a.txt", "hard.txt", "soft.txt"])
def test_source_given_again_is_said_by_whatever_name(texts: Path, same: str) -> None:
    assert notes_of("a.txt", "--test", same) == [f"--test {same} is SOURCE itself, which the models are trained on"]
    assert notes_of("a.txt", "--valid", same, "--test", "c.txt", "--lines") == [
        f"--valid {same} is SOURCE itself, which the models are trained on"
    ]


def test_a_copy_a_file_of_a_folder_and_whole_documents(texts: Path) -> None:
    assert notes_of("a.txt", "--test", "copy.txt") == [
        "--test copy.txt holds the same text as SOURCE, which the models are trained on"
    ]
    assert notes_of("d", "--test", "d/e.txt") == ["--test d/e.txt lies in SOURCE, which the models are trained on"]
    [line] = notes_of("a.txt", "--valid", "c.txt", "--test", "b.txt", "--lines")  # 10 of 40 lines
    assert line == "the test text: 25.0% of its documents (25.0% of its characters) stand whole in the training text"
    assert notes_of("a.txt", "--valid", "c.txt", "--test", "c.txt", "--lines") == [
        "--valid and --test are one text: settings are chosen on what the models are scored on"
    ]
    assert notes_of("a.txt", "--lines") == []
    assert notes_of("a.txt", "--valid", "c.txt", "--lines", "--split", "90/5/5:end") == []


def test_it_is_said_before_the_tokenizer_is_trained(texts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any) -> Any:
        raise UsageError("stopped")

    monkeypatch.setattr(pipeline.job, "trained", stop)
    done = lmbench("run", "a.txt", "--test", "a.txt", *QUICK)
    assert done.stderr.splitlines() == [
        "note: --test a.txt is SOURCE itself, which the models are trained on", "error: stopped",
    ]  # fmt: skip


def test_validation_text_that_trains_in_the_end_counts(texts: Path) -> None:
    Path("b.txt").write_text(Path("a.txt").read_text("utf-8").splitlines()[-1] + "\n", encoding="utf-8")
    [line] = notes_of("a.txt", "--test", "b.txt", "--lines", "--split", "90/10")
    assert "100.0% of its documents" in line
    assert notes_of("a.txt", "--test", "b.txt", "--lines", "--split", "90/5/5:end") == []
