"""Weights of a chain of interpolated relative frequencies, by expectation-maximisation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BUCKETS = 24
_ROUNDS = 200
_LEAST, _MOST = 1e-6, 1 - 1e-6


def bucket(total: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """The bucket of a context's count: 0 for 1, 1 for 2 and 3, 2 for 4 to 7, and so on."""
    found: NDArray[np.int64] = np.log2(np.maximum(total, 1)).astype(np.int64).clip(max=BUCKETS - 1)
    return found


def interpolation_weights(
    relative: NDArray[np.float64],
    total: NDArray[np.int64],
    base: NDArray[np.float64] | float,
    needed: float = 1e-12,
) -> NDArray[np.float64]:
    """[n, BUCKETS] weights l at a maximum of the likelihood of v tokens under

        p_0 = base;  p_k = l_k(bucket of total_k) relative_k + (1 - l_k) p_(k-1),  or p_(k-1) where total_k is 0

    `relative`: [n, v] relative frequency of each token at each order; `total`: [n, v] count of its
    context there; `base`: [v], above 0. Jelinek & Mercer 1980. E: the probability that a token came
    from each order, all higher ones having passed it on. M: of the tokens that reached an order, the
    share that came from it. A bucket that no more than `needed` tokens reach takes the weight of the
    nearest that more do.
    """
    order, size = relative.shape
    buckets = bucket(total)
    weights = np.full((order, BUCKETS), 0.5)
    previous = -np.inf
    for _ in range(_ROUNDS):
        own = np.where(total > 0, weights[np.arange(order)[:, None], buckets], 0.0)
        below = np.empty((order + 1, size))
        below[0] = base
        for k in range(order):
            below[k + 1] = own[k] * relative[k] + (1 - own[k]) * below[k]
        likelihood = np.log(below[-1]).mean()
        if likelihood - previous < 1e-9:
            break
        previous = likelihood
        reached = np.ones(size)
        for k in reversed(range(order)):
            used = reached * own[k] * relative[k] / below[k + 1]
            known = total[k] > 0
            visits = np.bincount(buckets[k][known], reached[known], BUCKETS)
            uses = np.bincount(buckets[k][known], used[known], BUCKETS)
            weights[k] = _fill(np.divide(uses, visits, out=np.full(BUCKETS, np.nan), where=visits > needed))
            reached = reached - used
    return weights


def _fill(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Within bounds, and each missing weight that of the nearest bucket that has one; 0.5 where none has."""
    known = np.flatnonzero(~np.isnan(weights))
    if len(known) == 0:
        return np.full_like(weights, 0.5)
    nearest = known[np.abs(np.arange(len(weights))[:, None] - known).argmin(axis=1)]
    filled: NDArray[np.float64] = weights[nearest].clip(_LEAST, _MOST)
    return filled
