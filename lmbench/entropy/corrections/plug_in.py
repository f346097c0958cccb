"""The plug-in entropy."""

from __future__ import annotations

import math

import numpy as np

from lmbench.entropy._ngrams import Spectrum

__all__ = ["PlugIn"]


class PlugIn:
    """The entropy of the observed frequencies, uncorrected: biased down by about (K - 1) / 2N nats.

    H = log N - (1/N) sum_i n_i log n_i over the counts n_i of a sample of N. Worked example,
    "aab": log 3 - (2 log 2) / 3 = 0.6365 nats.
    """

    def __call__(self, spectrum: Spectrum) -> float:
        if not spectrum.total:
            return 0.0
        counts = spectrum.counts
        entropy = math.log(spectrum.total) - float(spectrum.multiplicity @ (counts * np.log(counts))) / spectrum.total
        return max(0.0, entropy)
