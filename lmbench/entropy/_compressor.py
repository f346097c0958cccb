"""What the compressors share: the length of a text's code."""

from __future__ import annotations

import time
from typing import Protocol

from lmbench.entropy._symbols import text_bytes
from lmbench.entropy.base import Estimate
from lmbench.errors import LmbenchError
from lmbench.progress import Progress
from lmbench.tokens import Tokens


class Encoder(Protocol):
    """A streaming compressor, as `zlib`, `bz2`, `lzma` and `zstandard` all have it."""

    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


def code_length(name: str, settings: str, encoder: Encoder, text: Tokens, progress: Progress) -> Estimate:
    """The size of `text` under `encoder`: an upper bound on its entropy, given nothing but the program.

    The compressed stream counts whole, with header, footer and checksum, because a decoder
    needs it whole. Documents are joined end to end. Raises LmbenchError for an empty text.
    """
    started = time.perf_counter()
    if text.bytes == 0:
        raise LmbenchError(f"{name}: the test text has no bytes, so there is nothing to compress; give a longer text")
    size = 0
    with progress.task(f"{name} ({settings})", text.bytes) as task:
        for piece in text_bytes(text):
            size += len(encoder.compress(piece))
            task.advance(len(piece))
        size += len(encoder.flush())
    bits = 8.0 * size
    return Estimate(
        estimator=name,
        kind="upper bound",
        bits_per_character=bits / text.characters if text.characters else None,
        bits_per_byte=bits / text.bytes,
        note=f"{size:,} bytes ({int(bits):,} bits, header and checksum included) for the {text.bytes:,} bytes of test "
        f"text given nothing, {settings}",
        seconds=time.perf_counter() - started,
    )
