"""LZMA."""

from __future__ import annotations

import lzma
from typing import Literal

from lmbench.entropy._compressor import Code, code_length
from lmbench.entropy.base import Estimate, Unit
from lmbench.errors import UsageError
from lmbench.progress import Progress
from lmbench.tokens import Tokens

__all__ = ["Lzma"]


class Lzma:
    """Code length under LZMA: far matches, a range coder. An upper bound.

    Alone and online it is the size of an .xz file, whose headers, index and checksum take 60 to 70 bytes. After the
    training text the older .lzma format stands in, which is one run of the range coder: counted is what
    follows the beginning that the streams with and without the test text share, and 8 bytes for its length.

    Alone, on 1,000,000 symbols of sources of known rate, it is between 0.00 (a period) and 0.42 bits a symbol
    (a context-free grammar) above the rate (results/reference/calibration.md).

    Args:
        preset: 0 to 9, the dictionary's size (64 MiB at 9)
        extreme: spend more time, as `xz --extreme` does
        code: alone (the test text given nothing), primed (given the training text) or online (both, given nothing)
    """

    unit: Unit = "byte"

    def __init__(
        self, preset: int = 9, extreme: bool = True, code: Literal["alone", "primed", "online"] = "alone"
    ) -> None:
        if not 0 <= preset <= 9:
            raise UsageError(f"estimator 'lzma': preset must be between 0 and 9, not {preset}")
        self.preset = preset
        self.extreme = extreme
        self.code: Code = code

    def estimate(self, train: Tokens, test: Tokens, progress: Progress) -> list[Estimate]:
        kind = lzma.FORMAT_ALONE if self.code == "primed" else lzma.FORMAT_XZ
        preset = self.preset | (lzma.PRESET_EXTREME if self.extreme else 0)

        def start(_: int) -> lzma.LZMACompressor:
            return lzma.LZMACompressor(format=kind, preset=preset)

        settings = f"preset {self.preset}{' extreme' if self.extreme else ''}"
        overhead = "8 bytes of it a length" if self.code == "primed" else "header and checksum included"
        return [code_length("lzma", settings, start, (train, test), self.code, progress, overhead=overhead)]
