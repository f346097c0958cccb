"""Jelinek-Mercer: linear interpolation of all orders, weighted by EM."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmbench.counts.backoff import BackoffModel
from lmbench.counts.ngrams import NgramCounts
from lmbench.progress import Progress
from lmbench.smoothing._discounting import TUNING_TOKENS
from lmbench.smoothing._tuning import Observed, observe
from lmbench.smoothing.base import Choice, Order, Settings, context_sums, interpolate
from lmbench.tokens import Tokens

__all__ = ["JelinekMercer"]

BUCKETS = 24
_ROUNDS = 200
_LEAST, _MOST = 1e-6, 1 - 1e-6


class JelinekMercer:
    """Jelinek-Mercer: linear interpolation, a weight for each order and each size of context count, by EM.

    Jelinek & Mercer 1980; Chen & Goodman 1998, equation 12:
    p(w | h) = l(h) c(hw) / c(h.) + (1 - l(h)) p(w | h'), down to 1/V. Contexts share their
    weight l with those of the same order and about the same count (a bucket for each power
    of two); the weights maximise the likelihood of the validation text, never of training.
    A bucket that validation does not reach takes the weight of the nearest that it does.
    Worked example: after h come a (3) and b (1), l = 0.8: p(a | h) = 0.8 * 3/4 + 0.2 p(a | h').
    """

    normalised = True
    smoothed = True

    def choose(self, counts: NgramCounts, valid: Tokens) -> Choice:
        if len(valid) == 0:
            note = "jelinek_mercer weights set to 0.5: there is no validation text for EM"
            return Choice({"weights": [[0.5] * BUCKETS] * counts.order}, [note])
        observed = observe(counts, counts.raw, valid.head(TUNING_TOKENS))
        return Choice({"weights": expectation_maximisation(observed).tolist()})

    def estimate(self, counts: NgramCounts, settings: Settings, progress: Progress) -> BackoffModel:
        orders = []
        for order, (amounts, row) in enumerate(zip(counts.raw, settings["weights"], strict=True), 1):
            total = context_sums(counts.trie, order, amounts).total
            weights = torch.tensor(row, dtype=torch.float64, device=counts.device)[bucket(total)]
            gammas = torch.where(total > 0, 1 - weights, 1.0)
            orders.append(Order(amounts, (0.0, 0.0, 0.0, 0.0), total / weights, gammas))
        base = torch.tensor([1.0 / counts.vocabulary_size], dtype=torch.float64, device=counts.device)
        return interpolate(counts, orders, base, progress)


def bucket(total: Tensor) -> Tensor:
    """The bucket of a context's count: 0 for 1, 1 for 2 and 3, 2 for 4 to 7, and so on."""
    return total.clamp(min=1).double().log2().floor().long().clamp(max=BUCKETS - 1)


def expectation_maximisation(observed: Observed) -> NDArray[np.float64]:
    """[n, buckets] weights at a maximum of the likelihood of the observed tokens.

    E: the probability that a token came from each order, all higher ones having passed it
    on. M: of the tokens that reached an order, the share that came from it.
    """
    order, size = observed.seen.shape
    total = observed.sums[:, 0].numpy()
    relative = observed.seen.numpy() / np.maximum(total, 1)
    buckets = bucket(observed.sums[:, 0]).numpy()
    weights = np.full((order, BUCKETS), 0.5)
    previous = -np.inf
    for _ in range(_ROUNDS):
        own = np.where(total > 0, weights[np.arange(order)[:, None], buckets], 0.0)
        below = np.empty((order + 1, size))
        below[0] = 1.0 / observed.vocabulary_size
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
            weights[k] = _fill(np.divide(uses, visits, out=np.full(BUCKETS, np.nan), where=visits > 1e-12))
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
