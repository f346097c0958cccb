"""Blocks of one text drawn again with replacement, for figures whose interval has no formula.

Neighbouring tokens are not independent, so what is drawn again is not the token but a contiguous span (Künsch 1989;
Efron & Tibshirani 1993, section 8.6). Ratios of sums have a formula: see lmbench.score.interval.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
_SPANS = 100
FEWEST = 5  # blocks below which no interval is honest

Interval = tuple[float, float]


def spans(length: int, shortest: int) -> NDArray[np.int64]:
    """[B] where up to 100 contiguous spans of `length` offsets begin, none shorter than `shortest` but a lone one."""
    count = max(1, min(_SPANS, length // shortest))
    return np.arange(count, dtype=np.int64) * length // count


def drawn_again(blocks: int, seed: int, resamples: int = RESAMPLES) -> NDArray[np.int64] | None:
    """[R, B] how often each of the blocks is in each resample; None for fewer than five."""
    if blocks < FEWEST:
        return None
    return np.random.default_rng(seed).multinomial(blocks, np.full(blocks, 1 / blocks), size=resamples)
