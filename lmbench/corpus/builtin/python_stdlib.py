"""The source code of the running Python's standard library."""

from __future__ import annotations

import platform
from typing import Any

from lmbench.corpus.builtin._library import decoded, library_files, library_root
from lmbench.corpus.spool import Spools
from lmbench.errors import LmbenchError
from lmbench.progress import Progress

__all__ = ["PythonStdlib"]


class PythonStdlib:
    """The running Python's standard library: source code, each module a document; its tests are left out."""

    name = "python-stdlib"

    def key(self) -> Any:
        return ["python_stdlib", platform.python_version(), str(library_root())]

    def write(self, spools: Spools, progress: Progress) -> dict[str, Any]:
        files = list(library_files())
        if not files:
            raise LmbenchError(
                f"{library_root()}: this Python carries no source code of its library; pass a folder of sources"
            )
        with progress.task("reading the standard library", len(files)) as task:
            for path, content in files:
                spools.train.add(decoded(content, path), str(library_root() / path))
                task.advance()
        return {"python": platform.python_version(), "files": len(files)}
