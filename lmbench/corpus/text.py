"""Text: UTF-8 bytes and the documents in them, memory-mapped where they come from a file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

WINDOW = 1 << 22  # bytes looked at together: small enough to stay in cache, large enough to hide Python


@dataclass(frozen=True, eq=False)
class Text:
    """`data`: [b] uint8, valid UTF-8, possibly memory-mapped. `starts`, `ends`: [d] int64, the
    byte offsets between which each document lies (what lies between two documents, such as
    the newline between two lines, belongs to neither). `lines` says that each document is a
    line, whose end stands for a newline. `sources`: [d] int64, ascending, which document of the user's text each one
    is a piece of, where several are pieces of one.
    """

    data: NDArray[np.uint8]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    lines: bool = False
    sources: NDArray[np.int64] | None = None

    @property
    def bytes(self) -> int:
        """Bytes of text, the newline that ends each line included where documents are lines."""
        return int((self.ends - self.starts).sum()) + (len(self.starts) if self.lines else 0)

    @cached_property
    def document_characters(self) -> NDArray[np.int64]:
        """[d] Unicode code points in each document, counted as `bytes` counts bytes."""
        inside = characters_before(self.data, self.ends) - characters_before(self.data, self.starts)
        return inside + 1 if self.lines else inside

    @property
    def characters(self) -> int:
        """Unicode code points, counted as `bytes` counts bytes."""
        return int(self.document_characters.sum())

    @cached_property
    def words(self) -> int:
        """What white space separates (`str.split()`), in all documents."""
        return sum(len(self.document(index).split()) for index in range(len(self.starts)))

    @cached_property
    def hash(self) -> str:
        """SHA-256 over every document's bytes and where each begins."""
        digest = hashlib.sha256(repr((self.lines, len(self.starts))).encode())
        digest.update((self.ends - self.starts).tobytes())
        for piece in self.contents():
            digest.update(np.ascontiguousarray(piece).data)
        return digest.hexdigest()

    def contents(self) -> Iterator[NDArray[np.uint8]]:
        """The documents' bytes one after the other, in windows; what lies between documents is left out."""
        if not len(self.starts):
            return
        contiguous = bool((self.starts[1:] == self.ends[:-1]).all())
        first, last = int(self.starts[0]), int(self.ends[-1])
        for at in range(first, last, WINDOW):
            stop = min(at + WINDOW, last)
            window = self.data[at:stop]
            yield window if contiguous else window[self._inside(at, stop)]

    def _inside(self, at: int, stop: int) -> NDArray[np.bool_]:
        """[stop - at] whether each byte belongs to a document."""
        low, high = np.searchsorted(self.ends, at, "right"), np.searchsorted(self.starts, stop, "left")
        change = np.zeros(stop - at + 1, dtype=np.int8)
        np.add.at(change, np.maximum(self.starts[low:high] - at, 0), 1)
        np.subtract.at(change, np.minimum(self.ends[low:high] - at, stop - at), 1)
        return np.cumsum(change[:-1], dtype=np.int8) > 0

    def document(self, index: int) -> str:
        """One document's text."""
        return self.data[self.starts[index] : self.ends[index]].tobytes().decode("utf-8")


