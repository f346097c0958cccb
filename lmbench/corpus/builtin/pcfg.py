"""A probabilistic context-free grammar."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmbench.corpus.builtin._drawn import Drawn, entropy_bits
from lmbench.errors import UsageError

__all__ = ["Pcfg"]

_ARITIES = (0, 0, 1, 2)  # how many nonterminals the four rules of a nonterminal go on with
_MOST_BRANCHING = 0.9


class Pcfg(Drawn):
    """Sentences of a random probabilistic context-free grammar, one after the other: nesting without bound.

    Each nonterminal has four rules A -> t B..., each with a terminal t of its own and no, no, one or two
    nonterminals after it (a simple deterministic grammar), so that a text has one derivation and
    ends of sentences need no mark. Each symbol of a text is one rule, so the entropy rate is exact:
    the mean entropy of the choice of rule, weighted by how often each nonterminal is expanded
    (Grenander 1976). Rules are drawn so that sentences end: at most 0.9 nonterminals per rule.

    Args:
        nonterminals: Nonterminals of the grammar.
        symbols: Size of the alphabet, at least 4.
        size: Symbols drawn.
        seed: Of the grammar and of the sample.
    """

    name = "pcfg"

    def __init__(self, nonterminals: int = 6, symbols: int = 8, size: int = 1_000_000, seed: int = 0) -> None:
        super().__init__(size, seed, symbols)
        if nonterminals < 1 or symbols < len(_ARITIES):
            raise UsageError(f"pcfg: nonterminals is at least 1, and symbols at least {len(_ARITIES)}")
        self.nonterminals = nonterminals
        random = self._of_source
        arity = np.array(_ARITIES)
        weights = random.exponential(size=(nonterminals, len(arity)))
        # Rules that go on are made rarer, by f, where sentences would grow without end: with w the
        # weights, f w.arity / (w_end + f w_on) = 0.9 at most.
        end, on = weights[:, arity == 0].sum(axis=1), weights[:, arity > 0].sum(axis=1)
        spare = weights @ arity - _MOST_BRANCHING * on
        weights[:, arity > 0] *= np.where(spare > 0, np.minimum(1.0, _MOST_BRANCHING * end / spare), 1.0)[:, None]
        self.probabilities = weights / weights.sum(axis=1, keepdims=True)
        self.terminals = random.random((nonterminals, symbols)).argsort(axis=1)[:, : len(arity)]
        self.following = [
            [random.integers(nonterminals, size=count).tolist() for count in arity] for _ in range(nonterminals)
        ]

    def sample(self, random: np.random.Generator, size: int) -> NDArray[np.integer[Any]]:
        """The text from a sentence's beginning on."""
        bounds = np.cumsum(self.probabilities, axis=1)[:, :-1].tolist()
        terminals = self.terminals.tolist()
        drawn, stack = [], [0]
        for draw in random.random(size).tolist():
            symbol = stack.pop() if stack else 0
            rule = sum(draw >= bound for bound in bounds[symbol])
            drawn.append(terminals[symbol][rule])
            stack += reversed(self.following[symbol][rule])
        return np.array(drawn, dtype=np.uint8)

    def expansions(self) -> NDArray[np.float64]:
        """[nonterminals] how often each is expanded in a sentence: e = start + e M, M the mean offspring."""
        offspring = np.zeros((self.nonterminals, self.nonterminals))
        for symbol, rules in enumerate(self.following):
            for probability, following in zip(self.probabilities[symbol], rules, strict=True):
                np.add.at(offspring[symbol], following, probability)
        start = np.zeros(self.nonterminals)
        start[0] = 1.0
        return np.asarray(np.linalg.solve(np.eye(self.nonterminals) - offspring.T, start), dtype=np.float64)

    def entropy_rate(self) -> tuple[float, float]:
        expansions = self.expansions()
        choice = np.array([entropy_bits(rules) for rules in self.probabilities])
        return float(expansions @ choice / expansions.sum()), 0.0
