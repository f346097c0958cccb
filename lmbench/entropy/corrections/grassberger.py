"""Grassberger's correction."""

from __future__ import annotations

import math

import numpy as np

from lmbench.entropy._ngrams import Spectrum

__all__ = ["Grassberger"]


class Grassberger:
    """Replaces log n_i in the plug-in entropy by G(n_i) (Grassberger 2003, arXiv:physics/0307138).

    H = log N - (1/N) sum_i n_i G(n_i), with G(n) = psi(n) + (-1)^n (psi((n+1)/2) - psi(n/2)) / 2
    and psi the digamma function. G(1) = -gamma - log 2, G(2) = 2 - gamma - log 2, and
    G(2n+1) = G(2n). Worked example, "aab": log 3 - (2 G(2) + G(1)) / 3 = 1.0356 nats.
    """

    def __call__(self, spectrum: Spectrum) -> float:
        from scipy.special import digamma

        if not spectrum.total:
            return 0.0
        counts = spectrum.counts.astype(np.float64)
        sign = np.where(spectrum.counts % 2 == 0, 1.0, -1.0)
        g = digamma(counts) + sign / 2 * (digamma((counts + 1) / 2) - digamma(counts / 2))
        return max(0.0, math.log(spectrum.total) - float(spectrum.multiplicity @ (counts * g)) / spectrum.total)
