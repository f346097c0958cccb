"""Relative frequencies, unsmoothed."""

from __future__ import annotations

import torch

from lmbench.counts.backoff import BackoffModel
from lmbench.counts.ngrams import NgramCounts
from lmbench.progress import Progress
from lmbench.smoothing.base import Choice, Order, Settings, context_sums, interpolate
from lmbench.tokens import Tokens

__all__ = ["MaximumLikelihood"]


class MaximumLikelihood:
    """Relative frequencies: p(w | h) = c(hw) / c(h.), zero for what was never seen.

    Jurafsky & Martin, SLP3, chapter 3. After a context that was never seen, the
    longest of its suffixes that was is used; on text with anything new in it the
    cross-entropy is infinite, and the report says so and at how many tokens.
    """

    normalised = True
    smoothed = False

    def choose(self, counts: NgramCounts, valid: Tokens) -> Choice:
        return Choice()

    def estimate(self, counts: NgramCounts, settings: Settings, progress: Progress) -> BackoffModel:
        orders = []
        for order, amounts in enumerate(counts.raw, 1):
            sums = context_sums(counts.trie, order, amounts)
            gammas = torch.where(sums.total > 0, 0.0, 1.0).double()
            orders.append(Order(amounts, sums.total.double(), gammas))
        return interpolate(counts, orders, progress, base=0.0)
