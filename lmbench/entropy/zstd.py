"""Zstandard."""

from __future__ import annotations

from typing import Any, Literal

import zstandard

from lmbench.entropy._compressor import Code, code_length
from lmbench.entropy.base import Estimate, Unit
from lmbench.errors import UsageError
from lmbench.progress import Progress
from lmbench.tokens import Tokens

__all__ = ["Zstd"]


class Zstd:
    """Code length under Zstandard: far matches, finite-state entropy codes. An upper bound.

    A frame has up to 18 bytes of header and here no checksum (RFC 8878). After the training text the
    header belongs to what both sides have.

    Alone, on 1,000,000 symbols of sources of known rate, it is between 0.00 (a period) and 0.43 bits a symbol
    (a context-free grammar) above the rate (results/reference/calibration.md).

    Args:
        level: compression level, 1 to 22
        code: alone (the test text given nothing), primed (given the training text) or online (both, given nothing)
    """

    unit: Unit = "byte"

    def __init__(self, level: int = 22, code: Literal["alone", "primed", "online"] = "alone") -> None:
        if not 1 <= level <= 22:
            raise UsageError(f"estimator 'zstd': level must be between 1 and 22, not {level}")
        self.level = level
        self.code: Code = code

    def estimate(self, train: Tokens, test: Tokens, progress: Progress) -> list[Estimate]:
        def start(size: int) -> Any:
            # Told the size, the compressor fits its window to the text; the size goes into the header.
            return zstandard.ZstdCompressor(level=self.level).compressobj(size=size)

        def end_block(encoder: Any) -> bytes:
            return bytes(encoder.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK))

        overhead = "no header, no checksum" if self.code == "primed" else "header included, no checksum"
        return [
            code_length(
                "zstd", f"level {self.level}", start, (train, test), self.code, progress,
                whole_blocks=end_block, overhead=overhead,
            )
        ]  # fmt: skip
