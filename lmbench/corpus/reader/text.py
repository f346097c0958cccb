"""A text file: one document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lmbench.corpus.compression import compressed, open_binary, readable
from lmbench.corpus.decode import UTF8_BOM, Reading, utf8
from lmbench.corpus.spool import Spools, map_bytes
from lmbench.corpus.text import Text
from lmbench.progress import Progress, Task

__all__ = ["TextFile"]


class TextFile:
    """A text file, one document; plain UTF-8 is used where it lies, without a copy.

    Takes `.txt` and every suffix that no other reader claims, also compressed.
    """

    def __init__(self, source: str, reading: Reading) -> None:
        self.path = Path(source)
        self.reading = reading
        self.name = Path(self.path.stem).stem if compressed(self.path) else self.path.stem

    @staticmethod
    def claims(source: str) -> bool:
        del source  # whatever it is called: this reader takes what is left when no other claims a file
        return False

    def key(self) -> Any:
        # A pipe or a device has neither size nor time to go by, and can be read once.
        if not self.path.is_file():
            return None
        state = self.path.stat()
        return [str(self.path.resolve()), state.st_size, state.st_mtime_ns]

    def in_place(self, progress: Progress) -> Text | None:
        if compressed(self.path) or not self.reading.exact or not self.path.is_file():
            return None
        with progress.task(f"checking {self.path.name}", self.path.stat().st_size) as task, readable(self.path):
            with self.path.open("rb") as file:
                for block in utf8(file, str(self.path), self.reading, lambda: self.path.open("rb")):
                    task.advance(len(block))
            data = map_bytes(self.path)
        start = len(UTF8_BOM) if data[: len(UTF8_BOM)].tobytes() == UTF8_BOM else 0
        starts, ends = ([start], [len(data)]) if len(data) > start else ([], [])
        return Text(data, np.array(starts, np.int64), np.array(ends, np.int64))

    def write(self, spools: Spools, progress: Progress) -> dict[str, Any]:
        size = self.path.stat().st_size if self.path.is_file() and not compressed(self.path) else None
        reopen = (lambda: open_binary(self.path)) if self.path.is_file() else None
        name = self.path.name
        with progress.task(f"reading {name}", size) as task, readable(self.path), open_binary(self.path) as stream:
            spools.train.stream(counted(utf8(stream, str(self.path), self.reading, reopen), task))
        return {}


def counted(blocks: Iterable[bytes], task: Task) -> Iterator[bytes]:
    """The blocks, the task advanced by the bytes of each."""
    for block in blocks:
        task.advance(len(block))
        yield block
