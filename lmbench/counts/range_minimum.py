"""Minima over ranges of an array, and the nearest smaller value, for many queries at once.

A complete binary tree of minima over the array (a segment tree), walked level by level for
all queries together, so that n queries cost O(log n) numpy operations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


class RangeMinimum:
    """Minima of `values` [n]. Memory: at most 4n of the smallest type that holds the values, made by `empty`.

    `unknown`: a value that counts as n, for those that are not known to be less.
    """

    def __init__(
        self,
        values: NDArray[np.integer[Any]],
        empty: Callable[[Any, int], NDArray[Any]] = lambda kind, size: np.empty(size, kind),
        unknown: int | None = None,
    ) -> None:
        length = max(1, len(values))
        self.length = len(values)
        self.leaves = 1 << (length - 1).bit_length()
        self.greatest = max(int(values.max(initial=0)), 0 if unknown is None else len(values)) + 1
        narrow = self.greatest < 1 << 31 and int(values.min(initial=0)) >= -(1 << 31)
        self.tree: NDArray[np.signedinteger[Any]] = empty(np.int32 if narrow else np.int64, 2 * self.leaves)
        self.tree[:] = self.greatest
        leaves = self.tree[self.leaves : self.leaves + len(values)]
        leaves[:] = values
        if unknown is not None:
            leaves[leaves == unknown] = len(values)
        low = self.leaves
        while low > 1:
            level = self.tree[low : 2 * low]
            np.minimum(level[0::2], level[1::2], out=self.tree[low // 2 : low])
            low //= 2

    def __call__(self, starts: Ints, ends: Ints) -> Ints:
        """[q] the least of `values[starts[j]:ends[j]]`; the ranges are not empty."""
        left, right = starts.astype(np.int64) + self.leaves, ends.astype(np.int64) + self.leaves
        least = np.full(len(starts), self.greatest, dtype=self.tree.dtype)
        going = np.arange(len(starts))
        while len(going):
            here, there = left[going], right[going]
            odd = here & 1 == 1
            least[going[odd]] = np.minimum(least[going[odd]], self.tree[here[odd]])
            here += odd
            odd = there & 1 == 1
            there -= odd
            least[going[odd]] = np.minimum(least[going[odd]], self.tree[there[odd]])
            left[going], right[going] = here >> 1, there >> 1
            going = going[left[going] < right[going]]
        return least.astype(np.int64)

    def nearest_before(self, at: Ints, below: NDArray[np.integer[Any]]) -> Ints:
        """[q] the greatest index < `at[j]` whose value is < `below[j]`; -1 where there is none.

        Worked example, values 3 1 2: before index 2, the nearest below 2 is index 1; below 1, none (-1).
        """
        return self._nearest(at, below, 1, -1)

    def nearest_after(self, at: Ints, below: NDArray[np.integer[Any]]) -> Ints:
        """[q] the least index > `at[j]` whose value is < `below[j]`; the length of `values` where there is none.

        Worked example, values 3 1 2: after index 0, the nearest below 3 is index 1; below 1, none (3).
        """
        return self._nearest(at, below, 0, self.length)

    def _nearest(self, at: Ints, below: NDArray[np.integer[Any]], side: int, none: int) -> Ints:
        """The nearest leaf below its threshold, to the left (`side` 1) or to the right (0) of each."""
        found = np.full(len(at), none, dtype=np.int64)
        node, going = at + self.leaves, np.arange(len(at))
        height = 0
        while len(going) and height < self.leaves.bit_length() - 1:
            # Climb: where a node's sibling on that side holds a smaller value, go down there.
            hit = (node & 1 == side) & (self.tree[node ^ 1] < below[going])
            if hit.any():
                found[going[hit]] = self._down(node[hit] ^ 1, height, below[going[hit]], side)
            node, going = node[~hit] >> 1, going[~hit]
            height += 1
        return found

    def _down(self, node: Ints, height: int, below: NDArray[np.integer[Any]], side: int) -> Ints:
        """Of the leaves under each `node`, `height` levels up, whose value is < `below` the last (1) or first (0)."""
        for _ in range(height):
            node = 2 * node + side
            node ^= self.tree[node] >= below
        return node - self.leaves
