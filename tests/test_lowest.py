"""`.ci/lowest` reads what it installs from pyproject.toml, and is a step of `.ci/run`."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / ".ci" / "lowest"


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    found: dict[str, Any] = {"__name__": "lowest", "__file__": str(SCRIPT)}
    exec(compile(SCRIPT.read_text("utf-8"), SCRIPT, "exec"), found)
    return found


def test_the_lowest_versions_by_hand(script: dict[str, Any]) -> None:
    project = {"dependencies": ["typer>=0.15.4", "rich>=13", "torch>=2.9"]}
    assert script["lowest"](project, "# a\nrich==15\ntorch==2.13.0\n") == ["typer==0.15.4", "rich==13", "torch==2.13.0"]
    for bad in ("rich", "rich==13", "rich>=13,<15", "rich>13"):
        with pytest.raises(SystemExit, match="lowest version"):
            script["lowest"]({"dependencies": [bad]}, "")


def test_every_dependency_is_installed_at_its_floor() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    done = subprocess.run([sys.executable, SCRIPT, "--list"], capture_output=True, text=True, check=True, timeout=60)
    printed = done.stdout.split()
    assert len(printed) == len(wanted)
    for dependency, shown in zip(wanted, printed, strict=True):
        assert shown == dependency.replace(">=", "==") or shown.startswith("torch==")
    assert (ROOT / ".ci" / "run").read_text("utf-8").rstrip().endswith(".ci/lowest")


def test_a_command_that_does_not_do_as_it_should_is_shown(script: dict[str, Any], tmp_path: Path) -> None:
    broken = tmp_path / "lmbench"
    broken.write_text("#!/bin/sh\necho Traceback of $1 >&2\nexit 1\n", encoding="utf-8")
    broken.chmod(0o755)
    with pytest.raises(SystemExit, match="exit code 1\nTraceback of --help"):
        script["check"](broken, tmp_path)


@pytest.mark.parametrize("failing", ["python3", "pip", "pytest", "lowest"])
def test_a_step_that_fails_ends_the_ci(failing: str, tmp_path: Path) -> None:
    (tmp_path / ".ci").mkdir()
    run = tmp_path / ".ci" / "run"
    run.write_bytes((ROOT / ".ci" / "run").read_bytes())
    tools = tmp_path / "tools"
    tools.mkdir()
    for path in (*(tools / name for name in ("python3", "pip", "ruff", "mypy", "pytest")), tmp_path / ".ci" / "lowest"):
        code = int(path.name == failing)
        made = f"mkdir -p .venv && ln -sfn {tools} .venv/bin" if path.name == "python3" else "true"
        path.write_text(f"#!/bin/sh\n{made}; echo {path.name}; exit {code}\n", encoding="utf-8")
        path.chmod(0o755)
    environment = os.environ | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["bash", run], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stdout.split()[-1] == failing
