"""zlib."""

from __future__ import annotations

import zlib
from typing import Any, Literal

from lmbench.entropy._compressor import Code, code_length
from lmbench.entropy.base import Estimate, Unit
from lmbench.errors import UsageError
from lmbench.progress import Progress
from lmbench.tokens import Tokens

__all__ = ["Zlib"]


class Zlib:
    """Code length under zlib: matches up to 32 KiB back, Huffman codes. An upper bound.

    A stream has 2 bytes of header and 4 of checksum (RFC 1950). After the training text, of which the
    last 32 KiB can be pointed at, the header belongs to what both sides have.

    Alone, on 1,000,000 symbols of sources of known rate, it is between 0.01 (a period) and 0.62 bits a symbol
    (a context-free grammar) above the rate (results/reference/calibration.md).

    Args:
        level: compression level, 0 to 9
        code: alone (the test text given nothing), primed (given the training text) or online (both, given nothing)
    """

    unit: Unit = "byte"

    def __init__(self, level: int = 9, code: Literal["alone", "primed", "online"] = "alone") -> None:
        if not 0 <= level <= 9:
            raise UsageError(f"estimator 'zlib': level must be between 0 and 9, not {level}")
        self.level = level
        self.code: Code = code

    def estimate(self, train: Tokens, test: Tokens, progress: Progress) -> list[Estimate]:
        def sync(encoder: Any) -> bytes:
            return bytes(encoder.flush(zlib.Z_SYNC_FLUSH))

        return [
            code_length(
                "zlib", f"level {self.level}", lambda _: zlib.compressobj(self.level), (train, test), self.code,
                progress, whole_blocks=sync,
                overhead="4 bytes of it a checksum" if self.code == "primed" else "header and checksum included",
            )
        ]  # fmt: skip
