"""Stupid back-off: a score, not a distribution."""

from __future__ import annotations

import math

import torch

from lmbench.counts.backoff import BackoffModel
from lmbench.counts.ngrams import NgramCounts
from lmbench.counts.pruning import select
from lmbench.errors import UsageError
from lmbench.progress import Progress
from lmbench.smoothing.base import Choice, Settings, context_sums
from lmbench.tokens import Tokens

__all__ = ["StupidBackoff"]


class StupidBackoff:
    """Stupid back-off: relative frequency if seen, else a fixed factor times the shorter context's score.

    Brants et al. 2007, section 4: S(w | h) = c(hw) / c(h) if c(hw) > 0, else factor S(w | h');
    a token that never occurred has factor / V. The scores of a context do not sum to one:
    they are shown, but never as a cross-entropy.

    Args:
        factor: what each step back multiplies by, above 0
    """

    normalised = False
    smoothed = True

    def __init__(self, factor: float = 0.4) -> None:
        if not 0 < factor < float("inf"):
            raise UsageError(f"stupid_backoff: factor must be above 0, not {factor}")
        self.factor = factor

    def choose(self, counts: NgramCounts, valid: Tokens) -> Choice:
        return Choice({"factor": self.factor})

    def estimate(self, counts: NgramCounts, settings: Settings, progress: Progress) -> BackoffModel:
        factor = math.log(settings["factor"])
        log_probs, log_backoffs = [], []
        for order, amounts in enumerate(counts.raw, 1):
            total = context_sums(counts.trie, order, amounts).total.double()
            if order == 1:
                floor = factor - math.log(counts.vocabulary_size)
                log_probs.append(torch.where(amounts > 0, (amounts / total).log(), floor))
                continue
            log_probs.append((amounts / total[counts.trie.parents(order, slice(0, len(amounts)))]).log())
            log_backoffs.append(torch.full_like(total, factor))
        model = BackoffModel(counts.trie, log_probs, log_backoffs, counts.end_of_text, unseen_log_backoff=factor)
        return select(model, counts.kept) if counts.kept else model
