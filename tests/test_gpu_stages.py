"""The stages of benchmarks/gpu.py, rehearsed where there is no GPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def stages(tmp_path: Path, *options: str) -> tuple[int, dict[str, dict[str, object]]]:
    out = tmp_path / "gpu.json"
    command = [sys.executable, str(ROOT / "benchmarks" / "gpu.py"), "--rehearse", "--json", str(out), *options]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=170, env=environment, check=False)
    return done.returncode, json.loads(out.read_text(encoding="utf-8"))["stages"]


def test_stages_find_nothing_wrong_and_keep_their_figures(tmp_path: Path) -> None:
    code, found = stages(tmp_path, "--device", "cpu", "--stages", "check,counting,nanogpt")
    assert code == 0
    assert found["check"]["missing"] == []
    assert found["counting"]["failed"] == []
    assert found["counting"]["ngram(order=5, smoothing=absolute)"] == {"scores_apart": 0.0, "tables_that_differ": []}
    assert found["nanogpt"] == {"left_out": "--nanogpt was not given"}


def test_a_stage_that_is_out_of_time_is_ended_and_said(tmp_path: Path) -> None:
    code, found = stages(tmp_path, "--device", "cpu", "--seconds", "0.3", "--stages", "check")
    assert code == 0
    assert found["check"] == {"left_out": "0 s were left"}
