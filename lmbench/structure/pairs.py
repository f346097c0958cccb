"""How often one symbol stands d places after another, for an alphabet that the text can fill."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lmbench.entropy._symbols import Symbols

_PER_CELL = 10  # symbols of text for each cell of the table
_MOST = 512  # symbols of the reduced alphabet
_CHUNK = 1 << 18  # pairs at once: what the processor's cache holds
_LONG = 10_000  # symbols of a document, on average, from which on they are read one by one

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sequence:
    """A text over a reduced alphabet: the most frequent symbols, and one for all others.

    `codes`: [n] uint16, 0 the most frequent symbol; `size` of them, of which the last stands for all `merged`
    rarer ones where there are any. `documents`: [d] starts.
    """

    codes: NDArray[np.uint16]
    documents: NDArray[np.int64]
    size: int
    merged: int

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def kept(self) -> int:
        """Symbols of the alphabet that stand for themselves."""
        return self.size - bool(self.merged)

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.diff(self.documents, append=len(self))

    def pairs(self, distance: int) -> int:
        """How many pairs at that distance lie in one document."""
        return int(np.maximum(self.lengths - distance, 0).sum())

    def shuffled(self, rng: np.random.Generator) -> Sequence:
        """The same symbols in a random order: nothing depends on anything."""
        return replace(self, codes=rng.permutation(self.codes))

    def joint(self, distance: int) -> NDArray[np.int64]:
        """[size, size] how often symbol v stands `distance` after u, both in one document.

        "abab" at distance 1: ab twice, ba once.
        """
        counts = np.zeros(self.size**2, dtype=np.int64)
        few = len(self.documents) <= max(1, len(self) // _LONG)
        bounds = np.append(self.documents, len(self))
        # few documents are read one by one; of many, the pairs that cross from one to another are left out
        for begin, end in pairwise(bounds.tolist() if few else [0, len(self)]):
            for start in range(begin, end - distance, _CHUNK):
                stop = min(start + _CHUNK, end - distance)
                keys = self.codes[start:stop].astype(np.intp) * self.size
                keys += self.codes[start + distance : stop + distance]
                if not few:
                    places = np.arange(start, stop)
                    keys = keys[bounds[np.searchsorted(bounds, places, "right")] > places + distance]
                counts += np.bincount(keys, minlength=len(counts))
        return counts.reshape(self.size, self.size)


def sequence_of(symbols: Symbols) -> Sequence:
    """`symbols` over an alphabet whose pairs number at most a tenth of the text's symbols, and 512 at most."""
    counts = np.bincount(symbols.ids, minlength=symbols.alphabet)
    order = np.argsort(-counts, kind="stable")
    order = order[counts[order] > 0]
    room = max(2, min(_MOST, math.isqrt(len(symbols) // _PER_CELL)))
    merged = len(order) - (room - 1) if len(order) > room else 0
    size = min(len(order), room)
    table = np.full(max(1, symbols.alphabet), size - 1, dtype=np.uint16)
    table[order[:size]] = np.arange(size)
    return Sequence(table[symbols.ids], symbols.documents, size, merged)


def mutual_information(joint: NDArray[np.int64]) -> float:
    """Plug-in mutual information in bits of a table of counts, never negative.

    Worked example: [[1, 0], [0, 1]] has 1 bit, [[1, 1], [1, 1]] none.
    """
    total = joint.sum()
    if not total:
        return 0.0
    rows, columns = joint.sum(axis=1), joint.sum(axis=0)
    u, v = np.nonzero(joint)
    seen = joint[u, v].astype(np.float64)
    return max(0.0, float(seen @ np.log2(seen * total / (rows[u].astype(np.float64) * columns[v]))) / float(total))


def correlation(joint: NDArray[np.int64], kept: int) -> float:
    """Largest singular value of C_uv = p(u, v) - p(u) p(v) over the first `kept` symbols: its operator norm.

    Worked example: [[1, 0], [0, 1]] has C = [[1/4, -1/4], [-1/4, 1/4]], of norm 1/2.
    """
    total = joint.sum()
    if not total:
        return 0.0
    covariance = joint / total - np.outer(joint.sum(axis=1) / total, joint.sum(axis=0) / total)
    covariance = covariance[:kept, :kept]
    if kept <= 64:
        return float(np.linalg.norm(covariance, 2))
    from scipy.sparse.linalg import svds

    start = np.random.default_rng(0).standard_normal(kept)
    return float(svds(covariance, k=1, v0=start, tol=1e-6, return_singular_vectors=False)[0])
