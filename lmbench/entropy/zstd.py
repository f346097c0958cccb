"""Zstandard."""

from __future__ import annotations

import zstandard

from lmbench.entropy._compressor import code_length
from lmbench.entropy.base import Estimate, Unit
from lmbench.errors import UsageError
from lmbench.progress import Progress
from lmbench.tokens import Tokens

__all__ = ["Zstd"]


class Zstd:
    """Code length of the test text under Zstandard: far matches, finite-state entropy codes. An upper bound.

    Args:
        level: compression level, 1 to 22
    """

    unit: Unit = "byte"

    def __init__(self, level: int = 22) -> None:
        if not 1 <= level <= 22:
            raise UsageError(f"estimator 'zstd': level must be between 1 and 22, not {level}")
        self.level = level

    def estimate(self, train: Tokens, test: Tokens, progress: Progress) -> list[Estimate]:
        # Told the size, the compressor fits its window to the text; the size goes into the header.
        encoder = zstandard.ZstdCompressor(level=self.level).compressobj(size=test.bytes)
        return [code_length("zstd", f"level {self.level}", encoder, test, progress)]
