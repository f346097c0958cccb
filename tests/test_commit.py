"""Of which commit the program is: in a checkout, in what is built there, and why it is not known elsewhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from lmbench import commit
from lmbench.pipeline import Run
from lmbench.report.section.card import card_lines

ROOT = Path(__file__).parents[1]
BUILD = "import sys; from setuptools import build_meta; print(getattr(build_meta, sys.argv[1])(sys.argv[2]))"


def git(root: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    command = ["git", "-C", str(root), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def checkout(root: Path) -> str:
    """All in `root` committed; the commit's hash."""
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-qm", "x")
    return git(root, "rev-parse", "HEAD")


def test_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "lmbench"
    package.mkdir()
    (package / "commit.py").write_text("1", encoding="ascii")
    monkeypatch.setattr(commit, "__file__", str(package / "commit.py"))
    head = checkout(tmp_path)
    (package / commit.BUILT).write_text('{"name": "old", "note": null}', encoding="ascii")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "git is asked, not this file")
    head = git(tmp_path, "rev-parse", "HEAD")
    (tmp_path / "notes.txt").write_text("no part of the program", encoding="ascii")
    monkeypatch.setenv("GIT_DIR", str(ROOT / ".git"))  # as in a hook of another repository
    assert commit.of_package() == (head, None)
    (package / "plug_in.py").write_text("", encoding="ascii")
    assert commit.of_package() == (head + "+dirty", None)
    (package / "plug_in.py").unlink()
    (package / "commit.py").write_text("2", encoding="ascii")
    assert commit.of_package() == (head + "+dirty", None)


def test_why_it_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert commit.of_sources(tmp_path) == (
        None,
        "the program neither runs from a git checkout nor was built in one",
    )
    git(tmp_path, "init", "-q")
    found = commit.of_sources(tmp_path)
    assert found.name is None
    assert str(found).startswith("not known: git: fatal: ")  # a repository without a commit
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit.of_sources(tmp_path) == (None, "git is not installed, or not on the PATH")


def test_the_card_says_which_it_is_or_why_not(small_run: Run) -> None:
    record, found = small_run.record, commit.of_package()
    assert (record.card.commit, record.card.commit_note) == found
    assert dict(card_lines(record))["commit"] == str(found)
    unknown = record.model_copy(update={"card": record.card.model_copy(update={"commit": None, "commit_note": "so"})})
    assert dict(card_lines(unknown))["commit"] == "not known: so"


def test_a_wheel_and_a_source_distribution_know_it(tmp_path: Path) -> None:
    sources = tmp_path / "sources"
    shutil.copytree(ROOT / "lmbench", sources / "lmbench", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "corpora", sources / "corpora")
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, sources)
    assert "neither" in of_wheel(build(sources, "build_wheel"), tmp_path / "without")
    head = checkout(sources)
    assert of_wheel(build(sources, "build_wheel"), tmp_path / "wheel") == head
    unpacked = tmp_path / "unpacked"
    with tarfile.open(build(sources, "build_sdist")) as archive:
        archive.extractall(unpacked, filter="data")
    [again] = unpacked.iterdir()
    (sources / "lmbench" / "errors.py").write_text("", encoding="ascii")
    assert of_wheel(build(sources, "build_wheel"), tmp_path / "dirty") == head + "+dirty"
    assert of_wheel(build(again, "build_wheel"), tmp_path / "again") == head
    assert not (sources / "lmbench" / commit.BUILT).exists()


def build(sources: Path, hook: str) -> Path:
    """What a hook of setuptools' build backend makes of `sources`, as pip calls it."""
    made = sources / "dist" / hook
    made.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", BUILD, hook, made], cwd=sources, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return made / done.stdout.splitlines()[-1]


def of_wheel(wheel: Path, folder: Path) -> str:
    """What the package in `wheel`, installed into `folder`, says."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    code = "from lmbench import commit; found = commit.of_package(); print(found.name or found.note)"
    environment = os.environ | {"PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()
