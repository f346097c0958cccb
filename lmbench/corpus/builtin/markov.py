"""A Markov source, whose entropy rate is known."""

from __future__ import annotations

import string
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmbench.corpus.spool import Spools
from lmbench.errors import UsageError
from lmbench.progress import Progress

__all__ = ["Markov"]

_ALPHABET = string.ascii_lowercase + string.ascii_uppercase + string.digits
_MOST_CONTEXTS = 1 << 20
_BLOCK = 1 << 16


class Markov:
    """A Markov source with a random sparse transition table, whose entropy rate is known exactly.

    After each context of `order` symbols, `branching` of the symbols can follow, with probabilities
    drawn uniformly from the simplex. The first symbol of the alphabet is always one of them, so
    every context can be left for `aaa...` and that one for itself: there is one stationary
    distribution pi, the sample starts in it, and the entropy rate is
    - sum_c pi(c) sum_s p(s|c) log2 p(s|c) bits per symbol (Shannon 1948, theorem 5).

    Args:
        order: Symbols of context that the next one depends on.
        symbols: Size of the alphabet, one ASCII character each.
        size: Symbols drawn.
        branching: How many symbols can follow a context.
        seed: Of the table and of the sample.
    """

    name = "markov"

    def __init__(
        self, order: int = 2, symbols: int = 8, size: int = 1_000_000, branching: int = 3, seed: int = 0
    ) -> None:
        if order < 1 or size < 1 or not 1 <= branching <= symbols:
            raise UsageError("markov: order and size are at least 1, and branching from 1 to symbols")
        if not 2 <= symbols <= len(_ALPHABET):
            raise UsageError(f"markov: symbols must be from 2 to {len(_ALPHABET)}, not {symbols}")
        if symbols**order > _MOST_CONTEXTS:
            raise UsageError(f"markov: symbols ** order must be at most {_MOST_CONTEXTS:,}, not {symbols**order:,}")
        self.order, self.symbols, self.size, self.branching, self.seed = order, symbols, size, branching, seed

    def key(self) -> Any:
        return ["markov", 1, self.order, self.symbols, self.size, self.branching, self.seed]

    def write(self, spools: Spools, progress: Progress) -> dict[str, Any]:
        random = np.random.default_rng(self.seed)
        successors, probabilities = self.table(random)
        stationary = self.stationary(successors, probabilities)
        spools.train.stream(self._sample(random, successors, probabilities, stationary, progress))
        return {"truth_bits_per_character": entropy_rate(stationary, probabilities)}

    def table(self, random: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """[contexts, branching] which symbols follow each context, and with which probability."""
        contexts = self.symbols**self.order
        others = random.random((contexts, self.symbols - 1)).argsort(axis=1)[:, : self.branching - 1] + 1
        successors = np.concatenate([np.zeros((contexts, 1), np.int64), others], axis=1)
        weights = random.exponential(size=(contexts, self.branching))
        return successors, weights / weights.sum(axis=1, keepdims=True)

    def stationary(self, successors: NDArray[np.int64], probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """[contexts] the share of time spent in each context: pi = pi P, by power iteration to 1e-14."""
        contexts = len(successors)
        following = (np.arange(contexts)[:, None] * self.symbols + successors) % contexts
        share = np.full(contexts, 1 / contexts)
        for _ in range(100_000):
            flow = share[:, None] * probabilities
            after = np.zeros(contexts)
            np.add.at(after, following.ravel(), flow.ravel())
            after /= after.sum()
            if np.abs(after - share).sum() < 1e-14:
                return after
            share = after
        return share

    def _sample(
        self,
        random: np.random.Generator,
        successors: NDArray[np.int64],
        probabilities: NDArray[np.float64],
        stationary: NDArray[np.float64],
        progress: Progress,
    ) -> Iterator[bytes]:
        contexts = len(successors)
        context = int(random.choice(contexts, p=stationary))
        bounds: list[list[float]] = np.cumsum(probabilities, axis=1)[:, :-1].tolist()
        follows: list[list[int]] = successors.tolist()
        letters = _ALPHABET.encode("ascii")
        with progress.task("drawing from the Markov source", self.size) as task:
            for at in range(0, self.size, _BLOCK):
                draws = random.random(min(_BLOCK, self.size - at)).tolist()
                block = bytearray()
                for draw in draws:
                    choice = 0
                    for bound in bounds[context]:
                        choice += draw >= bound
                    symbol = follows[context][choice]
                    block.append(letters[symbol])
                    context = (context * self.symbols + symbol) % contexts
                task.advance(len(block))
                yield bytes(block)


def entropy_rate(stationary: NDArray[np.float64], probabilities: NDArray[np.float64]) -> float:
    """Bits per symbol: - sum_c pi(c) sum_s p(s|c) log2 p(s|c)."""
    return float(-(stationary[:, None] * probabilities * np.log2(probabilities)).sum())
