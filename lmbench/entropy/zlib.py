"""zlib."""

from __future__ import annotations

import zlib

from lmbench.entropy._compressor import code_length
from lmbench.entropy.base import Estimate, Unit
from lmbench.errors import UsageError
from lmbench.progress import Progress
from lmbench.tokens import Tokens

__all__ = ["Zlib"]


class Zlib:
    """Code length of the test text under zlib: matches up to 32 KiB back, Huffman codes. An upper bound.

    Args:
        level: compression level, 0 to 9
    """

    unit: Unit = "byte"

    def __init__(self, level: int = 9) -> None:
        if not 0 <= level <= 9:
            raise UsageError(f"estimator 'zlib': level must be between 0 and 9, not {level}")
        self.level = level

    def estimate(self, train: Tokens, test: Tokens, progress: Progress) -> list[Estimate]:
        return [code_length("zlib", f"level {self.level}", zlib.compressobj(self.level), test, progress)]
