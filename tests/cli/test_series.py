"""`lmbench shannon`: the series of approximations, on a terminal, as data, and in the report of a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import lmbench

from lmbench import store
from lmbench.pipeline import Plan, Run, run


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "queen.txt"
    path.write_text("the queen said off with his head " * 120, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def char_run(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    plan = Plan(
        source=str(text), tokenizer="char", models=["ngram(order=2)", "lstm(layers=1, width=16)"], estimators=["zlib"],
        device="cpu", train_tokens=2048, out=tmp_path_factory.mktemp("results"),
    )  # fmt: skip
    return run(plan)


def test_the_series_as_data(text: Path) -> None:
    done = lmbench("shannon", text, "--json", "--order", "2", "--characters", "50")
    assert done.exit_code == 0, done.output
    content = json.loads(done.stdout)
    steps = content["steps"]
    assert [(step["unit"], step["order"]) for step in steps] == [
        ("letter", 0), ("letter", 1), ("letter", 2), ("word", 1), ("word", 2), ("letter", None),
    ]  # fmt: skip
    for step in steps:
        assert {"unit", "order", "bits_per_character", "sample", "copied"} <= step.keys()
        assert step["bits_per_character"] > 0
        assert 0 <= step["copied"] <= 1
        assert step["sample"]
    assert content["words"] == "white space"
    assert done.stderr == ""


def test_the_series_on_a_terminal(text: Path) -> None:
    done = lmbench("shannon", text, "--letters", "27", "--method", "book", "--order", "6", "--characters", "60", "-q")
    assert done.exit_code == 0, done.output
    for piece in ("zero order", "4.755 bits/char", "first order", "words", "all suffixes", "27 letters (a to z"):
        assert piece in done.stdout
    assert "this step only copies; the series of letters stops here" in done.stdout
    assert "drawn by opening the training text at random places" in done.stdout
    assert "fifth order" not in done.stdout


def test_with_a_run_the_series_is_kept_and_in_its_report(char_run: Run) -> None:
    before = (char_run.folder / store.RECORD).stat().st_mtime_ns
    done = lmbench("shannon", "--run", char_run.folder, "--order", "1", "--characters", "30", "-q")
    assert done.exit_code == 0, done.output
    assert "networks" in done.stdout
    record = store.read_record(char_run.folder)
    assert record.series is not None
    assert [step.model for step in record.series.steps][-1] == "lstm(layers=1, width=16)"
    assert (char_run.folder / store.RECORD).stat().st_mtime_ns == before
    page = (char_run.folder / "report.html").read_text(encoding="utf-8")
    assert "Shannon’s series of approximations (1948)" in page
    assert "zero order, letters" in page
    assert (char_run.folder / "report-series.png").exists()


def test_a_model_of_the_run_that_is_named_stands_at_the_end(char_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lmbench.pipeline.pages.run_page", lambda folder: folder)
    words = ("--model", "ngram", "--order", "0", "--json", "--characters", "9")
    steps = json.loads(lmbench("shannon", "--run", char_run.folder, *words).stdout)["steps"]
    assert steps[-1]["model"] == "ngram(order=2)"


@pytest.mark.parametrize(
    "words",
    [["latest"], ["latest", "--model", "uniform"], ["--contexts", "0,1"], ["--positions", "9"], ["--ranks"],
     ["--model", "uniform"]],
)  # fmt: skip
def test_the_old_form_is_sent_on_in_one_line(words: list[str], char_run: Run) -> None:
    done = lmbench("shannon", *words, "--out", char_run.folder.parent)
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert "lmbench bounds latest" in done.stderr


def test_a_run_by_its_folder_is_the_old_form_too(char_run: Run) -> None:
    done = lmbench("shannon", char_run.folder)
    assert done.exit_code == 2
    assert f"lmbench bounds {char_run.folder}" in done.stderr
    done = lmbench("shannon", "queen", "--out", char_run.folder.parent)  # a part of its name
    assert done.exit_code == 2
    assert "lmbench bounds queen" in done.stderr


@pytest.mark.parametrize(
    ("words", "line"),
    [(["text.txt", "--run", "latest"], "SOURCE cannot stand beside --run"),
     (["--run", "latest", "--split", "90/10"], "--split cannot stand beside --run"),
     (["--run", "latest", "--letters", "27"], "--letters 27 cannot stand beside --run")],
)  # fmt: skip
def test_what_does_not_go_with_a_run(words: list[str], line: str, char_run: Run) -> None:
    done = lmbench("shannon", *words, "--out", char_run.folder.parent)
    assert done.exit_code == 2
    assert line in done.stderr
