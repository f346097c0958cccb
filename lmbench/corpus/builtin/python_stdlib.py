"""The source code of the running Python's standard library."""

from __future__ import annotations

import platform
import sysconfig
import tokenize
from pathlib import Path
from typing import Any

from lmbench.corpus.spool import Spools
from lmbench.errors import LmbenchError
from lmbench.progress import Progress

__all__ = ["PythonStdlib"]

_LEFT_OUT = frozenset(["__pycache__", "dist-packages", "idle_test", "site-packages", "test", "tests"])


class PythonStdlib:
    """The running Python's standard library: source code, each module a document; its tests are left out."""

    name = "python-stdlib"

    def key(self) -> Any:
        return ["python_stdlib", platform.python_version(), sysconfig.get_paths()["stdlib"]]

    def write(self, spools: Spools, progress: Progress) -> dict[str, Any]:
        root = Path(sysconfig.get_paths()["stdlib"])
        paths = [path for path in root.rglob("*.py") if not _LEFT_OUT & set(path.relative_to(root).parts)]
        if not paths:
            raise LmbenchError(f"{root}: this Python carries no source code of its library; pass a folder of sources")
        with progress.task("reading the standard library", len(paths)) as task:
            for path in sorted(paths, key=lambda path: path.relative_to(root).parts):
                encoding = "utf-8"
                with path.open("rb") as file:
                    encoding = tokenize.detect_encoding(file.readline)[0]
                spools.train.add(path.read_bytes().decode(encoding), str(path))
                task.advance()
        return {"python": platform.python_version(), "files": len(paths)}
