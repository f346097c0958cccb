"""Witten-Bell smoothing."""

from __future__ import annotations

import torch

from lmbench.counts.backoff import BackoffModel
from lmbench.counts.ngrams import NgramCounts
from lmbench.progress import Progress
from lmbench.smoothing.base import Choice, Order, Settings, context_sums, interpolate
from lmbench.tokens import Tokens

__all__ = ["WittenBell"]


class WittenBell:
    """Witten-Bell, interpolated: a context gives to the lower order as much as it has met of new tokens.

    Witten & Bell 1991, method C; Chen & Goodman 1998, section 2.5:
    p(w | h) = (c(hw) + N1+(h.) p(w | h')) / (c(h.) + N1+(h.)), down to 1/V.
    Worked example: after h come a (3) and b (1): p(a | h) = (3 + 2 p(a | h')) / (4 + 2).
    """

    normalised = True
    smoothed = True

    def choose(self, counts: NgramCounts, valid: Tokens) -> Choice:
        return Choice()

    def estimate(self, counts: NgramCounts, settings: Settings, progress: Progress) -> BackoffModel:
        orders = []
        for order, amounts in enumerate(counts.raw, 1):
            sums = context_sums(counts.trie, order, amounts)
            divisors = (sums.total + sums.types).double()
            gammas = torch.where(sums.total > 0, sums.types / divisors, 1.0)
            orders.append(Order(amounts, divisors, gammas))
        return interpolate(counts, orders, progress)
