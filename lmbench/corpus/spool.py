"""Documents from anywhere, written one after the other into one UTF-8 file with the offset at which each ends."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from lmbench.corpus.decode import Errors
from lmbench.corpus.text import Text
from lmbench.disk import naming, save_array
from lmbench.errors import LmbenchError


class Spool:
    """Writes `text` and `ends.npy` into a folder. `empty`: how many documents were left out for having no text."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._file = (folder / "text").open("wb")
        self._ends: list[int] = []
        self._at = 0
        self.empty = 0

    def add(self, document: str, where: str, errors: Errors = "strict") -> None:
        """One document. `where` names it for the message, where it holds half of a surrogate pair."""
        try:
            self.stream([document.encode("utf-8", errors)])
        except UnicodeEncodeError as error:
            raise LmbenchError(
                f"{where}: character {error.start} is half of a surrogate pair, which is not text; "
                "pass --errors replace or ignore"
            ) from None

    def stream(self, blocks: Iterable[bytes]) -> None:
        """One document, in blocks of UTF-8."""
        before = self._at
        for block in blocks:
            with naming(Path(self._file.name)):
                self._file.write(block)
            self._at += len(block)
        if self._at > before:
            self._ends.append(self._at)
        else:
            self.empty += 1

    def close(self) -> None:
        with naming(Path(self._file.name)):
            self._file.close()
        save_array(self._folder / "ends.npy", np.array(self._ends, dtype=np.int64))


class Spools:
    """The parts that a source comes in: `train` always, `valid` and `test` where the source has them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parts: dict[str, Spool] = {}

    def __getitem__(self, part: str) -> Spool:
        if part not in self._parts:
            self._parts[part] = Spool(self._folder / part)
        return self._parts[part]

    @property
    def train(self) -> Spool:
        return self["train"]

    @property
    def empty(self) -> int:
        return sum(spool.empty for spool in self._parts.values())

    def close(self) -> None:
        for spool in self._parts.values():
            spool.close()


def spooled(folder: Path) -> Text:
    """What a `Spool` wrote, memory-mapped. Raises ValueError where index and text disagree."""
    ends = np.load(folder / "ends.npy", allow_pickle=False).astype(np.int64)
    data = map_bytes(folder / "text")
    if (int(ends[-1]) if len(ends) else 0) != len(data):
        raise ValueError(f"{folder}: the index does not belong to the text")
    starts = np.concatenate([[0], ends[:-1]]).astype(np.int64) if len(ends) else ends
    return Text(data, starts, ends)


def map_bytes(path: Path) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """[b] uint8, the file's bytes, memory-mapped; an empty file cannot be mapped and is an empty array."""
    if path.stat().st_size == 0:
        return np.zeros(0, dtype=np.uint8)
    return np.memmap(path, dtype=np.uint8, mode="r")
