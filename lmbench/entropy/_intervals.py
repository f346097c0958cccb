"""95 % intervals for statistics of a dependent sequence: the delete-a-block jackknife."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MOST_BLOCKS = 50
_FEWEST_BLOCKS = 8
_CHUNK = 1 << 20

NO_INTERVAL = f"no interval: too few symbols for {_FEWEST_BLOCKS} blocks of them, or no block differs from another"


def block_bounds(length: int) -> NDArray[np.int64]:
    """[blocks + 1] where each of the contiguous blocks of equal length begins, and the end.

    There are 50 blocks, or as many as the blocks are long where the sequence is shorter than
    2,500: a block has to outlast the dependence between neighbours for its sum to be nearly
    independent of the next one's.
    """
    blocks = max(1, min(_MOST_BLOCKS, int(length**0.5)))
    return -(-np.arange(blocks + 1) * length // blocks)


def block_sums_at(
    positions: NDArray[np.integer[Any]], length: int, *values: NDArray[np.number[Any]]
) -> NDArray[np.float64]:
    """[blocks, k] the sums over the blocks of k columns of values, which stand at `positions`, in any order."""
    bounds = block_bounds(length)
    sums = np.zeros((len(bounds) - 1, len(values)))
    for start in range(0, len(positions), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        block = positions[chunk].astype(np.int64) * len(sums) // max(1, length)
        for column, value in enumerate(values):
            sums[:, column] += np.bincount(block, value[chunk], minlength=len(sums))
    return sums


def jackknife_interval(
    sums: NDArray[np.float64], statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> tuple[float, float] | None:
    """95 % interval of `statistic` of the column totals, from [blocks, k] block sums.

    `statistic` maps [..., k] totals to [...] values and must be smooth (a mean, a ratio).
    Each block is left out in turn (Künsch 1989, section 2); the spread of what remains gives the
    standard error, and Student's t with blocks - 1 degrees of freedom the width. It measures
    sampling error under stationarity, not the statistic's bias. None where there are fewer
    than 8 blocks, where no block differs from another and the spread would be zero, and where what
    is left without one of them has no value.
    """
    from scipy.special import stdtrit

    blocks = len(sums)
    if blocks < _FEWEST_BLOCKS:
        return None
    total = sums.sum(axis=0)
    centre = float(statistic(total))
    without = statistic(total - sums)
    with np.errstate(invalid="ignore"):  # where a block's absence leaves no value at all
        spread = (blocks - 1) / blocks * np.sum((without - without.mean()) ** 2)
    half = float(stdtrit(blocks - 1, 0.975) * np.sqrt(spread))
    if not np.isfinite(half) or half <= 1e-12 * max(1.0, abs(centre)):
        return None
    return max(0.0, centre - half), centre + half
