from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from commands import lmbench

from lmbench import store
from lmbench.pipeline import Plan, Run, run


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_what_is_exported_scores_as_it_did(small_run: Run, small_text: Path, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"trigrams.arpa{suffix}"
    done = lmbench("export", "arpa", small_run.folder, "ngram(order=3)", path)
    assert done.exit_code == 0, done.output
    assert f"wrote {path}" in done.stderr
    plan = Plan(
        source=str(small_text), tokenizer="byte", models=[f"arpa('{path}')"], estimators=[], device="cpu",
        out=tmp_path / "results",
    )  # fmt: skip
    again = run(plan)
    [row] = again.record.rows
    first = store.read_log_probs(small_run.folder, store.find_row(small_run.record, "ngram(order=3)"))
    assert np.abs(store.read_log_probs(again.folder, row) - first).max() < 1e-5


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["uniform", "out.arpa"], "uniform is no back-off model"),
        (["nothing", "out.arpa"], "this run has no model 'nothing'"),
        (["ngram(order=3)", "out.arpa.zip"], "but not as .zip"),
        (["ngram(order=3)", "no/such/folder/out.arpa"], "No such file or directory"),
    ],
)
def test_what_cannot_be_written_is_one_line_and_no_file(
    small_run: Run, tmp_path: Path, arguments: list[str], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = lmbench("export", "arpa", small_run.folder, *arguments, "--quiet")
    assert done.exit_code in (1, 2)
    assert reason in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
