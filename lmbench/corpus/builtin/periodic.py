"""A period."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmbench.corpus.builtin._drawn import Drawn
from lmbench.errors import UsageError

__all__ = ["Periodic"]


class Periodic(Drawn):
    """A random word repeated without end, begun at a random place; the entropy rate is exactly 0.

    Args:
        period: Length of the word.
        symbols: Size of the alphabet the word is drawn from.
        size: Symbols drawn.
        seed: Of the word and of where it begins.
    """

    name = "periodic"

    def __init__(self, period: int = 7, symbols: int = 4, size: int = 1_000_000, seed: int = 0) -> None:
        super().__init__(size, seed, symbols)
        if period < 1:
            raise UsageError(f"periodic: period must be at least 1, not {period}")
        self.period = period
        self.word = self._of_source.integers(symbols, size=period)

    def sample(self, random: np.random.Generator, size: int) -> NDArray[np.integer[Any]]:
        drawn: NDArray[np.integer[Any]] = self.word[(random.integers(self.period) + np.arange(size)) % self.period]
        return drawn

    def entropy_rate(self) -> tuple[float, float]:
        return 0.0, 0.0
