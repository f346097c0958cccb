"""The text as a plain sequence of symbols: what every estimator reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmbench.entropy._words import Words
from lmbench.entropy.base import Estimate, Unit
from lmbench.progress import Task
from lmbench.tokens import Tokens

_CHUNK = 1 << 20
_OFTEN = 0.05  # of all symbols


@dataclass(frozen=True, eq=False)
class Symbols:
    """Symbols of one or more texts, document after document.

    `ids`: [n]. `documents`: [d] int64, the offset at which each starts. `alphabet`: ids are below
    it. `characters`, `bytes`: the length of the text they stand for, None where the vocabulary
    loses text.
    """

    ids: NDArray[np.integer[Any]]
    documents: NDArray[np.int64]
    alphabet: int
    characters: int | None
    bytes: int | None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def remaining(self) -> NDArray[np.int64]:
        """[n] symbols from here to the end of the document, this one included: an n-gram needs n of them."""
        lengths = np.diff(self.documents, append=len(self))
        remaining = np.repeat(self.documents + lengths, lengths)
        remaining -= np.arange(len(self))
        return remaining

    def per_character(self, bits: float) -> float | None:
        """Bits per symbol to bits per character, by the exact length of the text."""
        return bits * len(self) / self.characters if self.characters else None

    def estimate(
        self,
        estimator: str,
        bits: float,
        interval: tuple[float, float] | None,
        note: str,
        seconds: float,
        curve: dict[str, Any],
    ) -> Estimate:
        """An "estimate" of `bits` per symbol, `interval` likewise, in all the units there are."""
        ends = None
        if interval is not None and self.characters:
            ends = (interval[0] * len(self) / self.characters, interval[1] * len(self) / self.characters)
        return Estimate(
            estimator=estimator,
            kind="estimate",
            bits_per_character=self.per_character(bits),
            bits_per_byte=bits * len(self) / self.bytes if self.bytes else None,
            interval=ends,
            note=note,
            seconds=seconds,
            curve=curve,
            bits_per_token=bits,
        )


def new_symbols(symbols: Symbols, unit: Unit) -> str:
    """A clause on symbols that occur once, where they are more than 5 % of all; else nothing.

    What a match or a phrase says of a new symbol is that it is new: log2 of the text's length, whatever its spelling.
    """
    once = int(np.count_nonzero(np.bincount(symbols.ids) == 1))
    if once <= _OFTEN * len(symbols):
        return ""
    return (
        f"; {once / len(symbols):.0%} of the symbols ({unit}) occur once, which is all that is counted of them and not "
        "their spelling: in bits per character too low"
    )


def symbols_of(*texts: Tokens) -> Symbols:
    """The symbols of `texts` (which share a vocabulary), one text after the other.

    An end-of-text id without bytes is no symbol of the text and is left out; one that stands
    for a newline stays.

    `[0, 1, end, 1, end]` with an empty end gives ids `[0, 1, 1]` and documents `[0, 2]`.
    """
    vocabulary = texts[0].vocabulary
    ids, lengths = [], []
    silent_end = vocabulary.byte_lengths[vocabulary.end_of_text] == 0
    for tokens in texts:
        kept = tokens.ids != vocabulary.end_of_text if silent_end else np.ones(len(tokens), dtype=np.bool_)
        ids.append(tokens.ids[kept])
        before = np.concatenate([[0], np.cumsum(kept)])
        lengths.append(before[tokens.ends] - before[tokens.documents])
    length = np.concatenate(lengths).astype(np.int64)
    length = length[length > 0]
    exact = vocabulary.lossless or all(isinstance(tokens, Words) for tokens in texts)
    return Symbols(
        np.concatenate(ids),
        np.cumsum(length) - length,
        len(vocabulary),
        sum(tokens.characters for tokens in texts) if exact else None,
        sum(tokens.bytes for tokens in texts) if exact else None,
    )


def show_sorting(task: Task) -> Callable[[int, int], None]:
    """Shows how far a sort of the text's suffixes has come."""
    return lambda depth, left: task.show(f"sorted to {depth} symbols, {left:,} suffixes left")


def text_bytes(tokens: Tokens) -> Iterator[bytes]:
    """The text's bytes in pieces of about a megabyte, documents joined end to end."""
    vocabulary = tokens.vocabulary
    if bool((vocabulary.byte_lengths <= 1).all()):
        # A vocabulary of single bytes: one look-up instead of a Python object per byte.
        values = np.frombuffer(b"".join(token or b"\0" for token in vocabulary.tokens), dtype=np.uint8)
        silent = vocabulary.byte_lengths == 0
        for start in range(0, len(tokens), _CHUNK):
            ids = tokens.ids[start : start + _CHUNK]
            yield values[ids[~silent[ids]]].tobytes()
        return
    for start in range(0, len(tokens), _CHUNK):
        yield vocabulary.decode(tokens.ids[start : start + _CHUNK])
