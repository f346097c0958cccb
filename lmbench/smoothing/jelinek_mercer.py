"""Jelinek-Mercer: linear interpolation of all orders, weighted by EM."""

from __future__ import annotations

import numpy as np
import torch

from lmbench.counts.backoff import BackoffModel
from lmbench.counts.ngrams import NgramCounts
from lmbench.progress import Progress
from lmbench.smoothing._discounting import TUNING_TOKENS
from lmbench.smoothing._interpolation import BUCKETS, bucket, interpolation_weights
from lmbench.smoothing._tuning import observe
from lmbench.smoothing.base import Choice, Order, Settings, context_sums, interpolate
from lmbench.tokens import Tokens

__all__ = ["JelinekMercer"]


class JelinekMercer:
    """Jelinek-Mercer: linear interpolation, a weight for each order and each size of context count, by EM.

    Jelinek & Mercer 1980; Chen & Goodman 1998, section 2.3:
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
        total = observed.sums[:, 0]
        relative = observed.seen.double() / total.clamp(min=1)
        weights = interpolation_weights(relative.numpy(), total.numpy(), observed.base.numpy())
        return Choice({"weights": weights.tolist()})

    def estimate(self, counts: NgramCounts, settings: Settings, progress: Progress) -> BackoffModel:
        orders = []
        for order, (amounts, row) in enumerate(zip(counts.raw, settings["weights"], strict=True), 1):
            total = context_sums(counts.trie, order, amounts).total
            weights = torch.from_numpy(np.array(row)[bucket(total.cpu().numpy())]).to(counts.device)
            gammas = torch.where(total > 0, 1 - weights, 1.0)
            orders.append(Order(amounts, total / weights, gammas))
        return interpolate(counts, orders, progress)
