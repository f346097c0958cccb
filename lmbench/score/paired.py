"""The difference between two models on the same text, with an interval that knows they share it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lmbench.errors import LmbenchError
from lmbench.score.bootstrap import Interval, blocks_of, ratio_interval
from lmbench.score.measure import BITS
from lmbench.tokens import Tokens


@dataclass(frozen=True)
class Difference:
    """`value` in `unit`, first model minus second: negative where the first is better.

    `wins` is the share of blocks in which the first model is better.
    """

    value: float
    interval: Interval | None
    unit: str
    wins: float
    blocks: str

    @property
    def decided(self) -> bool:
        """Whether the 95 % interval leaves zero out."""
        return self.interval is not None and not self.interval[0] <= 0 <= self.interval[1]


def paired_difference(
    first: NDArray[np.float64], second: NDArray[np.float64], tokens: Tokens, seed: int = 0
) -> Difference:
    """Difference in nats per token between two arrays of log-probabilities [n] of the same `tokens`.

    Both models are resampled on the same blocks, so what makes a block hard for both cancels:
    the interval is far narrower than two intervals side by side suggest. Raises LmbenchError
    where a token has probability zero under either.
    """
    for log_probs in (first, second):
        _check(log_probs, tokens)
    blocks = blocks_of(tokens)
    sums = blocks.sums(second - first)
    interval = ratio_interval(sums, blocks.sums(np.ones(len(tokens))), seed)
    return Difference(float(sums.sum()) / len(tokens), interval, "nats/token", float(np.mean(sums < 0)), blocks.rule)


def paired_difference_per_byte(
    first: tuple[NDArray[np.float64], Tokens], second: tuple[NDArray[np.float64], Tokens], seed: int = 0
) -> Difference:
    """Difference in bits per byte between two models with different, lossless tokenizers on one text.

    A token is counted where its last byte lies. Blocks are cut at the first model's tokens and
    laid over the second's text at the same bytes. Raises LmbenchError where the two token
    streams do not stand for the same number of bytes.
    """
    for log_probs, tokens in (first, second):
        _check(log_probs, tokens)
    if first[1].bytes != second[1].bytes or not (first[1].lossless and second[1].lossless):
        raise LmbenchError("the two models read different bytes: bits per byte cannot be compared")
    blocks = blocks_of(first[1])
    ends = _byte_ends(first[1])
    edges = np.append(ends[blocks.starts[1:] - 1], ends[-1]) if len(blocks) > 1 else ends[-1:]
    sums = -_sums_until(first[0], ends, edges) + _sums_until(second[0], _byte_ends(second[1]), edges)
    lengths = np.diff(edges, prepend=0).astype(np.float64)
    interval = ratio_interval(sums * BITS, lengths, seed)
    value = float(sums.sum()) * BITS / first[1].bytes
    return Difference(value, interval, "bits/byte", float(np.mean(sums < 0)), blocks.rule)


def _byte_ends(tokens: Tokens) -> NDArray[np.int64]:
    """[n] how many bytes of text end with or before each token."""
    return np.cumsum(tokens.byte_lengths)


def _sums_until(
    log_probs: NDArray[np.float64], ends: NDArray[np.int64], edges: NDArray[np.int64]
) -> NDArray[np.float64]:
    """[B] the sum of log-probabilities of the tokens that end in each interval (edge before, edge]."""
    total = np.concatenate([[0.0], np.cumsum(log_probs)])
    # the last block takes what is left, the final end token of no bytes included
    cuts = np.append(np.searchsorted(ends, edges[:-1], side="right"), len(log_probs))
    return np.diff(total[np.concatenate([[0], cuts])])


def _check(log_probs: NDArray[np.float64], tokens: Tokens) -> None:
    if log_probs.shape != (len(tokens),):
        raise LmbenchError(f"{len(log_probs)} log-probabilities for {len(tokens)} tokens: not scored on this text")
    if not np.isfinite(log_probs).all():
        raise LmbenchError("a model that gives tokens probability zero is infinitely far from any other")
