"""How far each place of a text repeats what stands before it, for all places at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lmbench.counts.parallel import coarse_threads, over_chunks
from lmbench.counts.range_minimum import Ints, RangeMinimum
from lmbench.counts.suffix_array import Slots, sort_suffixes


def longest_earlier_matches(
    ids: NDArray[np.integer[Any]], window: int | None = None, on_round: Callable[[int, int], None] | None = None
) -> Ints:
    """[n] int64: the length of the longest run of ids at i that also begins at some j < i.

    A match may run on into itself (j + length > i), as in Lempel-Ziv parsing; `window`: j is at
    least i - window. Of all earlier places the best match is one of the two nearest to i in the
    suffix array (Crochemore & Ilie 2008), which a tree of minima finds for all i together.
    O(n log n); memory linear. `on_round` is handed to `sort_suffixes`.

    Worked example, "abaab": 0 0 1 2 1; with a window of 2: 0 0 1 1 0.
    """
    length = len(ids)
    if length == 0:
        return np.zeros(0, dtype=np.int64)
    order, lcp = sort_suffixes(ids, on_round=on_round)
    shared = RangeMinimum(lcp)
    del lcp
    if window is None or window >= length:
        return _nearest_in_all(order, shared)
    return _nearest_in_window(order.astype(np.int64), shared, max(1, window))


def _nearest_in_all(order: Slots, shared: RangeMinimum) -> Ints:
    """[n] the longest match with any earlier place."""
    length = len(order)
    best = np.empty(length, dtype=np.int64)
    earlier = RangeMinimum(order)

    def match(chunk: slice) -> None:
        slots = np.arange(chunk.start, chunk.stop)
        places = order[chunk]
        before, after = earlier.nearest_before(slots, places), earlier.nearest_after(slots, places)
        found = np.zeros(len(slots), dtype=np.int64)
        there = np.flatnonzero(before >= 0)
        found[there] = shared(before[there] + 1, slots[there] + 1)
        there = np.flatnonzero(after < length)
        found[there] = np.maximum(found[there], shared(slots[there] + 1, after[there] + 1))
        best[places] = found

    with coarse_threads():
        over_chunks(match, length, torch.device("cpu"))
    return best


def _nearest_in_window(order: Ints, shared: RangeMinimum, window: int) -> Ints:
    """[n] the longest match with a place at most `window` back.

    The text is cut into chunks of `window`. What i may match lies in its own chunk before i,
    or in the chunk before at i - window or later; so each chunk is sorted together with the one
    before it, by rank, and each of the two conditions is a search for the nearest smaller value.
    """
    length = len(order)
    slot = np.empty(length, dtype=np.int64)
    slot[order] = np.arange(length)
    positions = np.arange(length)
    chunk = positions // window
    # A pair holds the places of its own chunk and, as candidates only, those of the chunk before.
    older = positions[chunk < chunk[-1]]
    place = np.concatenate([positions, older])
    pair = np.concatenate([chunk, chunk[older] + 1])
    own = np.arange(len(place)) < length
    by_rank = np.argsort(pair * length + slot[place])
    place, pair, own = place[by_rank], pair[by_rank], own[by_rank]

    best = np.zeros(length, dtype=np.int64)
    out_of_reach = 2 * length
    conditions = (
        (np.where(own, place, out_of_reach), place),  # own chunk: j < i
        (np.where(own, out_of_reach, -place), window + 1 - place),  # chunk before: -j < window + 1 - i
    )
    for values, below in conditions:
        for step in (1, -1):
            found = _nearest(values[::step], below[::step], own[::step])
            asked = np.flatnonzero(own[::step])
            here, there = place[::step], pair[::step]
            hit = found >= 0
            asked, found = asked[hit], found[hit]
            same = there[asked] == there[found]
            i, j = here[asked[same]], here[found[same]]
            low, high = np.minimum(slot[i], slot[j]), np.maximum(slot[i], slot[j])
            best[i] = np.maximum(best[i], shared(low + 1, high + 1))
    return best


def _nearest(values: Ints, below: Ints, asked: NDArray[np.bool_]) -> Ints:
    """For each asked entry, the nearest earlier entry whose value is below its threshold; -1 for none."""
    at = np.flatnonzero(asked)
    return RangeMinimum(values).nearest_before(at, below[at])
