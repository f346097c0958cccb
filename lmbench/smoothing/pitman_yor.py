"""Hierarchical Pitman-Yor, with its parameters fixed and one table to each type."""

from __future__ import annotations

import torch

from lmbench.counts.backoff import BackoffModel
from lmbench.counts.ngrams import NgramCounts
from lmbench.errors import UsageError
from lmbench.progress import Progress
from lmbench.smoothing.base import Choice, Order, Settings, context_sums, interpolate
from lmbench.tokens import Tokens

__all__ = ["PitmanYor"]


class PitmanYor:
    """Hierarchical Pitman-Yor with fixed discount and strength, one table for each distinct token.

    Teh 2006 (ACL), under the seating in which every token of a context sits at
    one table, so that an order's tables are the customers of the order below, which is
    Kneser-Ney's continuation count:
    p(w | h) = (a(hw) - d) / (a(h.) + s) + (s + d N1+(h.)) / (a(h.) + s) p(w | h'), down to 1/V.
    With s = 0 it is Kneser-Ney with one discount for all orders.

    Args:
        discount: d, from 0 to below 1
        strength: s, above -discount; 0 gives Kneser-Ney
    """

    normalised = True
    smoothed = True

    def __init__(self, discount: float = 0.8, strength: float = 1.0) -> None:
        if not 0 <= discount < 1:
            raise UsageError(f"pitman_yor: discount must be at least 0 and below 1, not {discount}")
        if not -discount < strength < float("inf"):
            raise UsageError(f"pitman_yor: strength must be above -discount = {-discount} and finite, not {strength}")
        self.discount = discount
        self.strength = strength

    def choose(self, counts: NgramCounts, valid: Tokens) -> Choice:
        return Choice({"discount": self.discount, "strength": self.strength})

    def estimate(self, counts: NgramCounts, settings: Settings, progress: Progress) -> BackoffModel:
        discount, strength = settings["discount"], settings["strength"]
        orders = []
        for order in range(1, counts.order + 1):
            amounts = counts.adjusted(order)
            sums = context_sums(counts.trie, order, amounts)
            divisors = sums.total.double() + strength
            gammas = torch.where(sums.total > 0, (strength + discount * sums.types.double()) / divisors, 1.0)
            orders.append(Order(amounts, divisors, gammas, (0.0, discount, discount, discount)))
        return interpolate(counts, orders, progress)
