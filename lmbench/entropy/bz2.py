"""bzip2."""

from __future__ import annotations

import bz2
from typing import Literal

from lmbench.entropy._compressor import Code, code_length
from lmbench.entropy.base import Estimate, Unit
from lmbench.errors import UsageError
from lmbench.progress import Progress
from lmbench.tokens import Tokens

__all__ = ["Bz2"]


class Bz2:
    """Code length under bzip2: Burrows-Wheeler transform and Huffman codes. An upper bound.

    Each block is sorted for itself, so that nothing can be told beforehand: there is no code after the
    training text. A stream has 4 bytes of header, and a checksum of 4 for each block and for the whole.

    Alone, on 1,000,000 symbols of sources of known rate, it is between 0.00 (a period) and 0.54 bits a symbol
    (draws by Zipf's law) above the rate (results/reference/calibration.md).

    Args:
        level: block size in units of 100 kB, 1 to 9
        code: alone (the test text given nothing) or online (training and test text, given nothing)
    """

    unit: Unit = "byte"

    def __init__(self, level: int = 9, code: Literal["alone", "online"] = "alone") -> None:
        if not 1 <= level <= 9:
            raise UsageError(f"estimator 'bz2': level must be between 1 and 9, not {level}")
        self.level = level
        self.code: Code = code

    def estimate(self, train: Tokens, test: Tokens, progress: Progress) -> list[Estimate]:
        def start(_: int) -> bz2.BZ2Compressor:
            return bz2.BZ2Compressor(self.level)

        return [code_length("bz2", f"level {self.level}", start, (train, test), self.code, progress)]
