"""Text: UTF-8 bytes and the documents in them, memory-mapped where they come from a file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Text:
    """`data`: [b] uint8, valid UTF-8, possibly memory-mapped. `starts`, `ends`: [d] int64, the
    byte offsets between which each document lies (what lies between two documents, such as
    the newline between two lines, belongs to neither). `lines` says that each document is a
    line, whose end stands for a newline.
    """

    data: NDArray[np.uint8]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    lines: bool = False

    @property
    def bytes(self) -> int:
        """Bytes of text, the newline that ends each line included where documents are lines."""
        return int((self.ends - self.starts).sum()) + (len(self.starts) if self.lines else 0)

    @cached_property
    def characters(self) -> int:
        """Unicode code points, counted as `bytes` counts bytes."""
        count = len(self.starts) if self.lines else 0
        width = 1 << 24
        for start, end in zip(self.starts.tolist(), self.ends.tolist(), strict=True):
            for at in range(start, end, width):
                count += int(np.count_nonzero((self.data[at : min(at + width, end)] & 0xC0) != 0x80))
        return count

    @cached_property
    def hash(self) -> str:
        """SHA-256 over every document's bytes and where each begins."""
        digest = hashlib.sha256(repr((self.lines, len(self.starts))).encode())
        digest.update((self.ends - self.starts).tobytes())
        width = 1 << 24
        if len(self.starts) and bool((self.starts[1:] == self.ends[:-1]).all()):
            spans = [(int(self.starts[0]), int(self.ends[-1]))]
        else:
            spans = list(zip(self.starts.tolist(), self.ends.tolist(), strict=True))
        for start, end in spans:
            for at in range(start, end, width):
                digest.update(self.data[at : min(at + width, end)].tobytes())
        return digest.hexdigest()

    def document(self, index: int) -> str:
        """One document's text."""
        return self.data[self.starts[index] : self.ends[index]].tobytes().decode("utf-8")


def text_of(documents: Iterable[str], lines: bool = False) -> Text:
    """A Text held in memory, from the documents' strings."""
    pieces = [document.encode("utf-8") for document in documents]
    ends = np.cumsum([len(piece) for piece in pieces], dtype=np.int64)
    starts = np.concatenate([[0], ends[:-1]]).astype(np.int64) if len(pieces) else np.zeros(0, np.int64)
    return Text(np.frombuffer(b"".join(pieces), dtype=np.uint8), starts, ends.astype(np.int64), lines)
