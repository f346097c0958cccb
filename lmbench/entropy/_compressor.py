"""What the compressors share: the length of a text's code, alone, after another text, or of both texts online.

alone    the test text, given nothing
primed   the test text, given the training text: what coding it adds once the training text is coded
online   training and test text as one, given nothing: every byte is coded, the first ones dearly
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, Literal, Protocol

from lmbench.entropy._symbols import text_bytes
from lmbench.entropy.base import Estimate
from lmbench.errors import LmbenchError
from lmbench.progress import Progress, Task
from lmbench.tokens import Tokens

Code = Literal["alone", "primed", "online"]

NAMES = {"alone": "{}", "primed": "{} after the training text", "online": "{}, whole text online"}


class Encoder(Protocol):
    """A streaming compressor, as `zlib`, `bz2`, `lzma` and `zstandard` all have it."""

    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


def code_length(
    name: str,
    settings: str,
    start: Callable[[int], Encoder],
    texts: tuple[Tokens, Tokens],
    code: Code,
    progress: Progress,
    *,
    whole_blocks: Callable[[Any], bytes] | None = None,
    overhead: str = "header and checksum included",
) -> Estimate:
    """The size under a compressor of the code that `code` names, of `texts` = (train, test): an upper bound.

    `start(bytes)` makes an encoder for a text of that length. The compressed stream counts whole, with
    header, footer and checksum, because a decoder needs it whole. Primed, both sides compress the
    training text and bring it to the end of a byte by `whole_blocks`, and what the encoder writes after that counts;
    without `whole_blocks`, the streams of the training text and of both texts are compared, and what follows
    their common beginning counts, with 8 bytes for its length: whoever has the training text decodes the rest.
    Documents are joined end to end. Raises LmbenchError for an empty text.
    """
    started = time.perf_counter()
    train, test = texts
    if test.bytes == 0:
        raise LmbenchError(f"{name}: the test text has no bytes, so there is nothing to compress; give a longer text")
    if code == "primed" and train.bytes == 0:
        raise LmbenchError(f"{name}: there is no training text to start from; use code=alone")
    coded = (train, test) if code == "online" else (test,)
    length, characters = sum(text.bytes for text in coded), sum(text.characters for text in coded)
    passes = {"alone": test.bytes, "online": length, "primed": train.bytes + test.bytes}[code]
    with progress.task(f"{NAMES[code].format(name)} ({settings})", passes) as task:
        encoder = start(passes)
        if code != "primed":
            size = sum(map(len, _stream(encoder, coded, task)))
        elif whole_blocks is not None:
            for text in text_bytes(train):
                encoder.compress(text)
                task.advance(len(text))
            whole_blocks(encoder)
            size = sum(map(len, _stream(encoder, (test,), task)))
        else:
            both = b"".join(_stream(encoder, (train, test), task))
            size = _after_common(both, b"".join(_stream(start(passes), (train,), task))) + 8
    given = f"the {train.bytes:,} bytes of training text" if code == "primed" else "nothing"
    which = "training and test text" if code == "online" else "test text"
    bits = 8 * size
    return Estimate(
        estimator=NAMES[code].format(name),
        kind="upper bound",
        bits_per_character=bits / characters if characters else None,
        bits_per_byte=bits / length,
        note=f"{size:,} bytes ({bits:,} bits, {overhead}) for the {length:,} bytes of {which} given {given}, {settings}"
        + ("; a code of the whole text, which holds the cost of learning it" if code == "online" else ""),
        seconds=time.perf_counter() - started,
    )


def _stream(encoder: Encoder, texts: Iterable[Tokens], task: Task) -> Iterable[bytes]:
    for text in texts:
        for piece in text_bytes(text):
            yield encoder.compress(piece)
            task.advance(len(piece))
    yield encoder.flush()


def _after_common(stream: bytes, other: bytes) -> int:
    """How many bytes of `stream` follow the beginning that it shares with `other`."""
    low, high = 0, min(len(stream), len(other))
    while low < high:  # equality of beginnings is monotone
        middle = (low + high + 1) // 2
        low, high = (middle, high) if stream[:middle] == other[:middle] else (low, middle - 1)
    return len(stream) - low
