"""All pairs of a run's models, and of runs that may be compared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import lmbench

from lmbench.pipeline import Run
from lmbench.pipeline.comparison import compare, contestants, find_runs


def test_every_pair_and_what_is_left_out(small_run: Run) -> None:
    found = compare(*contestants([small_run.folder]))
    assert [name for name, _ in found.models] == ["ngram(order=3)", "uniform"]
    [left_out] = found.left_out
    assert left_out.startswith("ngram(order=6, smoothing=maximum_likelihood) gives tokens probability zero")
    behind = next(row.behind for row in small_run.record.rows if row.model == "uniform")
    assert behind is not None
    [pair] = found.pairs
    assert pair.difference.value == pytest.approx(-behind.nats_per_token)
    assert pair.difference.interval is not None
    assert behind.ci95 == pytest.approx((-pair.difference.interval[1], -pair.difference.interval[0]))


def test_words_are_runs_then_models(small_run: Run) -> None:
    out = small_run.folder.parent
    assert find_runs([], out) == ([small_run.folder], [])
    assert find_runs(["uniform"], out) == ([small_run.folder], ["uniform"])
    assert find_runs(["latest", str(small_run.folder), "uniform"], out) == ([small_run.folder], ["uniform"])
    part = small_run.folder.name[-8:]
    assert find_runs([part, "uniform"], out) == ([small_run.folder], ["uniform"])


def test_three_models_make_a_table(small_run: Run, small_text: Path, tmp_path: Path) -> None:
    models = [word for order in (1, 2) for word in ("--model", f"ngram(order={order})")]
    common = ("--tokenizer", "byte", "--estimator", "none", "--out", tmp_path)
    assert lmbench("run", small_text, *models, *common).exit_code == 0
    [other] = tmp_path.iterdir()
    done = lmbench("compare", small_run.folder, other)
    assert done.exit_code == 0, done.output
    assert "corrected for 6 pairs (Holm)" in done.stdout
    report = json.loads(lmbench("compare", small_run.folder, other, "--json").stdout)
    p_values = [pair["p_value"] for pair in report["pairs"]]
    assert len(p_values) == 6
    assert all(pair["p_value_holm"] >= pair["p_value"] for pair in report["pairs"])
    same = lmbench("compare", other, "ngram(order=1)", "ngram(order=1)")
    assert same.exit_code == 2
    assert "both models are ngram(order=1)" in same.stderr
