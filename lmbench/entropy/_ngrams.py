"""How often each n-gram of a text occurs, for all orders from one sort."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lmbench.counts.suffix_array import Slots, sort_suffixes
from lmbench.entropy._symbols import Symbols

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The counts of counts of a sample: `multiplicity[j]` distinct things were seen `counts[j]` times.

    `counts`: [m] int64, ascending, positive. `multiplicity`: [m] int64. `log_cells`: the
    natural logarithm of how many distinct things there could be.
    """

    counts: NDArray[np.int64]
    multiplicity: NDArray[np.int64]
    log_cells: float

    @cached_property
    def total(self) -> int:
        """N, the size of the sample."""
        return int(self.counts @ self.multiplicity)

    @cached_property
    def distinct(self) -> int:
        """K, how many distinct things were seen."""
        return int(self.multiplicity.sum())

    @cached_property
    def singletons(self) -> int:
        """f_1, how many things were seen exactly once."""
        return int(self.multiplicity[self.counts == 1].sum())

    @property
    def coverage(self) -> float:
        """Good-Turing estimate of the probability of what was seen: 1 - f_1 / N (Good 1953)."""
        return 1.0 - self.singletons / self.total if self.total else 0.0


def spectrum_of(counts: NDArray[np.int64]) -> Spectrum:
    """The spectrum of a sample from the count of each thing it could hold: [3, 1, 1, 0] -> {1: 2, 3: 1}, 4 cells."""
    values, multiplicity = np.unique(counts[counts > 0], return_counts=True)
    return Spectrum(values.astype(np.int64), multiplicity.astype(np.int64), math.log(max(1, len(counts))))


@dataclass(frozen=True, eq=False)
class Order:
    """The n-grams of one order.

    `positions`: [w] where each window of n symbols begins, equal n-grams side by side.
    `sizes`: [g] how often each distinct n-gram occurs, in that order; `history_sizes`: [h]
    likewise, how often each distinct run of n-1 symbols occurs with any symbol after it.
    """

    n: int
    positions: Slots
    sizes: Ints
    history_sizes: Ints
    alphabet: int

    @cached_property
    def ngrams(self) -> Spectrum:
        """The spectrum of the n-grams."""
        return _spectrum(self.sizes, self.n * math.log(self.alphabet))

    @cached_property
    def histories(self) -> Spectrum:
        """The spectrum of the first n-1 symbols of the same windows."""
        return _spectrum(self.history_sizes, (self.n - 1) * math.log(self.alphabet))

    def surprisals(self) -> NDArray[np.float64]:
        """[w] bits of each window's last symbol given the others, by the counts themselves."""
        history = np.repeat(np.log2(self.history_sizes), self.history_sizes)
        history -= np.repeat(np.log2(self.sizes), self.sizes)
        return history


def _spectrum(sizes: Ints, log_cells: float) -> Spectrum:
    multiplicity = np.bincount(sizes)
    counts = np.flatnonzero(multiplicity)
    return Spectrum(counts.astype(np.int64), multiplicity[counts].astype(np.int64), log_cells)


def ngram_orders(symbols: Symbols, order: int, on_round: Callable[[int, int], None] | None = None) -> Iterator[Order]:
    """The n-grams of orders 1 .. `order`, or as far as the longest document reaches.

    One sort of all positions by the `order` symbols after them puts the n-grams of every order
    side by side; those of order n begin anew where fewer than n symbols are shared with the
    position before. Memory: that of the sort. N-grams do not cross
    documents. `on_round` is handed to `sort_suffixes`.
    """
    alphabet = max(1, len(np.unique(symbols.ids)))
    positions, shared = sort_suffixes(symbols.ids, symbols.documents, on_round, depth=order)
    windows = np.minimum(symbols.remaining, order).astype(np.int32)[positions]
    for n in range(1, order + 1):
        inside = windows >= n
        if not inside.any():
            return
        # What lies between two windows but is too short for one sorts before all that it begins.
        after_window = np.append(False, inside[:-1])
        yield Order(
            n,
            positions[inside],
            _run_lengths(((shared < n) | ~after_window)[inside]),
            _run_lengths(((shared < n - 1) | ~after_window)[inside]),
            alphabet,
        )


def _run_lengths(starts: NDArray[np.bool_]) -> Ints:
    """[runs] the length of each run, from [w] flags of where runs start."""
    return np.diff(np.flatnonzero(starts), append=len(starts))
