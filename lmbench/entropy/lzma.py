"""LZMA."""

from __future__ import annotations

import lzma

from lmbench.entropy._compressor import code_length
from lmbench.entropy.base import Estimate, Unit
from lmbench.errors import UsageError
from lmbench.progress import Progress
from lmbench.tokens import Tokens

__all__ = ["Lzma"]


class Lzma:
    """Code length of the test text under LZMA in the .xz format: far matches, a range coder. An upper bound.

    Args:
        preset: 0 to 9, the dictionary's size (64 MiB at 9)
        extreme: spend more time, as `xz --extreme` does
    """

    unit: Unit = "byte"

    def __init__(self, preset: int = 9, extreme: bool = True) -> None:
        if not 0 <= preset <= 9:
            raise UsageError(f"estimator 'lzma': preset must be between 0 and 9, not {preset}")
        self.preset = preset
        self.extreme = extreme

    def estimate(self, train: Tokens, test: Tokens, progress: Progress) -> list[Estimate]:
        encoder = lzma.LZMACompressor(preset=self.preset | (lzma.PRESET_EXTREME if self.extreme else 0))
        settings = f"preset {self.preset}{' extreme' if self.extreme else ''}"
        return [code_length("lzma", settings, encoder, test, progress)]
