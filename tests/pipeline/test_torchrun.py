"""`torchrun --nproc-per-node 2 -m lmbench run ...`: two processes, one run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lmbench import pipeline

NET = (
    "transformer(layers=1, width=16, context=16, dropout=0.0, steps=20, batch=256, patience=100, precision=float32, "
    "learning_rate=0.002, warmup=0.2)"
)
MODELS = ("ngram(order=3)", NET, f"mixture(models=[ngram, {NET}])")


def started(text: Path, out: Path) -> subprocess.CompletedProcess[str]:
    words = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "lmbench", "run", str(text)]
    words += ["--tokenizer", "byte", "--estimator", "zlib", "--device", "cpu", "--json", "--out", str(out)]
    words += [word for model in MODELS for word in ("--model", model)]
    environment = dict(os.environ, OMP_NUM_THREADS="1")
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=120, env=environment)


def test_two_processes_do_the_run_of_one(small_text: Path, tmp_path: Path) -> None:
    plan = pipeline.Plan(
        source=str(small_text), tokenizer="byte", estimators=["zlib"], device="cpu", models=MODELS, out=tmp_path / "one"
    )
    alone = pipeline.run(plan).record.model_dump()
    two = started(small_text, tmp_path / "two")
    assert two.returncode == 0, two.stderr
    together = json.loads(two.stdout)  # one record is printed, by one process
    assert two.stderr.count("kept in") == two.stderr.count("  ngram(order=3): ") == 1
    assert len(list((tmp_path / "two").iterdir())) == 1
    [folder] = (tmp_path / "two").iterdir()
    assert not (folder / "checkpoints").exists()

    def figures(record: dict[str, Any]) -> list[float]:
        return [row["nats_per_token"] for row in record["rows"]]

    assert figures(together)[0] == figures(alone)[0]
    assert figures(together) == pytest.approx(figures(alone), rel=1e-5)
    training = [record["rows"][1]["training"] for record in (alone, together)]
    assert [each["processes"] for each in training] == [1, 2]
    for key in ("steps", "tokens", "flops", "batch"):  # the same global batch
        assert training[0][key] == training[1][key]
    assert [point["train"] for point in training[1]["curve"]] == pytest.approx(
        [point["train"] for point in training[0]["curve"]], rel=1e-5
    )
    assert together["status"] == "complete"


def test_what_is_wrong_is_said_once_and_nobody_is_left_waiting(tmp_path: Path) -> None:
    done = started(tmp_path / "none.txt", tmp_path / "out")
    assert done.returncode != 0
    assert done.stderr.count("error: ") == 1, done.stderr
    assert "none.txt" in done.stderr
