"""How a text goes along with an indexed one, for all of its positions at once.

Short matches are extended token by token, all positions in step. What matches on beyond that is
found by doubling: where an n-gram and the one after it are both known as runs of slots, their
join is a bisection, so that a passage copied word for word costs the logarithm of its length.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmbench.counts.bisection import Ints
from lmbench.counts.suffix_index import SuffixIndex


@dataclass(eq=False)
class Level:
    """The positions of a text whose context of `depth` tokens was seen in training with something after it.

    `positions`: [q] of the tokens predicted. `low`, `high`: [q] the run of each context, those
    occurrences alone that something follows. `child_low`, `child_high`: [q] the run of the context with the
    token at the position; empty where that was not seen. `depth`: one for all, or [q].
    """

    depth: int | Ints
    positions: Ints
    low: Ints
    high: Ints
    child_low: Ints
    child_high: Ints

    def part(self, mask: NDArray[np.bool_]) -> Level:
        depth = self.depth if isinstance(self.depth, int) else self.depth[mask]
        arrays = (self.positions, self.low, self.high, self.child_low, self.child_high)
        return Level(depth, *(array[mask] for array in arrays))


class Matches:
    """Matches of `text` ([n] ids, each document after an end of text) with the text of `index`.

    No match reaches beyond the end of text that ends its document. `limit`: the length from
    which on matches are found by doubling; of contexts longer than that only the longest counts.
    """

    def __init__(self, index: SuffixIndex, text: NDArray[np.integer[Any]], limit: int = 16) -> None:
        self.index = index
        self.text = np.asarray(text).astype(np.int64)
        self.limit = limit

    def levels(self) -> Iterator[Level]:
        """The contexts of 0, 1, .. `limit` tokens; last, where longer ones were seen, the longest of each position."""
        survivors = yield from self._shallow()
        if len(survivors[0]):
            yield _Long(self, *survivors).level()

    def longest(self) -> Ints:
        """[n] how many tokens from each position on occur in the indexed text in one piece, the end of text included.

        Worked example: against "a b a b b", the text "$ b a a b" has the lengths 1 2 1 2 1.
        """
        lengths = np.zeros(len(self.text), dtype=np.int64)
        lengths[:1] = 1
        levels = self._shallow()
        while True:
            try:
                level = next(levels)
            except StopIteration as done:
                survivors = done.value
                break
            assert isinstance(level.depth, int)
            matched = level.child_low < level.child_high
            lengths[level.positions[matched] - level.depth] = level.depth + 1
        if len(survivors[0]):
            deep = _Long(self, *survivors)
            lengths[deep.starts] = deep.lengths
        return lengths

    def _shallow(self) -> Generator[Level, None, tuple[Ints, Ints, Ints]]:
        """Yields the levels up to `limit`; returns starts and runs of the matches of `limit` + 1 tokens."""
        index, text = self.index, self.text
        size = len(text)
        positions = np.arange(1, size)
        zero = np.zeros(len(positions), dtype=np.int64)
        child = index.begin(text[1:])
        yield Level(0, positions, zero, zero + len(index), *child)
        starts = np.arange(0, max(0, size - 1))
        low, high = index.begin(text[:-1])
        by_slot = np.argsort(low, kind="stable")  # lanes side by side in the array are side by side in memory
        starts, low, high = starts[by_slot], low[by_slot], high[by_slot]
        for depth in range(1, self.limit + 1):
            low = index.followed(low, high, depth)
            seen = low < high
            starts, low, high = starts[seen], low[seen], high[seen]
            if not len(starts):
                break
            targets = starts + depth
            child = index.refine(low, high, depth, text[targets])
            yield Level(depth, targets, low, high, *child)
            goes_on = (child[0] < child[1]) & (text[targets] != index.end_of_text) & (targets + 1 < size)
            starts, low, high = starts[goes_on], child[0][goes_on], child[1][goes_on]
        by_start = np.argsort(starts)
        return starts[by_start], low[by_start], high[by_start]


class _Long:
    """The matches longer than the limit. `starts`: [m] ascending; `lengths`: [m] of the longest match from each.

    `tables[j]`: (starts, low, high) of all n-grams of `unit` 2^j tokens of the text that occur in the indexed one.
    """

    def __init__(self, matches: Matches, starts: Ints, low: Ints, high: Ints) -> None:
        self.index, self.text = matches.index, matches.text
        self.unit = matches.limit + 1
        ends = np.append(np.flatnonzero(self.text == self.index.end_of_text), len(self.text))
        self.ends = ends[np.searchsorted(ends, np.arange(len(self.text)), "right")]  # of the document after each start
        self.starts = starts
        self.tables = [(starts, low, high)]
        while self._double():
            pass
        self.lengths, self.low, self.high = self._longest()

    def _double(self) -> bool:
        starts, low, high = self.tables[-1]
        size = self.unit << (len(self.tables) - 1)
        then = self._look_up(len(self.tables) - 1, starts + size)
        both = (then[0] < then[1]) & (starts + 2 * size <= self.ends[starts] + 1)
        begin, end = self.index.join(low[both], high[both], size, (then[0][both], then[1][both]))
        found = begin < end
        if not found.any():
            return False
        self.tables.append((starts[both][found], begin[found], end[found]))
        return True

    def _look_up(self, table: int, at: Ints) -> tuple[Ints, Ints]:
        """The runs in a table at the positions `at`; empty where it has none."""
        starts, low, high = self.tables[table]
        place = np.minimum(np.searchsorted(starts, at), len(starts) - 1)
        there = starts[place] == at
        return np.where(there, low[place], 0), np.where(there, high[place], 0)

    def _longest(self) -> tuple[Ints, Ints, Ints]:
        most = self.ends[self.starts] - self.starts + 1
        return self._walk(self.starts, np.minimum(most, len(self.text) - self.starts))

    def _walk(self, starts: Ints, most: Ints) -> tuple[Ints, Ints, Ints]:
        """(lengths, low, high): as far from each start as the indexed text goes along, `most` tokens at most."""
        lengths = np.zeros(len(starts), dtype=np.int64)
        low, high = lengths.copy(), np.full(len(starts), len(self.index))
        for table in reversed(range(len(self.tables))):
            size = self.unit << table
            lanes = np.flatnonzero(lengths + size <= most)
            then = self._look_up(table, starts[lanes] + lengths[lanes])
            lanes, then = lanes[then[0] < then[1]], (then[0][then[0] < then[1]], then[1][then[0] < then[1]])
            self._extend(
                lanes, self.index.join(low[lanes], high[lanes], lengths[lanes], then), size, lengths, low, high
            )
        for _ in range(self.unit):
            lanes = np.flatnonzero(lengths < most)
            tokens = self.text[starts[lanes] + lengths[lanes]]
            runs = self.index.refine(low[lanes], high[lanes], lengths[lanes], tokens)
            self._extend(lanes, runs, 1, lengths, low, high)
        return lengths, low, high

    @staticmethod
    def _extend(lanes: Ints, runs: tuple[Ints, Ints], by: int, lengths: Ints, low: Ints, high: Ints) -> None:
        found = runs[0] < runs[1]
        lanes = lanes[found]
        low[lanes], high[lanes] = runs[0][found], runs[1][found]
        lengths[lanes] += by

    def level(self) -> Level:
        """For each position with a context longer than the limit, the longest one.

        A match from s of m tokens is the context of s + m, and of all positions before that as far
        as no earlier start reaches them.
        """
        reach = np.minimum(self.starts + self.lengths, np.minimum(self.ends[self.starts], len(self.text) - 1))
        before = np.concatenate([[0], reach[:-1]])
        first = np.maximum(self.starts + self.unit, before + 1)
        counts = np.maximum(reach - first + 1, 0)
        starts = np.repeat(self.starts, counts)
        within = np.arange(len(starts)) - np.repeat(np.cumsum(counts) - counts, counts)
        positions = np.repeat(first, counts) + within
        depth, low, high = self._walk(starts, positions - starts)
        low = self.index.followed(low, high, depth)
        child = self.index.refine(low, high, depth, self.text[positions])
        level = Level(depth, positions, low, high, *child)
        return level.part(low < high)
