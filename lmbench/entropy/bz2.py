"""bzip2."""

from __future__ import annotations

import bz2

from lmbench.entropy._compressor import code_length
from lmbench.entropy.base import Estimate, Unit
from lmbench.errors import UsageError
from lmbench.progress import Progress
from lmbench.tokens import Tokens

__all__ = ["Bz2"]


class Bz2:
    """Code length of the test text under bzip2: Burrows-Wheeler transform and Huffman codes. An upper bound.

    Args:
        level: block size in units of 100 kB, 1 to 9
    """

    unit: Unit = "byte"

    def __init__(self, level: int = 9) -> None:
        if not 1 <= level <= 9:
            raise UsageError(f"estimator 'bz2': level must be between 1 and 9, not {level}")
        self.level = level

    def estimate(self, train: Tokens, test: Tokens, progress: Progress) -> list[Estimate]:
        return [code_length("bz2", f"level {self.level}", bz2.BZ2Compressor(self.level), test, progress)]