def characters_before(data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """[k] how many characters begin in `data` before each of `offsets` ([k] int64, ascending).

    >>> characters_before(np.frombuffer("aé".encode(), np.uint8), np.array([0, 1, 3]))
    array([0, 1, 2])
    """
    found = np.zeros(len(offsets), dtype=np.int64)
    if not len(offsets):
        return found
    at, before = int(offsets[0]), 0
    base = int(np.count_nonzero(character_starts(data[:at]))) if at < WINDOW else _count(data, 0, at)
    while True:
        stop = min(at + WINDOW, int(offsets[-1]))
        low, high = np.searchsorted(offsets, at, "left"), np.searchsorted(offsets, stop, "right")
        starts = character_starts(data[at:stop])
        if high - low > 16:
            sums = np.concatenate([[0], np.cumsum(starts, dtype=np.int64)])
            found[low:high] = base + before + sums[offsets[low:high] - at]
        else:
            for index in range(int(low), int(high)):
                found[index] = base + before + int(np.count_nonzero(starts[: int(offsets[index]) - at]))
        before += int(np.count_nonzero(starts))
        if stop == int(offsets[-1]):
            return found
        at = stop


def _count(data: NDArray[np.uint8], start: int, stop: int) -> int:
    windows = (data[at : min(at + WINDOW, stop)] for at in range(start, stop, WINDOW))
    return sum(int(np.count_nonzero(character_starts(window))) for window in windows)


def character_starts(data: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """[b] whether a character begins at each byte: UTF-8 continuation bytes are 10xxxxxx."""
    starts: NDArray[np.bool_] = (data & 0xC0) != 0x80
    return starts


def lines_of(text: Text) -> tuple[Text, int, dict[str, int]]:
    """Every non-empty line of every document as a document of its own, how many empty ones were left out, and how many
    line ends of each kind there are: {"LF": ..., "CRLF": ..., "CR": ...}, those that occur.

    A line ends at LF, CR LF or CR, and at no other character. An empty line
    is no sentence: it would be one more end-of-sentence to predict that nobody wrote.
    """
    breaks = [_line_ends(text.data, at) for at in range(0, len(text.data), WINDOW)]
    last = text.ends[text.ends > text.starts] - 1
    newlines = np.union1d(np.concatenate([*breaks, np.zeros(0, np.int64)]), last[text.data[last] == 13]).astype(
        np.int64
    )
    owner = np.searchsorted(text.starts, newlines, "right") - 1
    inside = owner >= 0
    inside[inside] = newlines[inside] < text.ends[owner[inside]]
    newlines, owner = newlines[inside], owner[inside]
    kinds = _kinds(text, newlines, owner)
    # Where a newline is the first byte after another document's end, that end comes first.
    order = np.argsort(np.concatenate([text.ends, newlines]), kind="stable")
    ends = np.concatenate([text.ends, newlines])[order]
    after = np.concatenate([text.starts[1:], [0], newlines + 1])[: len(order) + 1].astype(np.int64)[order]
    starts = np.concatenate([text.starts[:1], after[:-1]]).astype(np.int64)
    trailing = starts == ends  # what follows a document's last newline is not a line
    trailing &= order < len(text.ends)
    starts, ends = starts[~trailing], ends[~trailing].copy()
    filled = ends > starts
    ends[filled] -= text.data[ends[filled] - 1] == 13
    keep = ends > starts
    return Text(text.data, starts[keep], ends[keep], lines=True), int(np.count_nonzero(~keep)), kinds


def _line_ends(data: NDArray[np.uint8], at: int) -> NDArray[np.int64]:
    """Offsets of the last byte of each line end that has it in the window at `at`: LF, or CR with no LF after it."""
    window = data[at : at + WINDOW + 1]
    returns = window[:WINDOW] == 13
    if returns.any():
        followed = np.zeros(len(returns), dtype=np.bool_)
        followed[: len(window) - 1] = (window[1:] == 10)[: len(returns)]
        returns &= ~followed
    found: NDArray[np.int64] = np.flatnonzero((window[:WINDOW] == 10) | returns) + at
    return found


def _kinds(text: Text, ends: NDArray[np.int64], owner: NDArray[np.int64]) -> dict[str, int]:
    """How many line ends are of each kind; `ends`: [l] offsets of their last bytes, `owner`: the document of each."""
    feeds = text.data[ends] == 10
    both = feeds & (ends > text.starts[owner]) & (text.data[np.maximum(ends - 1, 0)] == 13)
    counts = {"LF": int((feeds & ~both).sum()), "CRLF": int(both.sum()), "CR": int((~feeds).sum())}
    return {kind: count for kind, count in counts.items() if count}


def text_of(documents: Iterable[str], lines: bool = False) -> Text:
    """A Text held in memory, from the documents' strings."""
    pieces = [document.encode("utf-8") for document in documents]
    ends = np.cumsum([len(piece) for piece in pieces], dtype=np.int64)
    starts = np.concatenate([[0], ends[:-1]]).astype(np.int64) if len(pieces) else np.zeros(0, np.int64)
    return Text(np.frombuffer(b"".join(pieces), dtype=np.uint8), starts, ends.astype(np.int64), lines)
