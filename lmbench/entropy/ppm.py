"""Prediction by partial matching, as PPMd codes it: alone, and after the training text."""

from __future__ import annotations

import time
from typing import Any

from lmbench.entropy._symbols import text_bytes
from lmbench.entropy.base import Estimate, Unit
from lmbench.errors import LmbenchError, UsageError
from lmbench.progress import Progress
from lmbench.tokens import Tokens

__all__ = ["Ppm"]

REQUIRES = ("pyppmd",)

_LEAST, _MOST = 16, 2048  # MiB
_NODE_BYTES = 32  # what a byte of text takes at order 16 is under 25 (English, measured), at order 6 under 14


class Ppm:
    """Code length of the test text under PPMd: alone, and after the training text. Upper bounds.

    Cleary & Witten 1984; Shkarin 2002, variant H (7-Zip's PPMd): the next byte is predicted from the
    longest context met so far, with an escape to shorter ones, and what is coded is learned at
    once. After the training text, both sides know that text: what is counted is the bytes that
    coding the test text adds. It goes on learning from the test text, so that of the models only
    adaptive ones (cache) are like it. A stream of bytes, without end of text; no probabilities
    of tokens can be had from it, and so it is no row among the models.

    Args:
        order: longest context, in bytes, 2 to 64
        memory: MiB for what is learned; none: 32 bytes for each byte of text, from 16 MiB to 2 GiB
    """

    unit: Unit = "byte"

    def __init__(self, order: int = 6, memory: int | None = None) -> None:
        if not 2 <= order <= 64:
            raise UsageError(f"estimator 'ppm': order must be between 2 and 64, not {order}")
        if memory is not None and not 1 <= memory <= 4000:
            raise UsageError(f"estimator 'ppm': memory must be between 1 and 4000 MiB, not {memory}")
        self.order = order
        self.memory = memory
        _pyppmd()

    def estimate(self, train: Tokens, test: Tokens, progress: Progress) -> list[Estimate]:
        if test.bytes == 0:
            raise LmbenchError("ppm: the test text has no bytes, so there is nothing to compress; give a longer text")
        nothing = train.head(0)
        return [self._after(text, test, progress) for text in (nothing, train) if text is nothing or text.bytes]

    def _after(self, known: Tokens, test: Tokens, progress: Progress) -> Estimate:
        started = time.perf_counter()
        wanted = (known.bytes + test.bytes) * _NODE_BYTES >> 20
        memory = self.memory or min(max(_LEAST, wanted), _MOST)
        encoder = _pyppmd().Ppmd7Encoder(self.order, memory << 20)
        name = "ppm after the training text" if known.bytes else "ppm"
        with progress.task(f"{name} (order {self.order})", known.bytes + test.bytes) as task:
            for piece in text_bytes(known):
                encoder.encode(piece)
                task.advance(len(piece))
            size = 0
            for piece in text_bytes(test):
                size += len(encoder.encode(piece))
                task.advance(len(piece))
            size += len(encoder.flush())
        given = f"the {known.bytes:,} bytes of training text" if known.bytes else "nothing"
        note = (
            f"{size:,} bytes ({8 * size:,} bits) for the {test.bytes:,} bytes of test text given {given}, "
            f"order {self.order}, {memory:,} MiB"
        )
        if memory < wanted:
            note += "; more memory might have been needed, and when it is full PPMd forgets everything"
        return Estimate(
            estimator=name,
            kind="upper bound",
            bits_per_character=8.0 * size / test.characters if test.characters else None,
            bits_per_byte=8.0 * size / test.bytes,
            note=note,
            seconds=time.perf_counter() - started,
        )


def _pyppmd() -> Any:
    try:
        import pyppmd
    except ImportError:
        raise UsageError("estimator 'ppm' needs the package pyppmd: pip install lmbench[codec]") from None
    return pyppmd
