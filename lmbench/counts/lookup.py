"""A saved back-off model, asked where it lies: for short texts, without torch and without reading all of it.

The recursion is that of `BackoffModel.score`, in numpy and with the same sums in the same order, so that the numbers
are the same. What a number of the file leads to is checked where it is used, not before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmbench import files

Ints = NDArray[np.int64]
_BIAS = 1 << 15  # of tokens kept in 16 bits, see `counts.arrays.narrow`
_BLOCK, _ESCAPE = 16, 255  # of packed pointers, see `counts.compact.Pointers`
_HIGHEST = 1.0  # nats of a score: one that is no distribution may lie a little above zero


@dataclass(frozen=True, eq=False)
class Numbers:
    """A column of the file, plain or packed: `parts` are its arrays, one called "" where it is plain."""

    parts: dict[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(next(self.parts[name] for name in ("", "codes", "steps") if name in self.parts))

    def __getitem__(self, index: Ints) -> NDArray[Any]:
        parts = self.parts
        if "" in parts:
            return np.asarray(parts[""][index])
        if "codes" in parts:
            return np.asarray(parts["book"][parts["codes"][index]])
        steps = parts["steps"][index]
        found: NDArray[Any] = parts["bases"][index // _BLOCK].astype(np.int64) + steps
        escaped = np.flatnonzero(steps == _ESCAPE)
        if len(escaped):
            found[escaped] = parts["values"][np.searchsorted(parts["far"], index[escaped])]
        return found


@dataclass(frozen=True, eq=False)
class Lookup:
    """The n-grams of `counts.backoff.BackoffModel.save`; its fields there say what each is."""

    tokens: list[NDArray[Any]]  # of order 2 and on
    first: list[Numbers]
    log_probs: list[Numbers]
    log_backoffs: list[Numbers]
    end_of_text: int
    unseen_log_backoff: float

    @classmethod
    def open(cls, path: Path) -> Lookup:
        """Raises ValueError, or what `files.FAULTS` lists, where the file is no saved model; use within `whole`."""
        tensors = files.map_tensors(path)
        log_probs, backoffs, first = (_columns(tensors, name) for name in ("log_probs", "log_backoffs", "first"))
        order = len(log_probs)
        tokens = [tensors[f"tokens.{k}"] for k in range(2, order + 1)]
        if not order or len(backoffs) < order - 1 or len(first) < order - 1:
            raise ValueError("a level is missing")
        end = int(tensors["end_of_text"][0])
        if not 0 <= end < len(log_probs[0]):
            raise ValueError("its end of text is no token")
        unseen = float(tensors["unseen_log_backoff"][0])
        if not math.isfinite(unseen):
            raise ValueError("its back-off of what was not seen is no number")
        return cls(tokens, first, log_probs, backoffs, end, unseen)

    @property
    def size(self) -> int:
        """Types of its vocabulary."""
        return len(self.log_probs[0])

    def score(self, ids: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        """[n] nats: ln p of each token given those before it in its document.

        Raises ValueError or IndexError where the file leads out of its own levels.
        """
        text = np.empty(len(ids) + 1, dtype=np.int64)
        text[0], text[1:] = self.end_of_text, ids
        size = len(ids)
        scores: NDArray[np.float64] = self.log_probs[0][text[1:]].astype(np.float64)
        contexts, places = text[:-1], np.arange(size)
        for order in range(2, len(self.log_probs) + 1):
            if self.unseen_log_backoff:
                scores += self._unseen(text, order - 1, places) * self.unseen_log_backoff
            scores[places] += self.log_backoffs[order - 2][contexts]
            nodes, found = self._child(order, contexts, text[places + 1])
            nodes, places = nodes[found], places[found]
            scores[places] = self.log_probs[order - 1][nodes]
            if self.unseen_log_backoff:  # charged for every context, but none is one that a document ends
                inside = text[places + 1] != self.end_of_text
                nodes, places = nodes[inside], places[inside]
            contexts, places = nodes, places + 1
            if len(places) and places[-1] == size:
                contexts, places = contexts[:-1], places[:-1]
        if not (scores <= _HIGHEST).all():
            raise ValueError("a score is no logarithm of a probability")
        return scores

    def _unseen(self, text: Ints, length: int, places: Ints) -> NDArray[np.bool_]:
        """[n] tokens whose context of `length` lies within their document, but is not among `places`."""
        unseen = np.zeros(len(text) - 1, dtype=np.bool_)
        if length < len(text):
            unseen[length - 1 :] = True
            for back in range(length - 1):
                unseen[length - 1 :] &= text[length - 1 - back : len(text) - 1 - back] != self.end_of_text
            unseen[places] = False
        return unseen

    def _child(self, order: int, nodes: Ints, ids: Ints) -> tuple[Ints, NDArray[np.bool_]]:
        """([q] the n-gram of `order` that continues each of `nodes` with its id, [q] whether it is stored)."""
        level, first = self.tokens[order - 2], self.first[order - 2]
        wanted = ids - _BIAS if level.dtype == np.int16 else ids
        low, high = first[nodes].astype(np.int64), first[nodes + 1].astype(np.int64)
        if len(nodes) and not (low.min() >= 0 and (low <= high).all() and high.max() <= len(level)):
            raise ValueError(f"the children of an n-gram of order {order - 1} are no part of the next level")
        end = high.copy()
        while (open_ := low < high).any():
            middle = (low + high) >> 1
            below = open_ & (level[np.minimum(middle, len(level) - 1)] < wanted)
            low = np.where(below, middle + 1, low)
            high = np.where(open_ & ~below, middle, high)
        found = low < end
        found[found] = level[low[found]] == wanted[found]
        return low, found


def _columns(tensors: dict[str, NDArray[Any]], group: str) -> list[Numbers]:
    """The columns of a group, order by order."""
    columns: list[Numbers] = []
    while True:
        name = f"{group}.{len(columns) + 1}"
        parts = {key[len(name) + 1 :]: array for key, array in tensors.items() if f"{key}.".startswith(f"{name}.")}
        if not parts:
            return columns
        columns.append(Numbers(parts))
