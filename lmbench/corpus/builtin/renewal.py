"""A renewal process with heavy tails."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmbench.corpus.builtin._drawn import Drawn, entropy_bits
from lmbench.errors import UsageError

__all__ = ["Renewal"]


class Renewal(Drawn):
    """Events with independent gaps, P(gap = k) proportional to k ** -exponent: memory as long as a gap.

    `b` marks an event, `a` a step without one. No Markov chain of fixed order is this source.
    The entropy rate is exact, the entropy of a gap over its mean length (each gap is a word of
    a uniquely decodable code). The sample begins where a stationary process would, in a gap met
    with probability proportional to its length.

    Args:
        exponent: Of the gaps' power law; at most 2, most steps lie in gaps near the longest.
        longest: The longest gap.
        size: Symbols drawn.
        seed: Of the sample.
    """

    name = "renewal"

    def __init__(self, exponent: float = 2.5, longest: int = 10_000, size: int = 1_000_000, seed: int = 0) -> None:
        super().__init__(size, seed, symbols=2)
        if longest < 1 or exponent <= 0:
            raise UsageError("renewal: longest is at least 1, and exponent greater than 0")
        self.exponent, self.longest = exponent, longest
        self.gaps = np.arange(1, longest + 1)
        weights = self.gaps.astype(np.float64) ** -exponent
        self.probabilities = weights / weights.sum()

    def sample(self, random: np.random.Generator, size: int) -> NDArray[np.integer[Any]]:
        biased = self.gaps * self.probabilities
        met = int(random.choice(self.gaps, p=biased / biased.sum()))
        at = int(random.integers(met))  # steps left before the event that ends the gap met first
        drawn = np.zeros(size, dtype=np.uint8)
        while at < size:
            gaps = random.choice(self.gaps, size=1 + int((size - at) / self.mean), p=self.probabilities)
            events = at + np.concatenate([[0], np.cumsum(gaps)])
            drawn[events[events < size]] = 1
            at = int(events[-1])
        return drawn

    @property
    def mean(self) -> float:
        """Mean gap, in symbols."""
        return float(self.gaps @ self.probabilities)

    def entropy_rate(self) -> tuple[float, float]:
        return entropy_bits(self.probabilities) / self.mean, 0.0
