"""Log-probabilities added up over the units of a text, and their perplexities as KenLM and SRILM define them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lmbench.score.units import Units
from lmbench.tokens import Tokens

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sums:
    """Of each of u units, [u] each.

    `tokens` counts `unknown` ones and `ends` of documents too; `zero`: those of probability zero, `known_zero` without
    the unknown ones. In nats, - ln p: `nats` of all, `inner_nats` of all but the ends, both infinite where one of them
    is; `known_nats` of all but the unknown ones, `unknown_nats`, `end_nats`, zero probabilities left out.

    The perplexities are e to the nats by token, NaN where there is no token:

    - `perplexity`: of all tokens; KenLM's "including OOVs";
    - `perplexity_known`: unknown tokens left out of both sums; KenLM's "excluding OOVs", and SRILM's ppl =
      10^(-logprob / (words - OOVs - zeroprobs + sentences)), which leaves zero probabilities out too;
    - `perplexity_inner`: ends of documents left out of both sums;
    - `ppl1`: SRILM's 10^(-logprob / (words - OOVs - zeroprobs)): the ends are in the sum of nats, and not counted.

    Worked example: a word with p = 1/2, an unknown one with 1/16 and the end with 1/4: perplexity 2^(7/3), known
    2^(3/2), inner 2^(5/2), ppl1 2^3.
    """

    tokens: Ints
    unknown: Ints
    ends: Ints
    zero: Ints
    known_zero: Ints
    nats: Floats
    inner_nats: Floats
    known_nats: Floats
    unknown_nats: Floats
    end_nats: Floats

    @classmethod
    def of(cls, log_probs: Floats, tokens: Tokens, units: Units) -> Sums:
        """The sums of `log_probs`, [n] nats, one for each of `tokens`."""
        size, owner = len(units), units.owner
        unknown = tokens.ids == (-1 if tokens.vocabulary.unknown is None else tokens.vocabulary.unknown)
        end = tokens.ids == tokens.vocabulary.end_of_text
        zero = np.isneginf(log_probs)
        finite = np.where(zero, 0.0, -log_probs)

        def count(flags: NDArray[np.bool_]) -> Ints:
            return np.bincount(owner[flags], minlength=size)

        def total(flags: NDArray[np.bool_], values: Floats) -> Floats:
            return np.bincount(owner[flags], values[flags], minlength=size).astype(np.float64)

        every = np.ones(len(tokens), dtype=np.bool_)
        return cls(
            tokens=count(every),
            unknown=count(unknown),
            ends=count(end),
            zero=count(zero),
            known_zero=count(zero & ~unknown),
            nats=total(every, -log_probs),
            inner_nats=total(~end, -log_probs),
            known_nats=total(~unknown, finite),
            unknown_nats=total(unknown, finite),
            end_nats=total(end, finite),
        )

    @property
    def log10(self) -> Floats:
        """[u] log10 of the probability, as KenLM and SRILM print it."""
        found: Floats = -self.nats / math.log(10) + 0.0
        return found

    @property
    def perplexity(self) -> Floats:
        return _perplexity(self.nats, self.tokens)

    @property
    def perplexity_known(self) -> Floats:
        return _perplexity(self.known_nats, self.tokens - self.unknown - self.known_zero)

    @property
    def perplexity_inner(self) -> Floats:
        return _perplexity(self.inner_nats, self.tokens - self.ends)

    @property
    def ppl1(self) -> Floats:
        known = self.tokens - self.unknown - self.known_zero
        return _perplexity(self.known_nats, known - self.ends)


def _perplexity(nats: Floats, tokens: Ints) -> Floats:
    """[u] e to the nats by token; NaN of no tokens, infinite where it is too large for a float."""
    with np.errstate(over="ignore"):
        found: Floats = np.where(tokens > 0, np.exp(nats / np.maximum(tokens, 1)), np.nan)
    return found
