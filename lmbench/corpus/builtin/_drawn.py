"""What the sources drawn at random share: symbols become ASCII letters, and the true rate goes with the text."""

from __future__ import annotations

import inspect
import string
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmbench.corpus.spool import Spools
from lmbench.errors import UsageError
from lmbench.progress import Progress

_LETTERS = np.frombuffer((string.ascii_lowercase + string.ascii_uppercase + string.digits).encode("ascii"), np.uint8)
MOST_SYMBOLS = len(_LETTERS)


class Drawn(ABC):
    """A stationary source of known entropy rate, one character a symbol."""

    name: str

    def __init__(self, size: int, seed: int, symbols: int) -> None:
        if size < 1:
            raise UsageError(f"{self.name}: size must be at least 1, not {size}")
        if not 1 <= symbols <= MOST_SYMBOLS:
            raise UsageError(f"{self.name}: symbols must be from 1 to {MOST_SYMBOLS}, not {symbols}")
        self.size, self.seed, self.symbols = size, seed, symbols
        # The source and its sample are drawn apart, so that a longer sample is of the same source.
        self._of_source, self._of_sample = np.random.default_rng(seed).spawn(2)

    @abstractmethod
    def sample(self, random: np.random.Generator, size: int) -> NDArray[np.integer[Any]]:
        """[size] symbols, each below `symbols`."""

    @abstractmethod
    def entropy_rate(self) -> tuple[float, float]:
        """Bits per symbol, and the 95 % half-width of that figure, 0 where it is exact."""

    def key(self) -> Any:
        """What the text depends on: the version of this code, and the source's options."""
        options = list(inspect.signature(type(self)).parameters)
        return [self.name, 1, *((option, getattr(self, option)) for option in options)]

    def write(self, spools: Spools, progress: Progress) -> dict[str, Any]:
        with progress.task(f"drawing from the {self.name} source", self.size) as task:
            drawn = self.sample(self._of_sample, self.size)
            spools.train.stream([_LETTERS[drawn].tobytes()])
            task.advance(self.size)
        rate, precision = self.entropy_rate()
        facts: dict[str, Any] = {"truth_bits_per_character": rate}
        if precision:
            facts["truth_precision_bits"] = precision
            facts["notes"] = [f"the true rate is known to within {precision:.1g} bits (95 %)"]
        return facts


def entropy_bits(probabilities: NDArray[np.float64]) -> float:
    """- sum p log2 p, with 0 log 0 = 0."""
    positive = probabilities[probabilities > 0]
    return max(0.0, -float(positive @ np.log2(positive)))
