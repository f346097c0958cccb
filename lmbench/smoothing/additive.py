"""Additive smoothing: every count is raised by the same amount."""

from __future__ import annotations

from lmbench.counts.backoff import BackoffModel
from lmbench.counts.ngrams import NgramCounts
from lmbench.errors import UsageError
from lmbench.progress import Progress
from lmbench.smoothing.base import Choice, Settings, fixed_order
from lmbench.tokens import Tokens

__all__ = ["Additive"]

_LARGEST = 1e9  # beyond it all tokens are alike to a float64


class Additive:
    """Additive (Laplace, Lidstone) smoothing: p(w | h) = (c(hw) + alpha) / (c(h.) + alpha V).

    Lidstone 1920; Jurafsky & Martin, SLP3, chapter 3, for alpha = 1. There is no back-off:
    after a context that was never seen every token of the vocabulary is equally likely.
    Worked example: V = 4, c(h.) = 2, alpha = 0.5: a token seen twice has 2.5/4, the other three 0.5/4 each.

    Args:
        alpha: what is added to every count, above 0 and at most 1e9; 1 is Laplace's rule
    """

    normalised = True
    smoothed = True

    def __init__(self, alpha: float = 0.1) -> None:
        if not 0 < alpha <= _LARGEST:
            allowed = f"above 0 and at most {_LARGEST:g}"
            raise UsageError(f"additive: alpha must be {allowed}, not {alpha}; for alpha = 0 use maximum_likelihood")
        self.alpha = alpha

    def choose(self, counts: NgramCounts, valid: Tokens) -> Choice:
        return Choice({"alpha": self.alpha})

    def estimate(self, counts: NgramCounts, settings: Settings, progress: Progress) -> BackoffModel:
        return fixed_order(counts, settings["alpha"], progress)
