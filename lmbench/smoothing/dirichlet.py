"""Hierarchical Dirichlet smoothing."""

from __future__ import annotations

import torch
from torch import Tensor

from lmbench.counts.backoff import BackoffModel
from lmbench.counts.ngrams import NgramCounts
from lmbench.errors import UsageError
from lmbench.progress import Progress
from lmbench.smoothing._discounting import TUNING_TOKENS
from lmbench.smoothing._tuning import Observed, minimised, observe
from lmbench.smoothing.base import Choice, Order, Settings, context_sums, interpolate
from lmbench.tokens import Tokens

__all__ = ["Dirichlet"]


class Dirichlet:
    """Hierarchical Dirichlet prior: each context starts with `strength` tokens' worth of the lower order.

    MacKay & Peto 1995: p(w | h) = (c(hw) + m p(w | h')) / (c(h.) + m), down to 1/V.
    Worked example: after h come a (3) and b (1), m = 2: p(a | h) = (3 + 2 p(a | h')) / 6.

    Args:
        strength: m, above 0, the same for every order; none: each order's own, by validation likelihood
    """

    normalised = True
    smoothed = True

    def __init__(self, strength: float | None = None) -> None:
        if strength is not None and not 0 < strength < float("inf"):
            raise UsageError(f"dirichlet: strength must be above 0 and finite, not {strength}")
        self.strength = strength

    def choose(self, counts: NgramCounts, valid: Tokens) -> Choice:
        if self.strength is not None:
            return Choice({"strengths": [self.strength] * counts.order})
        if len(valid) == 0:
            note = "dirichlet strengths set to 1: there is no validation text to choose them on"
            return Choice({"strengths": [1.0] * counts.order}, [note])
        observed = observe(counts, counts.raw, valid.head(TUNING_TOKENS))
        return Choice({"strengths": _maximise(observed)})

    def estimate(self, counts: NgramCounts, settings: Settings, progress: Progress) -> BackoffModel:
        orders = []
        for order, (amounts, strength) in enumerate(zip(counts.raw, settings["strengths"], strict=True), 1):
            sums = context_sums(counts.trie, order, amounts)
            divisors = sums.total.double() + strength
            gammas = torch.where(sums.total > 0, strength / divisors, 1.0)
            orders.append(Order(amounts, divisors, gammas))
        return interpolate(counts, orders, progress)


def _log_likelihood(observed: Observed, strengths: Tensor) -> Tensor:
    probs = observed.base
    for seen, sums, strength in zip(observed.seen, observed.sums, strengths, strict=True):
        total = sums[0]
        probs = torch.where(total > 0, (seen + strength * probs) / (total + strength), probs)
    return probs.log().mean()


def _maximise(observed: Observed) -> list[float]:
    """[n] strengths at the likelihood's maximum, by L-BFGS-B on their logarithms."""
    start = torch.zeros(len(observed.seen), dtype=torch.float64)
    found = minimised(lambda logs: -_log_likelihood(observed, logs.exp()), start, [(-12.0, 18.0)] * len(start))
    return found.exp().tolist()
