"""Long text in pieces, cut only where the tokenizer cuts anyway, so that no id depends on the cutting."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from lmbench.corpus.text import Text

PIECE = 10_000  # bytes: encode_batch_fast's best on 2 cores; whole books take 2.7 times as long
BATCH = 1 << 21  # bytes handed over together

# White space that Python and Oniguruma both take for such, after a character that neither does.
BEFORE_SPACE = re.compile(r"[^\s\x1c-\x1f](?=[ \t\n\r\u3000])")
# GPT-2's pre-tokenizer never joins a letter to what is neither letter, number nor space; for Japanese and
# Chinese, which have no spaces, the marks that end sentences and clauses are such places.
GPT2 = re.compile(
    r"[^\s\x1c-\x1f](?=[ \t\n\r\u3000])"
    r"|[A-Za-z\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fa5](?=[,.;:!?。、，．！？：；「」『』（）])"
)
# Most later pre-tokenizers let a mark take the line's end with it, so that only this place is left to all.
LETTER_SPACE = re.compile(r"[A-Za-z](?= [A-Za-z])")


@dataclass(frozen=True)
class Batch:
    """`pieces`: texts to encode one by one. `last`: [p] whether a document ends after each. `bytes`: of all."""

    pieces: list[str]
    last: list[bool]
    bytes: int


def batches(text: Text, cut: re.Pattern[str] | None, size: int = PIECE, batch: int = BATCH) -> Iterator[Batch]:
    """The documents in pieces of about `size` bytes; `cut` matches the character to cut after, None: cut nowhere."""
    pieces: list[str] = []
    last: list[bool] = []
    held = 0
    for start, end in zip(text.starts.tolist(), text.ends.tolist(), strict=True):
        for at, stop in _spans(text.data, start, end, cut, size):
            pieces.append(text.data[at:stop].tobytes().decode("utf-8"))
            last.append(stop == end)
            held += stop - at
            if held >= batch:
                yield Batch(pieces, last, held)
                pieces, last, held = [], [], 0
    if pieces:
        yield Batch(pieces, last, held)


def _spans(
    data: NDArray[np.uint8], start: int, end: int, cut: re.Pattern[str] | None, size: int
) -> Iterator[tuple[int, int]]:
    at = start
    while end - at > size and cut is not None:
        stop = _next_cut(data, at + size, end, cut)
        yield at, stop
        at = stop
    if at < end or start == end:
        yield at, end


def _next_cut(data: NDArray[np.uint8], at: int, end: int, cut: re.Pattern[str]) -> int:
    """The first place to cut at or after byte `at`; `end` where there is none."""
    while at > 0 and data[at] & 0xC0 == 0x80:
        at -= 1
    width = 256
    while at < end:
        stop = min(at + width, end)
        window = data[at:stop].tobytes().decode("utf-8", errors="ignore")  # its last character may be cut
        found = cut.search(window)
        if found:
            return at + len(window[: found.end()].encode("utf-8"))
        if stop == end:
            break
        width *= 2
    return end
