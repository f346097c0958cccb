"""Hausser and Strimmer's James-Stein shrinkage."""

from __future__ import annotations

import math

import numpy as np

from lmbench.entropy._ngrams import Spectrum

__all__ = ["JamesStein"]


class JamesStein:
    """Entropy of the frequencies shrunk towards equal ones (Hausser & Strimmer 2009).

    p_k = lambda / cells + (1 - lambda) n_k / N, with lambda = (1 - sum (n_k/N)^2) / ((N - 1)
    sum (1/cells - n_k/N)^2) in [0, 1]. Where n-grams are much rarer than the cells they could
    fill, equal frequencies are a poor target, and the entropy comes out too high. Worked example,
    "aab" in 2 cells: lambda = (4/9) / (2 * 1/18), cut to 1, so log 2 = 0.6931 nats.

    Args:
        observed: count as cells only what was seen, not every combination of the alphabet
    """

    def __init__(self, observed: bool = False) -> None:
        self.observed = observed

    def __call__(self, spectrum: Spectrum) -> float:
        if not spectrum.total:
            return 0.0
        log_cells = math.log(spectrum.distinct) if self.observed else spectrum.log_cells
        target = math.exp(-log_cells)
        frequency = spectrum.counts / spectrum.total
        squares = float(spectrum.multiplicity @ frequency**2)
        distance = squares - target
        # One observation, or observations that are spread evenly already, say nothing against the target.
        shrink = 1.0
        if spectrum.total > 1 and distance > 0:
            shrink = min(1.0, (1.0 - squares) / ((spectrum.total - 1) * distance))
        seen = shrink * target + (1.0 - shrink) * frequency
        entropy = -float(spectrum.multiplicity @ (seen * np.log(seen)))
        unseen = shrink * max(0.0, 1.0 - spectrum.distinct * target)
        if unseen > 0:
            entropy += unseen * (log_cells - math.log(shrink))
        return max(0.0, entropy)
