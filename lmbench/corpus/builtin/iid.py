"""Independent draws."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lmbench.corpus.builtin._drawn import Drawn, entropy_bits

__all__ = ["Iid"]


class Iid(Drawn):
    """Independent draws, uniform or by Zipf's law; the entropy rate is exact: the entropy of one draw.

    Args:
        symbols: Size of the alphabet.
        distribution: Uniform, or zipf: the r-th symbol has probability proportional to 1 / r ** exponent.
        exponent: Of Zipf's law.
        size: Symbols drawn.
        seed: Of the sample.
    """

    name = "iid"

    def __init__(
        self,
        symbols: int = 26,
        distribution: Literal["uniform", "zipf"] = "uniform",
        exponent: float = 1.0,
        size: int = 1_000_000,
        seed: int = 0,
    ) -> None:
        super().__init__(size, seed, symbols)
        self.distribution = distribution
        self.exponent = exponent
        weights = np.arange(1, symbols + 1, dtype=np.float64) ** (-exponent if distribution == "zipf" else 0.0)
        self.probabilities = weights / weights.sum()

    def sample(self, random: np.random.Generator, size: int) -> NDArray[np.integer[Any]]:
        return random.choice(self.symbols, size=size, p=self.probabilities)

    def entropy_rate(self) -> tuple[float, float]:
        return entropy_bits(self.probabilities), 0.0
