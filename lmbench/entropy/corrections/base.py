"""The contract of a correction."""

from __future__ import annotations

from typing import Protocol

from lmbench.entropy._ngrams import Spectrum


class Correction(Protocol):
    """Estimates the Shannon entropy of a distribution from an independent sample of it."""

    def __call__(self, spectrum: Spectrum) -> float:
        """Nats, never negative; 0 for an empty sample."""
