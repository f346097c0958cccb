"""Shannon's approximations to a text: tokens drawn by what follows the last few of them in the text itself.

Order k looks at k - 1 tokens (Shannon 1948, section 3). Contexts do not reach back over the end of a document.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from lmbench.counts.bisection import Ints
from lmbench.counts.suffix_index import SuffixIndex
from lmbench.counts.suffix_matches import Matches

Method = Literal["counts", "book"]

LEAST = 20  # characters of a match from which on it counts as copied
COPIED = 0.95  # share of a sample's characters in such matches from which on the sample is nothing but copies
_FEW = 1 << 16  # occurrences of a context that are looked at together; a more frequent one is met soon in reading
_READ = 1 << 12  # tokens read on at first


class Source(Protocol):
    """Something that says what follows a few tokens."""

    def after(self, context: Ints) -> int:
        """A token drawn by what follows `context` ([m] ids, none for any token at all); -1 where nothing does."""


class Counts:
    """Draws in proportion to the counts: each occurrence of the context is as likely as any other."""

    def __init__(self, index: SuffixIndex, generator: np.random.Generator) -> None:
        self._index = index
        self._generator = generator

    def after(self, context: Ints) -> int:
        index = self._index
        if not len(context):
            return _any(index, self._generator)
        low, high = _run(index, context)
        if low >= high:
            return -1
        slot = int(self._generator.integers(low, high))
        return int(index.text[int(index.positions[slot]) + len(context)])


class Book:
    """Shannon's own way: open the text at a random place, read on to the context, take what follows it.

    An occurrence is met in proportion to how far the one before it lies back. Where distances say nothing of what
    follows, that is the distribution of the counts. Behind the end of the text its beginning is read.

    Worked example, text "a b a c" and its end, context "a": opened at its five places, the first a is met from three
    (its own, and the two last, behind which the text begins again), the second from two: b has 3/5, and c 2/5.
    """

    def __init__(self, index: SuffixIndex, generator: np.random.Generator) -> None:
        self._index = index
        self._generator = generator

    def after(self, context: Ints) -> int:
        index = self._index
        if not len(context):
            return _any(index, self._generator)
        low, high = _run(index, context)
        if low >= high:
            return -1
        place = int(self._generator.integers(1, len(index)))
        return int(index.text[self._met(context, place, low, high) + len(context)])

    def _met(self, context: Ints, place: int, low: int, high: int) -> int:
        """The first occurrence at `place` or later, else the first one of all."""
        if high - low <= _FEW:
            positions = np.asarray(self._index.positions[low:high]).astype(np.int64)
            later = positions[positions >= place]
            return int(later.min() if len(later) else positions.min())
        found = self._read(context, place)
        return self._read(context, 0) if found < 0 else found

    def _read(self, context: Ints, place: int) -> int:
        """The first occurrence at `place` or later that something follows; -1 for none."""
        text, depth, width = self._index.text, len(context), _READ
        while place + depth < len(text):
            stop = min(place + width, len(text) - depth)
            here = np.ones(stop - place, dtype=np.bool_)
            for offset, token in enumerate(context.tolist()):
                here &= text[place + offset : stop + offset] == token
            if here.any():
                return place + int(np.argmax(here))
            place, width = stop, 2 * width
        return -1


def _any(index: SuffixIndex, generator: np.random.Generator) -> int:
    """A token at a random place; the end of text that the index begins with is none of the text's."""
    return int(index.text[int(generator.integers(1, len(index)))])


def _run(index: SuffixIndex, context: Ints) -> tuple[int, int]:
    """The slots of the occurrences of `context` that something follows."""
    low, high = index.find(context, np.zeros(1, dtype=np.int64), np.array([len(context)]))
    return int(index.followed(low, high, len(context))[0]), int(high[0])


def source_of(method: Method, index: SuffixIndex, seed: int) -> Source:
    """The way to draw that is called `method`."""
    kinds: dict[Method, Callable[[SuffixIndex, np.random.Generator], Source]] = {"counts": Counts, "book": Book}
    return kinds[method](index, np.random.default_rng(seed))


def approximation(source: Source, order: int, end_of_text: int) -> Iterator[int]:
    """Tokens without end, each drawn by the `order` - 1 before it, or by those since the end of the last document.

    The first one is any token of the text. A context that nothing follows, such as the end of the text, is shortened.
    """
    context = np.zeros(0, dtype=np.int64)
    while True:
        found = source.after(context)
        while found < 0:
            context = context[1:]
            found = source.after(context)
        yield found
        begun = context[:0] if found == end_of_text else context
        context = np.append(begun, found)[-(order - 1) :] if order > 1 else context[:0]


@dataclass(frozen=True)
class Copies:
    """What a sample repeats of the training text: `longest` match in characters, `share` of its characters that lie
    in matches of LEAST or more, and `passages`, the stretches of such characters: where each begins and ends."""

    longest: int
    share: float
    passages: list[tuple[int, int]]

    @property
    def nothing_else(self) -> bool:
        """Whether the sample is put together of copied passages alone."""
        return self.share >= COPIED


def copies(
    index: SuffixIndex, ids: NDArray[np.integer[Any]], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> Copies:
    """What of `ids` [n] stands in the text of `index`; token i is the sample's characters `starts[i]` to `ends[i]`.

    Worked example, sample "abx" and training text "zab": the longest match has 2 characters.
    """
    if not len(ids) or not int(ends[-1]):
        return Copies(0, 0.0, [])
    text = np.concatenate([[index.end_of_text], np.asarray(ids).astype(np.int64)])
    matched = Matches(index, text).longest()[1:]
    seen = np.flatnonzero(matched > 0)
    lengths = np.zeros(len(ids), dtype=np.int64)
    lengths[seen] = ends[np.minimum(seen + matched[seen], len(ids)) - 1] - starts[seen]
    change = np.zeros(int(ends[-1]) + 1, dtype=np.int64)
    long = np.flatnonzero(lengths >= LEAST)
    np.add.at(change, starts[long], 1)
    np.subtract.at(change, starts[long] + lengths[long], 1)
    inside = np.cumsum(change) > 0
    edges = np.flatnonzero(np.diff(np.append(False, inside).astype(np.int8))).reshape(-1, 2)
    passages = [(begin, end) for begin, end in edges.tolist()]
    return Copies(int(lengths.max()), float(inside[:-1].mean()), passages)
