"""Suffix arrays with their longest common prefixes.

A suffix array lists a text's positions in the lexicographic order of what follows them, so
that every occurrence of every n-gram is one contiguous run. It is built by prefix doubling
(Manber & Myers 1993; Larsson & Sadakane 2007): sorted to depth h, the ranks at i and i+h are
the order to depth 2h. Each round sorts those suffixes alone that still have an equal, in parts
that fit a processor's cache, side by side on all threads; the common prefixes come out of the
same rounds.

    text  a b a a b     suffixes in order: a a b | a b | a b a a b | b | b a a b
                        suffix array: 2 3 0 4 1     common prefix with the one before: 0 1 2 0 1
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lmbench.counts.grouping import grouped
from lmbench.counts.parallel import chunks, coarse_threads, over_chunks, over_parts
from lmbench.counts.range_minimum import RangeMinimum
from lmbench.disk import Arrays, in_memory

Ints = NDArray[np.int64]
Slots = NDArray[np.signedinteger[Any]]
_CPU = torch.device("cpu")
_KEY_BITS = 63
_UNKNOWN = -1
_FEW_KEYS = 4  # up to this depth in keys, comparing keys is faster than a tree of minima
_PART = 1 << 18  # suffixes that are sorted at a time, and more where more of them are equal so far


def suffix_array(ids: NDArray[np.integer[Any]], documents: NDArray[np.integer[Any]] | None = None) -> Slots:
    """[n]: positions ordered by their suffixes; a suffix ends with its document.

    `ids`: [n] non-negative. `documents`: [d] start offsets, ascending; None: one document.
    A suffix sorts after its proper prefixes, and equal suffixes (of two documents) by position.
    """
    return sort_suffixes(ids, documents)[0]


def lcp_array(
    ids: NDArray[np.integer[Any]], sa: Slots | None = None, documents: NDArray[np.integer[Any]] | None = None
) -> Slots:
    """[n]: how many ids the suffix at `sa[r]` shares with the one at `sa[r - 1]`; 0 at r = 0.

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
    arrays: Arrays = in_memory,
) -> tuple[Slots, Slots]:
    """The suffix array and the longest-common-prefix array, each [n] int32, or int64 from 2^31 ids on.

    `depth`: sort no further than it takes to tell the first `depth` ids apart; common prefixes
    are cut to `depth`, and suffixes that agree so far stand in any order.

    O(n log n) per doubling round in the worst case (a period); in natural text nearly all
    suffixes part within a few rounds. Memory: about 40 bytes an id; `arrays` puts all that grows with the text
    elsewhere, such as into files, and what is left is a few parts, each 1/256 of the text or a run of equal suffixes.
    `on_round(depth, unsorted)` is called after each round, for progress.
    """
    narrow = np.int32 if len(ids) < 1 << 31 else np.int64
    if len(ids) == 0:
        return np.zeros(0, dtype=narrow), np.zeros(0, dtype=narrow)
    with coarse_threads():
        sort = _Sort(ids, _remaining(len(ids), documents, narrow, arrays), arrays)
        unsorted = sort.by_keys()
        while len(unsorted) and (depth is None or sort.depth < depth):
            if on_round is not None:
                on_round(sort.depth, len(unsorted))
            unsorted = sort.double(unsorted)
    order, lcp = sort.order, sort.lcp
    same = np.flatnonzero(lcp == _UNKNOWN)  # equal to the one before it: to its end, or as far as was asked
    lcp[same] = sort.remaining[order[same]]
    if depth is not None:
        return order, np.minimum(lcp, depth, out=lcp)
    equal = np.union1d(same, same - 1)
    at = order[equal].astype(np.int64)
    order[equal] = np.sort(sort.rank[at] * len(ids) + at) % len(ids)
    return order, lcp


def _remaining(
    length: int, documents: NDArray[np.integer[Any]] | None, narrow: type[np.signedinteger[Any]], arrays: Arrays
) -> Slots:
    """[n] ids from each position to the end of its document."""
    if documents is None or len(documents) == 0:
        whole: Slots = arrays("remaining", narrow, length)
        for chunk in chunks(length, _CPU):
            whole[chunk] = np.arange(length - chunk.start, length - chunk.stop, -1, dtype=narrow)
        return whole
    starts = documents.astype(np.int64)
    ends = np.append(starts[1:], length)
    remaining: Slots = np.repeat(ends.astype(narrow), ends - starts)
    remaining -= np.arange(length, dtype=narrow)
    return remaining


def _put(slots: Slots, into: Slots, part: slice) -> slice:
    """Put `slots`, which are no more, at the beginning of `part`; returns where they are."""
    piece = slice(part.start, part.start + len(slots))
    into[piece] = slots
    return piece


def _compacted(slots: Slots, pieces: list[slice]) -> Slots:
    """The pieces, ascending, moved side by side to the beginning, in place."""
    at = 0
    for piece in pieces:
        width = piece.stop - piece.start
        slots[at : at + width] = slots[piece]
        at += width
    return slots[:at]


