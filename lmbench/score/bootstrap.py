"""Block bootstrap of a ratio: how far a cross-entropy would move on another test text of the same kind.

Neighbouring tokens are not independent, so what is drawn again with replacement is not the
token but the block: a document, or a contiguous span where there are few documents (Künsch
1989; Efron & Tibshirani 1993, section 8.6). The statistic is a ratio of two sums over the
blocks drawn, nats over tokens for instance, so that blocks of unequal length weigh what they hold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lmbench.tokens import Tokens

RESAMPLES = 2000
_DOCUMENTS = 30  # from here on documents are the blocks
_SPANS = 100
_MOST = 1000  # more documents than this are pooled, so that a resample stays cheap
_SHORTEST = 20  # tokens in a span
FEWEST = 5  # blocks below which no interval is honest

Interval = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Blocks:
    """`starts`: [B] the offset at which each block begins, ascending from 0; `length`: offsets in all.

    `rule` says in words what a block is.
    """

    starts: NDArray[np.int64]
    length: int
    rule: str

    def __len__(self) -> int:
        return len(self.starts)

    def sums(self, values: NDArray[np.float64] | NDArray[np.int64]) -> NDArray[np.float64]:
        """[B] the sum of `values` [length] over each block."""
        if len(values) != self.length:
            raise ValueError(f"{len(values)} values for blocks over {self.length} offsets")
        return np.add.reduceat(values, self.starts).astype(np.float64)


def blocks_of(tokens: Tokens) -> Blocks:
    """The blocks of a test text.

    At least 30 documents: each is a block (beyond 1,000, runs of consecutive documents are).
    Where each line is a document, and lines of one text are anything but independent: 100
    runs of consecutive lines. Otherwise 100 contiguous spans, fewer where they would be
    shorter than 20 tokens.
    """
    count, length = len(tokens.documents), len(tokens)
    if count >= _DOCUMENTS and tokens.vocabulary.lines:
        starts = _pooled(tokens.documents, length, _SPANS)
        return Blocks(starts, length, f"{len(starts)} runs of lines")
    if count >= _DOCUMENTS:
        starts = _pooled(tokens.documents, length, _MOST)
        rule = f"{count} documents" if len(starts) == count else f"{len(starts)} runs of documents"
        return Blocks(starts, length, rule)
    starts = spans(length, _SHORTEST)
    return Blocks(starts, length, f"{len(starts)} contiguous spans")


def spans(length: int, shortest: int) -> NDArray[np.int64]:
    """[B] where up to 100 contiguous spans of `length` offsets begin, none shorter than `shortest` but a lone one."""
    count = max(1, min(_SPANS, length // shortest))
    return np.arange(count, dtype=np.int64) * length // count


def _pooled(documents: NDArray[np.int64], length: int, most: int) -> NDArray[np.int64]:
    """Document starts, thinned to at most `most` runs of about equal length."""
    if len(documents) <= most:
        return documents
    targets = np.arange(most, dtype=np.int64) * length // most
    return np.unique(documents[np.searchsorted(documents, targets, side="right") - 1])


def drawn_again(blocks: int, seed: int, resamples: int = RESAMPLES) -> NDArray[np.int64] | None:
    """[R, B] how often each of the blocks is in each resample; None for fewer than five."""
    if blocks < FEWEST:
        return None
    return np.random.default_rng(seed).multinomial(blocks, np.full(blocks, 1 / blocks), size=resamples)


def ratio_interval(
    numerator: NDArray[np.float64], denominator: NDArray[np.float64], seed: int, resamples: int = RESAMPLES
) -> Interval | None:
    """95 % percentile interval of `numerator.sum() / denominator.sum()`, [B] sums over blocks.

    None for fewer than five blocks. The same seed draws the same blocks, so two models'
    intervals on one text are made of the same resamples.

    Worked example: blocks of 2 and 2 tokens with 2.0 and 4.0 nats give 1.5 nats/token; the
    resamples give 1.0, 1.5 and 2.0 with probability 1/4, 1/2, 1/4.
    """
    drawn = drawn_again(len(numerator), seed, resamples)
    if drawn is None:
        return None
    below = drawn @ denominator
    ratios = (drawn @ numerator)[below > 0] / below[below > 0]
    low, high = np.quantile(ratios, [0.025, 0.975])
    return float(low), float(high)
