"""The runs of a folder: listed, called by a word, shown, completed by the shell, and removed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from commands import lmbench

from lmbench import runs, store
from lmbench.errors import UsageError
from lmbench.pipeline import Run

QUICK = ("--tokenizer", "byte", "--model", "uniform", "--estimator", "none", "-q")


@pytest.fixture
def out(small_run: Run, tmp_path: Path) -> Path:
    """A folder with one run, called base, and what is none."""
    folder = Path(shutil.copytree(small_run.folder, tmp_path / "results" / small_run.folder.name))
    called(folder, "base")
    (tmp_path / "results" / "notes").mkdir()
    (tmp_path / "results" / "notes.txt").write_text("mine", encoding="utf-8")
    return tmp_path / "results"


def called(folder: Path, word: str) -> None:
    record = store.read_record(folder)
    card = record.card.model_copy(update={"name": word})
    store.write_record(folder, record.model_copy(update={"card": card}))


def another(out: Path, name: str, word: str) -> Path:
    [first, *_] = runs.runs_in(out)
    folder = Path(shutil.copytree(first, out / name))
    called(folder, word)
    later = (first / "record.json").stat().st_mtime_ns + 10**9
    os.utime(folder / "record.json", ns=(later, later))
    return folder


def test_runs_are_listed_with_their_best_model(out: Path, small_run: Run) -> None:
    damaged = out / "2026-01-01-x-00000000"
    damaged.mkdir()
    (damaged / "record.json").write_text('{"format": 1, ', encoding="utf-8")
    done = lmbench("runs", "--out", out, "--json")
    assert done.exit_code == 0, done.output
    found = {Path(run["folder"]).name: run for run in json.loads(done.stdout)}
    assert set(found) == {small_run.folder.name, damaged.name}
    assert found[damaged.name]["status"].startswith("damaged")
    whole = found[small_run.folder.name]
    best = min((row for row in small_run.record.rows if row.bits_per_byte), key=lambda row: row.bits_per_byte or 0)
    assert (whole["name"], whole["rows"], whole["status"]) == ("base", 3, "complete")
    assert (whole["best"], whole["bits_per_byte"]) == (best.model, best.bits_per_byte)
    sizes = [path.stat().st_size for path in (out / small_run.folder.name).rglob("*") if path.is_file()]
    assert whole["bytes_on_disk"] == sum(sizes)
    table = lmbench("runs", "--out", out).stdout
    assert f"{best.bits_per_byte:.3f}" in table
    assert " base " in table
    assert "no runs in" in lmbench("runs", "--out", out / "notes").stdout


def test_a_run_is_called_by_the_word_it_was_given(small_text: Path, tmp_path: Path) -> None:
    out = tmp_path / "results"
    for word in ("first", "second"):
        done = lmbench("run", small_text, *QUICK, "--name", word, "--out", out)
        assert done.exit_code == 0, done.output
    assert [store.read_record(store.find_run(word, out)).card.name for word in ("first", "second")] == [
        "first", "second",
    ]  # fmt: skip
    assert lmbench("show", "first", "--out", out).stdout.startswith(f"first: {store.find_run('first', out)} (complete")
    for command in (("report", "first"), ("generate", "first", "--tokens", "2"), ("score", "first", small_text, "-q")):
        done = lmbench(*command, "--out", out)
        assert done.exit_code == 0, done.output
    assert lmbench("run", "--resume", "first", "--out", out, "-q").exit_code == 0
    assert lmbench("count", "first", "--out", out).stderr.startswith("error: TEXT is missing: 'first' names a run here")


def test_of_runs_of_one_word_the_newest_is_meant_and_said(out: Path) -> None:
    newer = another(out, "2020-01-01-older-by-name-11111111", "base")
    done = lmbench("show", "base", "--out", out)
    assert done.exit_code == 0, done.output
    assert str(newer) in done.stdout
    assert done.stderr == f"note: 2 runs are called 'base'; this is the newest, {newer}\n"
    third = another(out, "base", "third")
    assert store.find_run("base", out) == third  # the name of a folder, whole, comes first
    assert store.find_run("third", out) == third
    assert store.find_run("older", out) == newer  # and a part of one last


@pytest.mark.parametrize("word", ["latest", "best", "a b", "a/b", "-x", "", "x" * 61, "a\x1bb"])
def test_words_that_no_run_is_called_by(word: str, small_text: Path, tmp_path: Path) -> None:
    done = lmbench("run", small_text, *QUICK, f"--name={word}", "--out", tmp_path)
    assert done.exit_code == 2
    assert "a run is called by one word" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_rm_asks_and_removes_the_folder_of_the_run_only(out: Path, small_run: Run) -> None:
    [folder] = runs.runs_in(out)
    (folder / "suffix").mkdir(exist_ok=True)  # as `lmbench count` leaves it
    for answer in ("n\n", "", "\n"):
        done = lmbench("rm", "base", "--out", out, stdin=answer)
        assert done.exit_code == 0
        assert "[y/N]" in done.stdout
        assert "stays" in done.stderr
        assert store.read_record(folder) is not None
    done = lmbench("rm", "base", "--out", out, stdin="y\n")
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in out.iterdir()) == ["notes", "notes.txt"]
    assert small_run.folder.exists()


def test_rm_without_asking_removes_several(out: Path) -> None:
    another(out, "two", "two")
    assert lmbench("rm", "base", "two", "two", "--yes", "--out", out).exit_code == 0
    assert runs.runs_in(out) == []


def test_rm_follows_no_link_out(out: Path, tmp_path: Path) -> None:
    [folder] = runs.runs_in(out)
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "mine.txt").write_text("mine", encoding="utf-8")
    (folder / "models" / "link").symlink_to(kept)
    shutil.rmtree(folder / "test")
    (folder / "test").symlink_to(kept)
    link = tmp_path / "link"
    link.symlink_to(folder)
    done = lmbench("rm", link, "--yes")
    assert done.exit_code == 1
    assert "is a symbolic link" in done.stderr
    assert folder.exists()
    assert lmbench("rm", folder, "--yes").exit_code == 0
    assert not folder.exists()
    assert (kept / "mine.txt").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("case", ["no run", "a file of mine", "another record", "a link to a record"])
def test_rm_refuses_what_is_no_run(case: str, out: Path, tmp_path: Path) -> None:
    [folder] = runs.runs_in(out)
    target, says = folder, "is no part of a run"
    if case == "no run":
        target, says = out / "notes", "there is no run"
    elif case == "a file of mine":
        (folder / "thesis.tex").write_text("mine", encoding="utf-8")
    elif case == "another record":
        (folder / "record.json").write_text('{"songs": []}', encoding="utf-8")
        says = "is not that of a run"
    else:
        target = tmp_path / "home"
        target.mkdir()
        (target / "record.json").symlink_to(folder / "record.json")
        says = "is not that of a run"
    before = sorted(tmp_path.rglob("*"))
    done = lmbench("rm", target, "--yes", "--out", out)
    assert done.exit_code in (1, 2)
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_a_run_that_was_half_removed_can_be_removed(out: Path) -> None:
    [folder] = runs.runs_in(out)
    shutil.rmtree(folder / "models")
    (folder / "report.html").unlink(missing_ok=True)
    assert lmbench("rm", folder, "--yes").exit_code == 0
    assert not folder.exists()


def completed(out: Path, command: str, *words: str) -> list[str]:
    """What bash is offered at the end of `lmbench COMMAND --out OUT WORDS`, as the program that `lmbench` starts."""
    typed = ["lmbench", command, "--out", str(out), *words]
    code = "import sys; sys.argv = ['lmbench']; from lmbench.cli.main import main; main()"
    given = {"_LMBENCH_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(typed), "COMP_CWORD": str(len(typed) - 1)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | given, capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout.splitlines()


def test_the_shell_completes_runs_and_models(out: Path, small_run: Run) -> None:
    assert completed(out, "report", "") == ["latest", "base", small_run.folder.name]
    assert completed(out, "report", "ba") == ["base"]
    assert completed(out, "generate", "base", "--model", "ngram") == [
        r"ngram\(order=3\)", r"ngram\(order=6,\ smoothing=maximum_likelihood\)",
    ]  # fmt: skip
    assert completed(out, "score", "--model", "un") == ["uniform"]
    assert completed(out, "compare", "b") == ["base", "best"]


def test_completion_reads_no_more_than_records_and_imports_nothing_heavy(out: Path) -> None:
    code = """
