"""Chao and Shen's correction."""

from __future__ import annotations

import numpy as np

from lmbench.entropy._ngrams import Spectrum

__all__ = ["ChaoShen"]


class ChaoShen:
    """Coverage-adjusted frequencies, weighted by their chance of being seen (Chao & Shen 2003).

    H = -sum_i q_i log q_i / (1 - (1 - q_i)^N), where q_i = C n_i / N and C = 1 - f_1/N is the
    Good-Turing coverage; a sample of singletons alone is given the coverage 1/N. Worked example,
    "aab": C = 2/3, q = 4/9 and 2/9, H = 0.3604/0.8285 + 0.3342/0.5295 = 1.0663 nats.
    """

    def __call__(self, spectrum: Spectrum) -> float:
        if not spectrum.total:
            return 0.0
        total = spectrum.total
        coverage = spectrum.coverage or 1.0 / total
        seen = coverage * spectrum.counts / total
        # log1p keeps (1 - q)^N exact where q is tiny; q = 1 is certain to be seen.
        with np.errstate(divide="ignore"):
            missed = np.exp(total * np.log1p(-seen))
        return max(0.0, -float(spectrum.multiplicity @ (seen * np.log(seen) / (1.0 - missed))))
