"""The git commit that this program was made of, or why that is not known.

In a checkout, an editable install included, git says it. Elsewhere it stands in `commit.json` beside this file, which
setup.py writes into every wheel and source distribution; as setup.py runs this file, it imports nothing of lmbench.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import NamedTuple

BUILT = "commit.json"
_PATHS = ("lmbench/", "corpora/")  # where a file that git does not know is part of the program
_ELSEWHERE = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")  # set in git's hooks: another repository
_PATIENCE = 10  # seconds


class Commit(NamedTuple):
    """`name`: the commit's hash, `+dirty` behind it where the program has been edited since; None where it is not
    known, and then `note` says why."""

    name: str | None
    note: str | None = None

    def __str__(self) -> str:
        return self.name or f"not known: {self.note}"


def of_package() -> Commit:
    """The commit of the program that runs."""
    return of_sources(Path(__file__).resolve().parents[1])


def of_sources(root: Path) -> Commit:
    """The commit of the package in `root`, which is a checkout, or holds what setup.py made."""
    built = root / "lmbench" / BUILT
    if (root / ".git").exists() or not built.is_file():
        return of_checkout(root)
    return Commit(**json.loads(built.read_text(encoding="utf-8")))


def of_checkout(root: Path) -> Commit:
    """What git says of the working tree whose root is `root`."""
    if not (root / ".git").exists():
        return Commit(None, "the program neither runs from a git checkout nor was built in one")
    try:
        head = _git(root, "rev-parse", "HEAD").strip()
        changes = _git(root, "status", "--porcelain", "--untracked-files=all").splitlines()
    except FileNotFoundError:
        return Commit(None, "git is not installed, or not on the PATH")
    except subprocess.CalledProcessError as error:
        line = next(iter(error.stderr.strip().splitlines()), f"exit code {error.returncode}")
        return Commit(None, f"git: {line}")
    except (OSError, subprocess.SubprocessError) as error:
        return Commit(None, f"git: {error}")
    dirty = any(not line.startswith("?? ") or line[3:].strip('"').startswith(_PATHS) for line in changes)
    return Commit(head + "+dirty" if dirty else head)


def _git(root: Path, *arguments: str) -> str:
    environment = {key: value for key, value in os.environ.items() if key not in _ELSEWHERE} | {"LC_ALL": "C"}
    command = ["git", "-C", str(root), *arguments]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, errors="replace", check=True, timeout=_PATIENCE
    )
    return done.stdout