import sys
from lmbench.cli._complete import complete_model, complete_run
assert "base" in complete_run("b")
assert "uniform" in complete_model("")
assert not {"numpy", "pydantic", "torch", "rich"} & set(sys.modules) - before
"""
    imports = "import sys, typer\nbefore = set(sys.modules)\n"
    environment = os.environ | {"_TYPER_COMPLETE_ARGS": f"lmbench generate base --out={out} --model "}
    subprocess.run([sys.executable, "-c", imports + code], env=environment, check=True, timeout=60)


def test_names_from_strangers_are_not_offered(out: Path) -> None:
    [folder] = runs.runs_in(out)
    folder.rename(out / "a\x1b[35m")
    assert completed(out, "report", "") == ["latest", "base"]


def test_damaged_records_stop_no_search(out: Path) -> None:
    for index, content in enumerate(["", "[1]", '{"card": 3}', '{"card": {"name": 7}}', "[" * 100_000]):
        folder = out / f"damaged-{index}"
        folder.mkdir()
        (folder / "record.json").write_text(content, encoding="utf-8")
    assert store.find_run("base", out).name != "base"
    assert runs.models_of(out / "damaged-2") == []
    with pytest.raises(UsageError, match="there is no run 'nothing'"):
        store.find_run("nothing", out)
