"""The Miller-Madow correction."""

from __future__ import annotations

from lmbench.entropy._ngrams import Spectrum
from lmbench.entropy.corrections.plug_in import PlugIn

__all__ = ["MillerMadow"]


class MillerMadow:
    """Plug-in entropy plus its first-order bias, (K - 1) / 2N nats (Miller 1955).

    K counts the distinct things that were seen; those never seen are not corrected for, so
    a downward bias remains where the sample misses much. Worked example, "aab":
    0.6365 + (2 - 1) / 6 = 0.8032 nats.
    """

    def __call__(self, spectrum: Spectrum) -> float:
        if not spectrum.total:
            return 0.0
        return PlugIn()(spectrum) + (spectrum.distinct - 1) / (2 * spectrum.total)
