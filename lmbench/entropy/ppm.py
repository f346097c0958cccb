"""Prediction by partial matching, as PPMd codes it: alone, and after the training text."""

from __future__ import annotations

import time
from typing import Any, Literal

from lmbench.entropy._compressor import NAMES, Code
from lmbench.entropy._symbols import text_bytes
from lmbench.entropy.base import Estimate, Unit
from lmbench.errors import LmbenchError, UsageError
from lmbench.invocation import install
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

    Alone, on 1,000,000 symbols of sources of known rate, it is between 0.00 (a period) and 0.23 bits a symbol
    (draws by Zipf's law) above the rate (results/reference/calibration.md).

    Args:
        order: longest context, in bytes, 2 to 64
        code: alone, primed (after the training text), both of them, or online (training and test text, given nothing)
        memory: MiB for what is learned; none: 32 bytes for each byte of text, from 16 MiB to 2 GiB
    """

    unit: Unit = "byte"

    def __init__(
        self,
        order: int = 6,
        memory: int | None = None,
        code: Literal["both", "alone", "primed", "online"] = "both",
    ) -> None:
        if not 2 <= order <= 64:
            raise UsageError(f"estimator 'ppm': order must be between 2 and 64, not {order}")
        if memory is not None and not 1 <= memory <= 4000:
            raise UsageError(f"estimator 'ppm': memory must be between 1 and 4000 MiB, not {memory}")
        self.order = order
        self.memory = memory
        self.code = code
        _pyppmd()

    def estimate(self, train: Tokens, test: Tokens, progress: Progress) -> list[Estimate]:
        if test.bytes == 0:
            raise LmbenchError("ppm: the test text has no bytes, so there is nothing to compress; give a longer text")
        if self.code == "primed" and not train.bytes:
            raise LmbenchError("ppm: there is no training text to start from; use code=alone")
        nothing = train.head(0)
        if self.code == "online":
            return [self._after(nothing, (train, test), "online", progress)]
        found = [] if self.code == "primed" else [self._after(nothing, (test,), "alone", progress)]
        primed = self.code != "alone" and train.bytes > 0
        return found + ([self._after(train, (test,), "primed", progress)] if primed else [])

    def _after(self, known: Tokens, coded: tuple[Tokens, ...], code: Code, progress: Progress) -> Estimate:
        started = time.perf_counter()
        length, characters = sum(text.bytes for text in coded), sum(text.characters for text in coded)
        wanted = (known.bytes + length) * _NODE_BYTES >> 20
        memory = self.memory or min(max(_LEAST, wanted), _MOST)
        encoder = _pyppmd().Ppmd7Encoder(self.order, memory << 20)
        name = NAMES[code].format("ppm")
        with progress.task(f"{name} (order {self.order})", known.bytes + length) as task:
            for piece in text_bytes(known):
                encoder.encode(piece)
                task.advance(len(piece))
            size = 0
            for text in coded:
                for piece in text_bytes(text):
                    size += len(encoder.encode(piece))
                    task.advance(len(piece))
            size += len(encoder.flush())
        given = f"the {known.bytes:,} bytes of training text" if known.bytes else "nothing"
        note = (
            f"{size:,} bytes ({8 * size:,} bits, no header, no checksum) for the {length:,} bytes of "
            f"{'training and test text' if code == 'online' else 'test text'} given {given}, "
            f"order {self.order}, {memory:,} MiB"
        )
        if known.bytes:
            note += "; it goes on learning from the test text, as only adaptive models do"
        if memory < wanted:
            note += "; more memory might have been needed, and when it is full PPMd forgets everything"
        return Estimate(
            estimator=name,
            kind="upper bound",
            bits_per_character=8.0 * size / characters if characters else None,
            bits_per_byte=8.0 * size / length,
            note=note,
            seconds=time.perf_counter() - started,
        )


def _pyppmd() -> Any:
    try:
        import pyppmd
    except ImportError:
        raise UsageError(f"estimator 'ppm' needs the package pyppmd: {install('pyppmd')}") from None
    return pyppmd
