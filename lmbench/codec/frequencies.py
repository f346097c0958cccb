"""Probabilities as whole numbers, so that who decodes has exactly those of who encoded.

The coder takes frequencies that sum to 2^24. One set of them would neither hold a probability of 1e-12 nor a vocabulary
of 100,000 tokens without loss, so that a token is coded in steps: the tokens that have a fair share of what is left
stand in a step, and one more symbol leads on to the next step for the others.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

PRECISION = 24
TOTAL = 1 << PRECISION
_LEAST = 2.0**-16  # the share of a step with which a token stands in it: 256 of TOTAL, so that rounding costs little
_RARE = 16  # of TOTAL: what the way to the next step has at least; what it has too much is lost to each token
_DEEPEST = -700.0  # nats below the likeliest token, beyond which exp gives zero
_TOGETHER = 1 << 14  # tokens of one ladder of steps; of a larger vocabulary a block of tokens is coded first
_BLOCK = 256


class NoCodeError(ValueError):
    """A token that cannot be coded."""


Ints = NDArray[np.integer[Any]]
Floats = NDArray[np.float64]


class Step(NamedTuple):
    """`symbols`: [k] what stands in this step, ascending. `frequencies`: theirs, then that of the way on to the next
    step where there is one, then what is lost, if anything; they sum to `TOTAL`, and each is 1 or more."""

    symbols: Ints
    frequencies: Ints
    onward: bool


def probabilities(log_probs: Floats) -> Floats:
    """[V] that sum to one, of [V] nats that do so nearly. Raises NoCodeError where they are no distribution."""
    if np.isnan(log_probs).any() or not log_probs.max() < np.inf or log_probs.max() == -np.inf:
        raise NoCodeError("what the model gives are no probabilities")
    below = log_probs - log_probs.max()
    found: Floats = np.exp(np.where(below > -np.inf, np.maximum(below, _DEEPEST), below))
    found /= found.sum()
    return found


def steps(shares: Floats) -> Iterator[Step]:
    """The steps of symbols 0 to n-1 of the given probabilities, until each that has one stands in a step.

    Sums are rounded, not single probabilities, so that a symbol has at most one part of `TOTAL` too much or too little.
    Where fewer than `_RARE` parts are left for the symbols of later steps, these have `_RARE`, and stand in the next
    step with their own probabilities all the same: what is left over there is lost, 2^-20 at most.

    Worked example, (3/4, 1/4 - 2^-30, 2^-30): a step of 12582900, 4194300 and 16 parts, of which the last lead on to
    the third symbol; it has 2^-30 / 2^-20 of the next step, 16384 parts, and the rest of that step is lost.
    """
    symbols = np.flatnonzero(shares > 0)
    shares = shares[symbols]
    while len(symbols):
        here = shares >= _LEAST
        sums, rest = np.cumsum(shares[here]), shares[~here]
        onward = max(_RARE, math.ceil(rest.sum() * TOTAL)) if len(rest) else 0
        room = min(TOTAL - onward, round(float(sums[-1]) * TOTAL)) if len(sums) else 0
        bounds = np.rint(sums * (room / sums[-1])) if len(sums) else sums
        tail = [parts for parts in (onward, TOTAL - onward - room) if parts]
        frequencies = np.concatenate([np.diff(bounds, prepend=0.0), tail]).astype(np.int64)
        yield Step(symbols[here], frequencies, onward > 0)
        symbols, shares = symbols[~here], rest * (TOTAL / max(onward, 1))


def path(shares: Floats, symbol: int) -> Iterator[tuple[int, Ints]]:
    """(which symbol, frequencies) of each step that leads to `symbol`.

    Raises NoCodeError where it has probability zero.
    """
    if not shares[symbol] > 0:
        raise NoCodeError("it has probability zero")
    for found in steps(shares):
        place = int(np.searchsorted(found.symbols, symbol))
        if place < len(found.symbols) and found.symbols[place] == symbol:
            yield place, found.frequencies
            return
        yield len(found.symbols), found.frequencies


def blocks(probs: Floats) -> Floats | None:
    """[b] the sums of blocks of `_BLOCK` tokens, of a vocabulary too large for one ladder; else None."""
    if len(probs) <= _TOGETHER:
        return None
    found: Floats = np.add.reduceat(probs, np.arange(0, len(probs), _BLOCK))
    return found


def block(probs: Floats, number: int) -> Floats:
    """[256 or fewer] the probabilities of the tokens of block `number`, given that it is one of them."""
    part = probs[number * _BLOCK : (number + 1) * _BLOCK]
    found: Floats = part / part.sum()
    return found


def token_in(number: int, place: int) -> int:
    return number * _BLOCK + place


def place_of(token: int) -> tuple[int, int]:
    """(its block, its place there)."""
    return divmod(token, _BLOCK)
