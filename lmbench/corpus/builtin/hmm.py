"""A hidden Markov source."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmbench.corpus.builtin._drawn import Drawn
from lmbench.errors import UsageError

__all__ = ["Hmm"]

_CHAINS, _STEPS, _SKIPPED = 2000, 1200, 200


class Hmm(Drawn):
    """A hidden Markov source: symbols emitted by a Markov chain of hidden states.

    Each state stays with probability `stay`, otherwise moves to another at random weights, and
    emits by its own random distribution. The entropy rate has no closed form. It is the mean of
    -log2 p(symbol | all before) by forward filtering over 2,000 chains of 1,200 symbols of which
    the first 200 are not counted; the 95 % half-width over the chains is stated with it, and
    that of cutting the past at 200 symbols is far below it, being exponentially small.

    Args:
        states: Hidden states.
        symbols: Size of the alphabet.
        stay: Probability that the state stays.
        size: Symbols drawn.
        seed: Of the tables and of the sample.
    """

    name = "hmm"

    def __init__(
        self, states: int = 4, symbols: int = 8, stay: float = 0.8, size: int = 1_000_000, seed: int = 0
    ) -> None:
        super().__init__(size, seed, symbols)
        if states < 2 or not 0 <= stay < 1:
            raise UsageError("hmm: states is at least 2, and stay from 0 to below 1")
        self.states, self.stay = states, stay
        away = self._of_source.exponential(size=(states, states))
        np.fill_diagonal(away, 0.0)
        self.transitions = stay * np.eye(states) + (1 - stay) * away / away.sum(axis=1, keepdims=True)
        weights = self._of_source.exponential(size=(states, symbols)) ** 2  # squared: states differ more
        self.emissions = weights / weights.sum(axis=1, keepdims=True)

    def stationary(self) -> NDArray[np.float64]:
        """[states] pi = pi T, with sum 1."""
        system = np.vstack([self.transitions.T - np.eye(self.states), np.ones(self.states)])
        solution, *_ = np.linalg.lstsq(system, np.append(np.zeros(self.states), 1.0))
        share = np.maximum(solution, 0.0)
        return np.asarray(share / share.sum(), dtype=np.float64)

    def sample(self, random: np.random.Generator, size: int) -> NDArray[np.integer[Any]]:
        return self._chains(random, size, chains=1)[:, 0]

    def _chains(self, random: np.random.Generator, size: int, chains: int) -> NDArray[np.integer[Any]]:
        """[size, chains] symbols of independent stationary chains."""
        bounds = np.cumsum(self.transitions, axis=1)[:, :-1]
        hidden = np.empty((size, chains), dtype=np.int64)
        state = random.choice(self.states, size=chains, p=self.stationary())
        draws = random.random((size, chains))
        if chains == 1:  # one long chain: plain Python is faster than numpy on arrays of one
            rows, steps, now = bounds.tolist(), draws[:, 0].tolist(), int(state[0])
            path = []
            for draw in steps:
                path.append(now)
                now = sum(draw >= bound for bound in rows[now])
            hidden[:, 0] = path
        else:
            for at in range(size):
                hidden[at] = state
                state = (draws[at][:, None] >= bounds[state]).sum(axis=1)
        emitted = np.cumsum(self.emissions, axis=1)[:, :-1]
        return np.asarray((random.random((size, chains))[..., None] >= emitted[hidden]).sum(axis=-1), dtype=np.int64)

    def entropy_rate(self) -> tuple[float, float]:
        chains = self._chains(np.random.default_rng(self.seed), _STEPS, _CHAINS)
        belief = np.tile(self.stationary(), (_CHAINS, 1))  # p(state | symbols before)
        bits = np.zeros(_CHAINS)
        for at, symbols in enumerate(chains):
            joint = belief * self.emissions[:, symbols].T
            likelihood = joint.sum(axis=1)
            if at >= _SKIPPED:
                bits -= np.log2(likelihood)
            belief = (joint / likelihood[:, None]) @ self.transitions
        bits /= _STEPS - _SKIPPED
        return float(bits.mean()), float(1.96 * bits.std(ddof=1) / _CHAINS**0.5)
