"""The Python language reference that every CPython carries, as help topics."""

from __future__ import annotations

import platform
from typing import Any

from lmbench.corpus.spool import Spools
from lmbench.progress import Progress

__all__ = ["PythonDocs"]


class PythonDocs:
    """The running Python's own language reference: English prose, each help topic a document."""

    name = "python-docs"

    def key(self) -> Any:
        return ["python_docs", platform.python_version()]

    def write(self, spools: Spools, progress: Progress) -> dict[str, Any]:
        from pydoc_data.topics import topics

        with progress.task("reading the language reference", len(topics)) as task:
            for name in sorted(topics):
                spools.train.add(topics[name], f"topic {name}")
                task.advance()
        return {"python": platform.python_version()}
