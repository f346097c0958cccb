"""What a text has said lately: counts of n-grams before each place of it, in a window or fading, for all places.

A memory counts the n-grams of one order. Its context at a place is the last order - 1 tokens there; it knows how
often, or how much, the context was followed by a token before (`total`), and by the token that comes (`seen`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmbench.tokens import Tokens

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_FORGOTTEN = 2.0**-80  # of what has faded to less, nothing is known
_SLICE = 1 << 21  # tokens counted at once


@dataclass(frozen=True)
class Memory:
    """Of n-grams of `order`: those that lie whole within the last `window` tokens, each counted once; or all, each
    counted 2 ** -(d / half_life), d being the tokens from its end to the place (Clarkson & Robinson 1997)."""

    order: int
    half_life: float | None = None
    window: int | None = None

    def reach(self) -> float:
        """How many tokens back it looks."""
        if self.half_life is None:
            return math.inf if self.window is None else self.window
        return -math.log2(_FORGOTTEN) * self.half_life


def counts_before(tokens: Tokens, memories: Sequence[Memory]) -> tuple[Floats, Floats]:
    """([m, n], [m, n]) `seen` and `total` of each memory at each place, of the document's tokens before the place.

    Takes time in n log n, whatever the memories reach over.
    Worked example, "a b a b" in a large window: of order 1, seen 0 0 1 1 and total 0 1 2 3; of order 2, (b a) and (a b)
    at the last two: seen 0 0 0 1, total 0 0 0 1. With a half-life of 1, of order 1: seen 0 0 1/4 1/4, total 0 1/2 3/4
    7/8.
    """
    seen, total = (np.zeros((len(memories), len(tokens))) for _ in range(2))
    overlap = int(min(max((memory.reach() for memory in memories), default=0), len(tokens)))
    overlap += max((memory.order for memory in memories), default=0)
    for start in range(0, len(tokens), _SLICE):
        stop, before = min(start + _SLICE, len(tokens)), max(0, start - overlap)
        part = tokens.head(stop).tail(stop - before)
        for order, inside, contexts, grams in _grams(part, max(memory.order for memory in memories)):
            for index, memory in enumerate(memories):
                if memory.order == order:
                    new = slice(np.searchsorted(inside, start - before), len(inside))
                    seen[index, before + inside[new]] = _counted(part, memory, grams, inside)[new]
                    of = _lengths(part, memory) if order == 1 else _counted(part, memory, contexts, inside)
                    total[index, before + inside[new]] = of[new]
    return seen, total


def _grams(tokens: Tokens, longest: int) -> Iterator[tuple[int, Ints, Ints, Ints]]:
    """For each order k: the places that have k-1 tokens of their document before them, ascending, and there a code of
    those k-1 tokens and one of them and the place's own."""
    ids = np.asarray(tokens.ids, dtype=np.int64)
    before = tokens.places
    inside, contexts, grams = np.arange(len(ids)), np.zeros(len(ids), dtype=np.int64), ids
    yield 1, inside, contexts, grams
    codes = ids
    for order in range(2, longest + 1):
        inside = np.flatnonzero(before >= order - 1)
        contexts = codes[inside - 1]
        grams = np.unique(contexts * len(tokens.vocabulary) + ids[inside], return_inverse=True)[1]
        yield order, inside, contexts, grams
        codes = np.zeros(len(ids), dtype=np.int64)
        codes[inside] = grams


def _lengths(tokens: Tokens, memory: Memory) -> Floats:
    """[n] the `total` of unigrams: how many tokens of the document are before each place, or the sum over them of
    2 ** -(d / half_life), a geometric series."""
    before = tokens.places
    if memory.half_life is None:
        return (before if memory.window is None else np.minimum(before, memory.window)).astype(np.float64)
    rate = math.log(2) / memory.half_life
    total: Floats = -np.expm1(-rate * before) / math.expm1(rate)
    return total


def _counted(tokens: Tokens, memory: Memory, codes: Ints, places: Ints) -> Floats:
    """[m] how much of the same code is at earlier `places` (ascending) of the same document, as `memory` counts."""
    if len(codes) == 0:
        return np.zeros(0)
    before = tokens.places[places]
    if memory.half_life is not None:
        return _faded(codes, places, places - before, memory.half_life)
    low = places - (before if memory.window is None else np.minimum(before, memory.window))
    return _earlier(codes, places, low + memory.order - 1)


def _earlier(codes: Ints, places: Ints, low: Ints) -> Floats:
    """[m] how many earlier entries have the same code and a place of at least `low`; `places` ascend."""
    order = np.argsort(codes, kind="stable")
    width = int(places[-1]) + 2
    key = codes[order] * width + places[order]
    first = np.searchsorted(key, codes[order] * width + low[order])
    found = np.zeros(len(codes))
    found[order] = np.maximum(np.arange(len(key)) - first, 0)
    return found


def _faded(codes: Ints, places: Ints, documents: Ints, half_life: float) -> Floats:
    """[m] the sum over earlier entries of the same code and document of 2 ** -(distance of their places / half_life).

    With S of the entry before, at a distance d, S = 2 ** -(d / half_life) (1 + S_before): a linear recurrence along the
    entries of each code, solved for all of them at once by doubling the stretch that is summed up (Hillis & Steele
    1986); an entry is done with when its stretch has faded, or is at its code's first.
    """
    order = np.argsort(codes, kind="stable")
    code, place, document = codes[order], places[order], documents[order]
    follows = np.append(False, (code[1:] == code[:-1]) & (document[1:] == document[:-1]))
    reach = np.where(follows, np.exp2(-np.diff(place, prepend=place[:1]).clip(min=0) / half_life), 0.0)
    total = reach.copy()
    going, step = np.flatnonzero(reach > _FORGOTTEN), 1
    while len(going):
        more, further = reach[going] * total[going - step], reach[going] * reach[going - step]
        total[going] += more
        reach[going] = further
        going, step = going[further > _FORGOTTEN], 2 * step
    found = np.empty(len(codes))
    found[order] = total
    return found


def counts_after(
    context: NDArray[np.integer[Any]], memories: Sequence[Memory], vocabulary_size: int
) -> tuple[Floats, Floats]:
    """([m, V], [m]) `seen` for every token that may come after the ids of a document so far, and `total`."""
    ids = np.asarray(context, dtype=np.int64)
    size = len(ids)
    seen = np.zeros((len(memories), vocabulary_size))
    ends = np.arange(size)  # where an n-gram that begins with the last order - 1 tokens ends
    for order in range(1, min(max((memory.order for memory in memories), default=0), size + 1) + 1):
        if order > 1:
            ends = ends[ends >= order - 1]
            ends = ends[ids[ends - order + 1] == ids[size - order + 1]]
        for index, memory in enumerate(memories):
            if memory.order != order:
                continue
            near = ends if memory.window is None else ends[ends - order + 1 >= size - memory.window]
            weights = None if memory.half_life is None else np.exp2(-(size - near) / memory.half_life)
            seen[index] = np.bincount(ids[near], weights, minlength=vocabulary_size)
    return seen, seen.sum(axis=1)
