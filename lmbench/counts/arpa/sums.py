"""Whether a back-off model is a distribution."""

from __future__ import annotations

import math
from dataclasses import replace

from lmbench.counts.backoff import BackoffModel
from lmbench.counts.parallel import coarse_threads
from lmbench.counts.pruning import context_masses


def largest_gap(model: BackoffModel) -> float:
    """The most by which the probabilities after any stored context fail to sum to one.

    Sums are taken as if those of the shorter contexts were right: sum of stored p(w | h) +
    b(h) (1 - sum of their p(w | h')). If no such sum is off, none of the true ones is.
    """
    model = replace(model)  # what it keeps of its suffixes for this goes with it
    gap = abs(float(model.log_probs[0][:].double().exp().sum()) - 1)
    with coarse_threads():
        for order in range(2, model.order + 1):
            seen, lower = context_masses(model, order)
            sums = seen + model.log_backoffs[order - 2][:].double().exp() * (1 - lower)
            if len(sums):
                here = float((sums - 1).abs().max())
                if math.isnan(here):  # an infinite weight of no mass
                    return math.inf
                gap = max(gap, here)
    return gap
