"""Suffix arrays with their longest common prefixes.

A suffix array lists a text's positions in the lexicographic order of what follows them, so
that every occurrence of every n-gram is one contiguous run. It is built by prefix doubling
(Manber & Myers 1993; Larsson & Sadakane 2007): sorted to depth h, the ranks at i and i+h are
the order to depth 2h. Each round is one numpy sort, of those suffixes alone that still have
an equal; the common prefixes come out of the same rounds.

    text  a b a a b     suffixes in order: a a b | a b | a b a a b | b | b a a b
                        suffix array: 2 3 0 4 1     common prefix with the one before: 0 1 2 0 1
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmbench.counts.range_minimum import RangeMinimum

Ints = NDArray[np.int64]
_KEY_BITS = 63
_UNKNOWN = -1
_FEW_KEYS = 4  # up to this depth in keys, comparing keys is faster than a tree of minima


def suffix_array(ids: NDArray[np.integer[Any]], documents: NDArray[np.integer[Any]] | None = None) -> Ints:
    """[n] int64: positions ordered by their suffixes; a suffix ends with its document.

    `ids`: [n] non-negative. `documents`: [d] start offsets, ascending; None: one document.
    A suffix sorts after its proper prefixes, and equal suffixes (of two documents) by position.
    """
    return sort_suffixes(ids, documents)[0]


def lcp_array(
    ids: NDArray[np.integer[Any]], sa: Ints | None = None, documents: NDArray[np.integer[Any]] | None = None
) -> Ints:
    """[n] int64: how many ids the suffix at `sa[r]` shares with the one at `sa[r - 1]`; 0 at r = 0.

    The array comes out of the sort itself, so `sort_suffixes` gives both for the price of
    one. Raises ValueError where `sa` is not the text's suffix array.
    """
    order, lcp = sort_suffixes(ids, documents)
    if sa is not None and not np.array_equal(order, sa):
        raise ValueError("not the suffix array of this text")
    return lcp


def sort_suffixes(
    ids: NDArray[np.integer[Any]],
    documents: NDArray[np.integer[Any]] | None = None,
    on_round: Callable[[int, int], None] | None = None,
    depth: int | None = None,
) -> tuple[Ints, Ints]:
    """The suffix array and the longest-common-prefix array, each [n] int64.

    `depth`: sort no further than it takes to tell the first `depth` ids apart; common prefixes
    are cut to `depth`, and suffixes that agree so far stand in any order.

    O(n log n) per doubling round in the worst case (a period); in natural text nearly all
    suffixes part within a few rounds. Memory: about ten int64 arrays of the text's length.
    `on_round(depth, unsorted)` is called after each round, for progress.
    """
    if len(ids) == 0:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    sort = _Sort(ids, _remaining(len(ids), documents))
    unsorted = sort.with_equals(np.arange(len(ids)))
    while len(unsorted) and (depth is None or sort.depth < depth):
        if on_round is not None:
            on_round(sort.depth, len(unsorted))
        sort.double(unsorted)
        unsorted = sort.with_equals(unsorted)
    order, lcp = sort.order, sort.lcp
    same = np.flatnonzero(lcp == _UNKNOWN)  # equal to the one before it: to its end, or as far as was asked
    lcp[same] = sort.remaining[order[same]]
    if depth is not None:
        return order, np.minimum(lcp, depth)
    equal = np.union1d(same, same - 1)
    order[equal] = np.sort(sort.rank[order[equal]] * len(ids) + order[equal]) % len(ids)
    return order, lcp


def _remaining(length: int, documents: NDArray[np.integer[Any]] | None) -> Ints:
    """[n] ids from each position to the end of its document."""
    starts = np.zeros(1, dtype=np.int64) if documents is None or len(documents) == 0 else documents.astype(np.int64)
    ends = np.append(starts[1:], length)
    return np.repeat(ends, ends - starts) - np.arange(length)


class _Sort:
    """Suffixes sorted to `depth` ids.

    `order`: [n] positions. `rank`: [n] where in `order` the run of suffixes equal to i's so far
    begins. `lcp`: [n], `_UNKNOWN` inside a run. `keys`: [n] the first `width` ids at each position,
    each plus one in a field of `bits` bits, 0 past the document's end.
    """

    def __init__(self, ids: NDArray[np.integer[Any]], remaining: Ints) -> None:
        length = len(ids)
        self.remaining = remaining
        self.bits = max(1, (int(ids.max()) + 1).bit_length())
        self.width = self.depth = min(length, max(1, _KEY_BITS // self.bits))
        self.keys = np.zeros(length, dtype=np.int64)
        for ahead in range(self.width):
            self.keys <<= self.bits
            inside = slice(0, length - ahead)
            self.keys[inside] |= np.where(remaining[inside] > ahead, ids[ahead:].astype(np.int64) + 1, 0)
        self.order = np.argsort(self.keys)
        keys = self.keys[self.order]
        starts = np.append(True, keys[1:] != keys[:-1])
        self.rank = np.empty(length, dtype=np.int64)
        self.rank[self.order] = np.maximum.accumulate(np.where(starts, np.arange(length), 0))
        self.lcp = np.full(length, _UNKNOWN, dtype=np.int64)
        self.lcp[0] = 0
        parted = np.flatnonzero(starts)[1:]
        self.lcp[parted] = self._shared_fields(keys[parted - 1], keys[parted])

    def with_equals(self, slots: Ints) -> Ints:
        """Those of `slots` (whole runs of `order`) whose suffix has an equal so far that may yet differ from it.

        Equal to a depth that reaches past the end of one, they are equal for good.
        """
        if not len(slots):
            return slots
        positions = self.order[slots]
        ranks = self.rank[positions]
        equal = ranks[1:] == ranks[:-1]
        some = np.append(equal, False) | np.append(False, equal)
        undecided: Ints = slots[some & (self.remaining[positions] >= self.depth)]
        return undecided

    def double(self, unsorted: Ints) -> None:
        """Sort the `unsorted` slots, those that `with_equals` found, to twice the depth."""
        length, depth = len(self.order), self.depth
        positions = self.order[unsorted]
        goes_on = self.remaining[positions] > depth
        following = np.zeros(len(positions), dtype=np.int64)  # 0 where the document ends
        following[goes_on] = self.rank[positions[goes_on] + depth] + 1
        keys = self.rank[positions] * (length + 1) + following
        by_key = np.argsort(keys)
        keys, positions = keys[by_key], positions[by_key]
        first, following = keys // (length + 1), keys % (length + 1)
        starts = np.append(True, keys[1:] != keys[:-1])
        parted = np.flatnonzero(starts & np.append(False, first[1:] == first[:-1]))
        self.lcp[unsorted[parted]] = depth
        parted = parted[following[parted - 1] > 0]
        if len(parted) and depth <= _FEW_KEYS * self.width:
            shared = self._shared(positions[parted - 1] + depth, positions[parted] + depth)
            self.lcp[unsorted[parted]] += shared
        elif len(parted):
            # What follows the two lies in different runs, and shares as much as the least common
            # prefix between those; all of these are known, being shorter than `depth`.
            known = RangeMinimum(np.where(self.lcp == _UNKNOWN, length, self.lcp))
            self.lcp[unsorted[parted]] += known(following[parted - 1], following[parted])
        self.order[unsorted] = positions
        self.rank[positions] = np.maximum.accumulate(np.where(starts, unsorted, 0))
        self.depth = 2 * depth

    def _shared(self, first: Ints, second: Ints) -> Ints:
        """[q] how many ids two suffixes that differ share, key by key."""
        shared = np.zeros(len(first), dtype=np.int64)
        shorter = np.minimum(self.remaining[first], self.remaining[second])
        going = np.arange(len(first))
        while len(going):
            here = shared[going]
            more = self._shared_fields(self.keys[first[going] + here], self.keys[second[going] + here])
            shared[going] += more
            going = going[(more == self.width) & (shared[going] < shorter[going])]
        return shared

    def _shared_fields(self, first: Ints, second: Ints) -> Ints:
        """[q] how many fields, from the highest on, two keys share."""
        differ = first ^ second
        shared = np.zeros(len(first), dtype=np.int64)
        for fields in range(1, self.width + 1):
            shared += differ < 1 << (self.bits * (self.width - fields))
        return shared
