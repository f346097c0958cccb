"""The text as words, for estimators whose unit is the word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from lmbench.corpus.scripts import MOST_UNSPACED, code_points, count_unspaced
from lmbench.corpus.text import Text
from lmbench.errors import LmbenchError
from lmbench.progress import Progress
from lmbench.tokenizer._pieces import BEFORE_SPACE, batches
from lmbench.tokens import Tokens, Vocabulary


@dataclass(frozen=True, eq=False)
class Words(Tokens):
    """Words as ids; `characters` and `bytes` are those of the text that they were split from, white space included.

    So a rate in bits per word becomes an exact rate per character of the text; what white space
    beyond the fact that it is there would add to it is left out.
    """

    text_characters: int = 0
    text_bytes: int = 0

    @property
    def characters(self) -> int:
        return self.text_characters

    @property
    def bytes(self) -> int:
        return self.text_bytes

    def __add__(self, other: Tokens) -> Tokens:
        joined = super().__add__(other)
        return Words(
            joined.ids, joined.documents, joined.vocabulary,
            text_characters=self.characters + other.characters, text_bytes=self.bytes + other.bytes,
        )  # fmt: skip


def words_of(texts: Sequence[Text], progress: Progress) -> list[Words]:
    """`texts` as words, what white space separates (Python's `str.split()`), in one vocabulary of all their words.

    Raises LmbenchError where there are none to be had: fewer than two words, or a text most of whose
    characters belong to scripts that put no space between words.

    Worked example, "to be or not to be": ids 0 1 2 3 0 1, 6 words for 18 characters.
    """
    index: dict[str, int] = {}
    found: list[tuple[NDArray[np.uint32], list[int]]] = []
    unspaced = visible = 0
    with progress.task("splitting into words", sum(text.bytes for text in texts)) as task:
        for text in texts:
            ids: list[NDArray[np.uint32]] = []
            starts, at = [], 0
            begins = True
            for batch in batches(text, BEFORE_SPACE):
                words = [piece.split() for piece in batch.pieces]
                for piece, last in zip(words, batch.last, strict=True):
                    if begins:
                        starts.append(at)
                    at, begins = at + len(piece) + last, last
                    ends = [_END] if last else []
                    numbers = [index.setdefault(word, len(index)) for word in piece] + ends
                    ids.append(np.array(numbers, dtype=np.uint32))
                here = code_points("".join(chain.from_iterable(words)))
                visible += len(here)
                unspaced += count_unspaced(here)
                task.advance(batch.bytes)
            found.append((np.concatenate([np.zeros(0, np.uint32), *ids]), starts))
    if visible and unspaced > MOST_UNSPACED * visible:
        raise LmbenchError(
            f"this text has no unit word: {unspaced / visible:.0%} of its characters are of scripts that are written "
            "without spaces between words; use --unit char"
        )
    vocabulary = Vocabulary((*(word.encode() for word in index), b""), len(index), lossless=False)
    made = []
    for text, (ids_, starts) in zip(texts, found, strict=True):
        ids_[ids_ == _END] = len(index)
        documents = np.array(starts, dtype=np.int64)
        made.append(
            Words(
                ids_.astype(vocabulary.dtype), documents, vocabulary,
                text_characters=text.characters, text_bytes=text.bytes,
            )
        )  # fmt: skip
    if sum(len(words) - len(words.documents) for words in made) < 2:
        raise LmbenchError("this text has no unit word: there are fewer than two words in it; use --unit char")
    return made


_END = 0xFFFFFFFF
