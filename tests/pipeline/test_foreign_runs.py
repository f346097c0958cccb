"""A run that was made elsewhere: nothing outside of its folder is read for it, unless the user has agreed to it."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
from commands import lmbench
from fuzz_records import allowed_places, open_run, watch

from lmbench.pipeline import Plan, Run, run

MODEL = "ngram(order=3)"


@pytest.fixture(scope="module")
def made(small_text: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    plan = Plan(
        source=str(small_text), tokenizer="char", models=["uniform", MODEL], estimators=["zlib"], device="cpu",
        out=tmp_path_factory.mktemp("runs"),
    )  # fmt: skip
    return run(plan)


@pytest.fixture
def foreign(made: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of a run in TMP/a/b/run, on a machine that knows nothing of it."""
    monkeypatch.setenv("LMBENCH_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "a" / "b" / "run"
    shutil.copytree(made.folder, folder)
    watch().allowed = allowed_places(folder, tmp_path / "out", tmp_path / "out.arpa", tmp_path / ".out.arpa")
    return folder


def edited(folder: Path, **changes: Any) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    record |= changes
    (folder / "record.json").write_text(json.dumps(record), encoding="utf-8")
    return record


def refused(command: list[str | Path]) -> str:
    """The one line with which it fails, having read nothing outside."""
    outcome, fault, _, said = open_run([str(word) for word in command])
    assert (outcome, fault) == ("exit 1", "")
    return said


def commands(folder: Path) -> dict[str, list[str | Path]]:
    home = folder.parents[2]
    return {
        "generate": ["generate", folder, "--model", MODEL, "--tokens", "3"],
        "bounds": ["bounds", folder, "--model", MODEL, "--contexts", "2", "--positions", "5", "--quiet"],
        "guess": ["guess", "--model", f"{folder}:{MODEL}", "--length", "3", "--out", home / "out", "--quiet"],
        "export": ["export", "arpa", folder, MODEL, home / "out.arpa", "--quiet"],
        "compare": ["compare", folder, MODEL, "uniform"],
    }


NAMES = ["generate", "bounds", "guess", "export", "compare"]


@pytest.mark.parametrize("name", NAMES)
def test_a_row_whose_folder_is_outside_is_refused(name: str, foreign: Path) -> None:
    record = edited(foreign)
    row = next(row for row in record["rows"] if row["model"] == MODEL)
    outside = foreign.parents[1] / "outside"
    (foreign / row["folder"]).rename(outside)  # whole, and what generate would read if it went there
    for place in ("../../outside", str(outside)):
        row["folder"] = place
        edited(foreign, rows=record["rows"])
        said = refused(commands(foreign)[name])
        assert f"leads out of {foreign}: a run reads nothing but the files in its own folder" in said


@pytest.mark.parametrize(
    ("part", "names"),
    [
        ("models", NAMES), ("model", NAMES), ("model/ngrams.safetensors", ["generate", "export"]),
        ("model/card.json", ["generate"]), ("model/log_probs.npy", ["compare"]), ("tokenizer", ["generate", "guess"]),
        ("tokenizer/tokenizer.state.json", ["generate"]), ("test", ["guess", "bounds", "compare"]),
        ("record.json", ["generate", "compare"]),
    ],
)  # fmt: skip
def test_a_link_that_leads_out_of_the_run_is_not_followed(part: str, names: list[str], foreign: Path) -> None:
    row = next(row for row in edited(foreign)["rows"] if row["model"] == MODEL)
    path = foreign / part.replace("model", row["folder"], 1) if part != "models" else foreign / part
    outside = foreign.parents[1] / "outside"
    path.rename(outside)
    path.symlink_to(outside)
    for name in names:
        assert "leads out of" in refused(commands(foreign)[name])


def test_a_link_within_the_run_is_followed(foreign: Path) -> None:
    (foreign / "tokenizer").rename(foreign / "other")
    (foreign / "tokenizer").symlink_to("other")
    assert open_run([str(word) for word in commands(foreign)["generate"]])[:2] == ("exit 0", "")


def following(folder: Path) -> dict[str, list[str | Path]]:
    """What reads the files that a plan names."""
    return {
        "resume": ["run", "--resume", folder, "--quiet", "--device", "cpu"],
        "count": ["count", folder, "queen", "--quiet"],
        "overlap": ["overlap", folder, folder / "record.json", "--quiet"],
        "entropy": ["entropy", "--run", folder, "--estimator", "zlib", "--quiet", "--out", folder.parents[2] / "out"],
    }


@pytest.mark.parametrize("name", ["resume", "count", "overlap", "entropy"])
def test_the_plan_of_a_foreign_run_is_followed_after_trust_and_no_longer_than_it_stays(
    name: str, foreign: Path
) -> None:
    record = edited(foreign, status="interrupted")
    said = refused(following(foreign)[name])
    assert f"{foreign} names the texts and models of its plan, and was not made on this machine" in said
    words = shlex.split(
        lmbench(*following(foreign)[name]).stderr.partition("made the run: ")[2]
    )  # it works as it stands
    agreed = lmbench(*words[words.index("trust") :])
    assert agreed.exit_code == 0
    assert agreed.stdout.count("\n") == 1
    assert agreed.stdout.startswith(f"may be read from now on for {foreign}: its plan: source ")
    done = lmbench(*following(foreign)[name])
    assert done.exit_code == 0, done.stderr
    shutil.rmtree(foreign / "suffix", ignore_errors=True)
    shutil.rmtree(foreign.parents[2] / "cache" / "tokens", ignore_errors=True)
    edited(foreign, status="interrupted", plan=record["plan"] | {"source": "/etc/passwd"})
    assert "was not made on this machine" in refused(following(foreign)[name])


def test_looking_at_a_foreign_run_needs_no_trust(foreign: Path) -> None:
    for command in (["report", foreign], *(commands(foreign)[name] for name in NAMES)):
        assert open_run([str(word) for word in command])[:2] == ("exit 0", "")