class _Sort:
    """Suffixes sorted to `depth` ids.

    `order`: [n] positions. `rank`: [n] where in `order` the run of suffixes equal to i's so far
    begins. `lcp`: [n], `_UNKNOWN` inside a run. `keys`: [n] the first `width` ids at each position,
    each plus one in a field of `bits` bits, 0 past the document's end.
    """

    def __init__(self, ids: NDArray[np.integer[Any]], remaining: Slots, arrays: Arrays) -> None:
        length = len(ids)
        self.arrays = arrays
        self.remaining = remaining
        self.bits = max(1, (int(ids.max()) + 1).bit_length())
        self.width = self.depth = min(length, max(1, _KEY_BITS // self.bits))
        self.keys = arrays("keys", np.int64, length)

        def fill(chunk: slice) -> None:
            keys, left = self.keys[chunk], remaining[chunk]
            keys[:] = 0
            for ahead in range(self.width):
                keys <<= self.bits
                following = ids[chunk.start + ahead : chunk.stop + ahead].astype(np.int64)
                following += 1
                there = slice(0, len(following))
                keys[there] |= following * (left[there] > ahead)

        over_chunks(fill, length, _CPU)

    def by_keys(self) -> Slots:
        """Sort all suffixes by their keys; returns the slots of those that are still to be told from others."""
        length, narrow = len(self.keys), self.remaining.dtype
        copy = self.arrays("keys.1", np.int64, length)
        copy[:] = self.keys
        keys, places, parts = grouped(
            torch.from_numpy(copy), self.bits * self.width, None if self.arrays is in_memory else self.arrays
        )
        del copy
        self.order, self.rank = (self.arrays(name, narrow, length) for name in ("order", "rank"))
        self.lcp = self.arrays("lcp", narrow, length)
        self.lcp[:] = _UNKNOWN
        undecided = self.arrays("unsorted", narrow, length)

        def sort(part: slice) -> tuple[slice, int, int]:
            own = keys[part].numpy()
            by_key = np.arange(len(own)) if own.min() == own.max() else np.argsort(own)
            own, positions = own[by_key], places[part].numpy()[by_key]
            slots = np.arange(part.start, part.stop, dtype=narrow)
            starts = np.append(True, own[1:] != own[:-1])
            parted = np.flatnonzero(starts)[1:]
            self.order[part] = positions
            self.lcp[part.start + parted] = self._shared_fields(own[parted - 1], own[parted])
            return _put(self._ranked(slots, positions, starts), undecided, part), int(own[0]), int(own[-1])

        found = over_parts(sort, parts, _CPU)
        self.lcp[0] = 0
        begun = np.array([part.start for part in parts[1:]], dtype=np.int64)
        before = np.array([last for _, _, last in found[:-1]], dtype=np.int64)
        self.lcp[begun] = self._shared_fields(before, np.array([first for _, first, _ in found[1:]], dtype=np.int64))
        return _compacted(undecided, [piece for piece, _, _ in found])

    def double(self, unsorted: Slots) -> Slots:
        """Sort the `unsorted` slots, whole runs of `order`, to twice the depth; returns those that are left."""
        depth, before = self.depth, self.arrays("before", self.rank.dtype, len(self.rank))
        before[:] = self.rank
        self.depth = 2 * depth
        known = None
        if depth > _FEW_KEYS * self.width:
            known = RangeMinimum(self.lcp, lambda kind, size: self.arrays("minima", kind, size), _UNKNOWN)

        def sort(part: slice) -> slice:
            slots = unsorted[part].copy()
            positions = self.order[slots].astype(np.int64)
            following = np.zeros(len(positions), dtype=np.int64)  # 0 where the document ends
            goes_on = np.flatnonzero(self.remaining[positions] > depth)
            following[goes_on] = before[positions[goes_on] + depth] + 1
            first = before[positions].astype(np.int64)
            keys = first * (len(before) + 1) + following
            by_key = np.argsort(keys)
            keys, positions, following = keys[by_key], positions[by_key], following[by_key]
            starts = np.append(True, keys[1:] != keys[:-1])
            parted = np.flatnonzero(starts & np.append(False, first[1:] == first[:-1]))
            self.lcp[slots[parted]] = depth
            parted = parted[following[parted - 1] > 0]
            if known is None:
                shared = self._shared(positions[parted - 1] + depth, positions[parted] + depth)
            else:
                # What follows the two lies in different runs, and shares as much as the least common
                # prefix between those; all of these are known, being shorter than `depth`.
                shared = known(following[parted - 1], following[parted])
            self.lcp[slots[parted]] += shared.astype(slots.dtype)
            self.order[slots] = positions
            return _put(self._ranked(slots, positions, starts), unsorted, part)

        return _compacted(unsorted, over_parts(sort, self._parts(unsorted), _CPU))

    def _parts(self, unsorted: Slots) -> list[slice]:
        """Pieces of about `_PART` of the `unsorted` slots, cut where a run of suffixes that are equal so far begins."""
        at = np.arange(_PART, len(unsorted), _PART)
        begun = self.rank[self.order[unsorted[at]]]  # a run begins at the slot that is its rank
        bounds = np.unique([0, *np.searchsorted(unsorted, begun), len(unsorted)]).tolist()
        return [slice(start, stop) for start, stop in pairwise(bounds)]

    def _ranked(self, slots: Slots, positions: Slots, starts: NDArray[np.bool_]) -> Slots:
        """Rank whole runs, of which `starts` says where they begin; returns those that are still to be sorted.

        Those are the slots whose suffix has an equal so far that may yet differ from it: equal to a depth that
        reaches past the end of one, they are equal for good.
        """
        self.rank[positions] = slots[np.maximum.accumulate(np.where(starts, np.arange(len(slots)), 0))]
        alone = starts & np.append(starts[1:], True)
        undecided: Slots = slots[~alone & (self.remaining[positions] >= self.depth)]
        return undecided

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
