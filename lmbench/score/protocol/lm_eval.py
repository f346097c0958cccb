"""As lm-evaluation-harness does it: rolling log-likelihoods."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmbench.errors import LmbenchError
from lmbench.net.base import in_range
from lmbench.progress import Progress
from lmbench.score.protocol.base import Figure, Found, Measured, piece_log_probs

__all__ = ["LmEval"]


class LmEval:
    """lm-evaluation-harness's `loglikelihood_rolling`: each document is cut into windows of `max_length` tokens that
    are read with the one token before them (the first with the end-of-text token), so that they overlap by one; the
    last window begins so far back that it is full. The document's end is not predicted. Words are
    `re.split(r"\\s+", text)`, bytes those of UTF-8, and both sums are over all documents.

    Args:
        max_length: tokens of a window; none: what the model can look back on, 1,024 where that has no end.
    """

    conventions = (
        "lm-evaluation-harness: windows that overlap by one token, so that the first tokens of each are predicted from "
        "next to nothing; documents' ends are not predicted; words are pieces between white space"
    )

    def __init__(self, max_length: int | None = None) -> None:
        in_range(1, None, max_length=max_length)
        self.max_length = max_length

    def measure(self, measured: Measured, progress: Progress) -> Found:
        if measured.texts is None:
            raise LmbenchError(
                f"{measured.name}: the tokens of this run lose text, whose words and bytes are wanted here"
            )
        own, length = measured.own, self.max_length or measured.window
        pieces, scored = [], []
        for index in range(len(own.documents)):
            ids = own.document(index)
            if len(ids) and ids[-1] == own.vocabulary.end_of_text:
                ids = ids[:-1]
            for piece, count in windows(ids, own.vocabulary.end_of_text, length):
                pieces.append(piece)
                scored.append(count)
        found = piece_log_probs(measured, pieces, progress)
        nats = -math.fsum(float(each[len(each) - count :].sum()) for each, count in zip(found, scored, strict=True))
        words = sum(len(re.split(r"\s+", text)) for text in measured.texts)
        size = sum(len(text.encode("utf-8")) for text in measured.texts)
        return _found(measured, nats, words, size, sum(scored), length)


def windows(ids: NDArray[np.integer[Any]], end_of_text: int, length: int) -> Iterator[tuple[NDArray[np.int64], int]]:
    """(what is read and predicted, of how many last ids ln p is wanted) of each window of a document [n].

    ids 1 2 3 4 5, length 2, end 9: `[9 1 2]` 2, `[2 3 4]` 2, `[3 4 5]` 1.
    """
    whole = np.concatenate([[end_of_text], ids]).astype(np.int64)
    for start in range(0, len(ids), length):
        stop = min(start + length, len(ids))
        yield whole[max(0, stop - length) : stop + 1], stop - start


def _found(measured: Measured, nats: float, words: int, size: int, count: int, length: int) -> Found:
    log_probs, inner = measured.log_probs, measured.inner
    total, without = -float(log_probs.sum()), -float(inner.sum())
    texts = measured.texts or []
    plain = sum(len(text.split()) for text in texts)
    whole = measured.tokens.bytes
    bits = math.log(2)
    figures = [
        Figure("word_perplexity", _exp(nats / max(1, words)), _exp(total / max(1, plain))),
        Figure("byte_perplexity", _exp(nats / max(1, size)), _exp(total / max(1, whole))),
        Figure("bits_per_byte", nats / max(1, size) / bits, total / max(1, whole) / bits),
        Figure("token_perplexity", _exp(nats / max(1, count)), None),
    ]
    if not math.isfinite(nats) or not math.isfinite(total):
        return Found(figures, ["a token of the text has probability zero"])
    ends, cut = (without - total) / max(1, size) / bits, (nats - without) / max(1, size) / bits
    sentences = [
        f"documents' ends are not predicted: {ends:+.4f} bits/byte",
        f"windows of {length:,} tokens that overlap by one: {cut:+.4f} bits/byte",
    ]
    if words != plain:
        sentences.append(
            f"{words:,} pieces between white space, of which {plain:,} are words: the empty ones are counted"
        )
    return Found(figures, sentences)


def _exp(nats: float) -> float:
    return math.exp(nats) if nats < 700 else math.inf
