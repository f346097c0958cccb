"""What a suffix index keeps of the common prefixes: where continuations change, and left neighbours.

Both are made chunk by chunk, so that they need no more memory than a chunk where their arrays are files.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lmbench.counts.bisection import Ints
from lmbench.disk import Arrays, in_memory
from lmbench.tokens import Ids

if TYPE_CHECKING:
    from lmbench.counts.suffix_array import Slots

_CHUNK = 1 << 20  # tokens looked at at a time


def by_depth(shared: Slots, arrays: Arrays) -> tuple[Slots, Ints, Ints]:
    """The slots from 1 on by (shared, slot), the distinct values of `shared`, and where the slots of each start.

    Without those that share more with the slot before than either neighbour does with the one before it. Sorted by
    counting, chunk by chunk.
    """
    found: dict[int, int] = {}
    for _, keys in _branching(shared):
        for key, count in zip(*(part.tolist() for part in np.unique(keys, return_counts=True)), strict=True):
            found[key] = found.get(key, 0) + count
    depths = np.array(sorted(found), dtype=np.int64)
    starts = np.cumsum([0, *(found[depth] for depth in depths.tolist())], dtype=np.int64)
    branches: Slots = arrays("branches", shared.dtype, int(starts[-1]))
    ahead = starts[:-1].copy()  # where the next slot of each depth goes
    for slots, keys in _branching(shared):
        row = np.searchsorted(depths, keys)
        order = np.argsort(row, kind="stable")
        row = row[order]
        heads = np.flatnonzero(np.diff(row, prepend=-1))
        counts = np.diff(np.append(heads, len(row)))
        branches[ahead[row] + np.arange(len(row)) - np.repeat(heads, counts)] = slots[order]
        ahead[row[heads]] += counts
    return branches, depths, starts


def _branching(shared: Slots) -> Iterator[tuple[Ints, Slots]]:
    """Chunk by chunk, the slots that `by_depth` keeps, and what each shares with the one before it."""
    for start in range(1, len(shared), _CHUNK):
        stop = min(start + _CHUNK, len(shared))
        keys, before, after = shared[start:stop], shared[start - 1 : stop - 1].copy(), shared[start + 1 : stop + 1]
        if start == 1:
            before[0] = -1
        if stop == len(shared):
            after = np.append(after, np.full(1, -1, dtype=shared.dtype))
        kept = np.flatnonzero((keys <= before) | (keys <= after))
        yield kept + start, keys[kept]


def left_neighbours(
    text: Ids, positions: Slots, shared: Slots, end_of_text: int, arrays: Arrays = in_memory
) -> NDArray[np.uint8]:
    """[n] uint8, cut at 255: how many tokens each suffix shares with the last before it of the same left neighbour.

    Of a run of slots that share k tokens, those whose value is below k stand each for another left
    neighbour: N1+(. w1..wk), Kneser and Ney's continuation count, is a count of small values.
    An n-gram that begins a document has nothing before it and keeps its count, as in KenLM and
    SRILM: beyond the end of text itself, every slot there counts.

    Worked example above: 0 1 0 for "b", two of them below 1: its left neighbours are a and b.
    """
    # The suffixes one token longer to the left stand in the same order where that token is the same.
    longer, before, left = (arrays(name, np.uint8, len(text)) for name in ("longer", "shorter", "left"))
    chunks = [slice(start, min(start + _CHUNK, len(text))) for start in range(0, len(text), _CHUNK)]
    for chunk in chunks:
        longer[positions[chunk]] = np.minimum(shared[chunk], 255)
    for chunk in chunks:
        here = longer[max(0, chunk.start - 1) : chunk.stop - 1]
        if chunk.start == 0:
            here = np.append(np.full(1, 2, dtype=np.uint8), here)
        here = np.where(here == 255, 255, np.maximum(here, 1) - 1).astype(np.uint8)
        beginning = text[chunk] == end_of_text
        here[beginning] = np.minimum(here[beginning], 1)
        before[chunk] = here
    for chunk in chunks:
        left[chunk] = before[positions[chunk]]
    return left
