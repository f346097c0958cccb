"""Standard input: one document."""

from __future__ import annotations

import sys
from typing import Any

from lmbench.corpus.decode import Reading, utf8
from lmbench.corpus.reader.text import counted
from lmbench.corpus.spool import Spools
from lmbench.errors import UsageError
from lmbench.progress import Progress

__all__ = ["StandardInput"]


class StandardInput:
    """Standard input, written `-`: one document."""

    def __init__(self, source: str, reading: Reading) -> None:
        self.reading = reading
        self.name = "stdin"

    @staticmethod
    def claims(source: str) -> bool:
        return source == "-"

    def key(self) -> Any:
        return None

    def write(self, spools: Spools, progress: Progress) -> dict[str, Any]:
        if sys.stdin is None or sys.stdin.isatty():
            raise UsageError("'-' reads standard input, and none is piped in; pass a path or pipe a text")
        with progress.task("reading standard input") as task:
            blocks = utf8(sys.stdin.buffer, "standard input", self.reading, None)
            spools.train.stream(counted(blocks, task))
        return {}
