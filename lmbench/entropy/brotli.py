"""Brotli."""

from __future__ import annotations

from typing import Any, Literal

from lmbench.entropy._compressor import Code, code_length
from lmbench.entropy.base import Estimate, Unit
from lmbench.errors import UsageError
from lmbench.invocation import install
from lmbench.progress import Progress
from lmbench.tokens import Tokens

__all__ = ["Brotli"]

REQUIRES = ("brotli",)


class Brotli:
    """Code length under Brotli: matches up to 16 MiB back, context-dependent Huffman codes. An upper bound.

    The format comes with a dictionary of 122,784 bytes of words of natural languages and of the web (RFC 7932,
    appendix A), so that "given nothing" is not quite true of it. A stream has a short header and no checksum.

    Alone, on 1,000,000 symbols of sources of known rate, it is between 0.00 (a period) and 0.52 bits a symbol
    (a context-free grammar) above the rate (results/reference/calibration.md).

    Args:
        quality: 0 to 11
        code: alone (the test text given nothing), primed (given the training text) or online (both, given nothing)
    """

    unit: Unit = "byte"

    def __init__(self, quality: int = 11, code: Literal["alone", "primed", "online"] = "alone") -> None:
        if not 0 <= quality <= 11:
            raise UsageError(f"estimator 'brotli': quality must be between 0 and 11, not {quality}")
        self.quality = quality
        self.code: Code = code
        _brotli()

    def estimate(self, train: Tokens, test: Tokens, progress: Progress) -> list[Estimate]:
        overhead = "no header, no checksum" if self.code == "primed" else "header included, no checksum"
        return [
            code_length(
                "brotli", f"quality {self.quality}", lambda _: _Encoder(self.quality), (train, test), self.code,
                progress, whole_blocks=lambda encoder: encoder.end_block(), overhead=overhead,
            )
        ]  # fmt: skip


class _Encoder:
    """`brotli.Compressor` under the names that the other compressors have; 24: a window of 16 MiB."""

    def __init__(self, quality: int) -> None:
        self._encoder = _brotli().Compressor(quality=quality, lgwin=24)

    def compress(self, data: bytes, /) -> bytes:
        return bytes(self._encoder.process(data))

    def end_block(self) -> bytes:
        return bytes(self._encoder.flush())

    def flush(self) -> bytes:
        return bytes(self._encoder.finish())


def _brotli() -> Any:
    try:
        import brotli
    except ImportError:
        raise UsageError(f"estimator 'brotli' needs the package brotli: {install('brotli')}") from None
    return brotli
