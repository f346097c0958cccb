"""Contexts that are not the last few tokens: with gaps, without case, of words; and what followed each in a text.

A kind of context gives every place of a text a key. Places of one key are one context. Contexts with gaps are the
skipping of Goodman 2001 (A Bit of Progress in Language Modeling, section 4); those of words, without case and of
classes of characters are the contexts of programs that compress text by mixing (Mahoney 2005, Adaptive weighing of
context models for lossless data compression).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lmbench.model._every_order import CONSTANT, KNOWN, Shares
from lmbench.smoothing.modified_kneser_ney import closed_form
from lmbench.tokens import Vocabulary

Keys = NDArray[np.uint64]
Ints = NDArray[np.int64]

REACH = 96  # tokens before a place that its keys depend on, at most
_LONGEST = 24  # letters of a word's beginning that are told apart
_FACTOR, _TURN = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
_LEAST = 1e-6


@dataclass(frozen=True)
class Place:
    """What keys are made of. `back[j]`: [n] the id j tokens before each place, that of the end of text before the
    document; `folded[j]`, `kind[j]`: its letter without case, and what kind of character it is. `prefix`: [n] the word
    begun before the place; `word1`, `word2`: the last whole word before that, and the one before."""

    back: list[Ints]
    folded: list[Ints]
    kind: list[Ints]
    prefix: Keys
    word1: Keys
    word2: Keys


Kind = Callable[[Place], Sequence[NDArray[Any]]]
GAPS: dict[str, Kind] = {
    "2": lambda p: p.back[2:3],
    "3": lambda p: p.back[3:4],
    "2-3": lambda p: p.back[2:4],
    "1,3": lambda p: [p.back[1], p.back[3]],
    "2-4": lambda p: p.back[2:5],
    "1,3-4": lambda p: [p.back[1], *p.back[3:5]],
    "1-2,4": lambda p: [*p.back[1:3], p.back[4]],
}
CHARACTERS: dict[str, Kind] = {
    "2-4": GAPS["2-4"],
    "2-6": lambda p: p.back[2:7],
    "1,3-5": lambda p: [p.back[1], *p.back[3:6]],
    "1-2,4-6": lambda p: [*p.back[1:3], *p.back[4:7]],
    "prefix": lambda p: [p.back[1], p.prefix],
    "prefix,word": lambda p: [p.prefix, p.word1],
    "prefix,-,word": lambda p: [p.prefix, p.word2],
    "prefix,two words": lambda p: [p.prefix, p.word1, p.word2],
    "folded 4": lambda p: p.folded[1:5],
    "folded 6": lambda p: p.folded[1:7],
    "kinds": lambda p: [*p.back[1:3], *p.kind[3:8]],
}
KINDS = GAPS | CHARACTERS


def kinds_for(vocabulary: Vocabulary) -> dict[str, Kind]:
    """The kinds of contexts that suit the tokens: single characters, or longer ones."""
    return CHARACTERS if by_character(vocabulary) else GAPS


def by_character(vocabulary: Vocabulary) -> bool:
    """Whether tokens are single characters or bytes."""
    longest = max((len(token.decode("utf-8", "replace")) for token in vocabulary.tokens), default=0)
    return longest <= 1


@dataclass(frozen=True, eq=False)
class Lexicon:
    """What keys need of a vocabulary: `folded`, `kind`: [V] int64 of each type; `letter`: [V] whether words are made of
    it."""

    end_of_text: int
    folded: Ints
    kind: Ints
    letter: NDArray[np.bool_]

    @classmethod
    def of(cls, vocabulary: Vocabulary) -> Lexicon:
        texts = [token.decode("utf-8", "replace") for token in vocabulary.tokens]
        first: dict[str, int] = {}
        folded = np.array([first.setdefault(text.casefold(), index) for index, text in enumerate(texts)])
        letter = np.array([text.isalpha() or text in ("'", "’") for text in texts])
        kind = np.array([_kind(text) for text in texts])
        letter[vocabulary.end_of_text], kind[vocabulary.end_of_text] = False, 7
        return cls(vocabulary.end_of_text, folded, kind, letter)

    def place(self, ids: NDArray[np.integer[Any]]) -> Place:
        """Of each of `ids`, [n], and of the place after the last: n + 1 places. `ids` begin with a document."""
        text = np.append(ids.astype(np.int64), 0)
        size = len(text)
        ends = np.flatnonzero(text[:-1] == self.end_of_text)
        begins = np.zeros(size, dtype=np.int64)  # of each place's document
        begins[ends + 1] = ends + 1
        begins = np.maximum.accumulate(begins)
        at = np.arange(size)
        back = [text]
        for distance in range(1, 8):
            shifted = np.full(size, self.end_of_text, dtype=np.int64)
            shifted[distance:] = text[:-distance]
            back.append(np.where(at - distance >= begins, shifted, self.end_of_text))
        prefix, word1, word2 = self._words(text, begins)
        return Place(back, [self.folded[ids] for ids in back], [self.kind[ids] for ids in back], prefix, word1, word2)

    def _words(self, text: Ints, begins: Ints) -> tuple[Keys, Keys, Keys]:
        size, letter = len(text), self.letter[text]
        letter[-1] = False
        at = np.arange(size)
        # a place's word begins after the last token before it that is no letter, or with the document
        others = np.where(~letter, at + 1, 0)
        starts = np.maximum(np.maximum.accumulate(np.append(0, others[:-1])), begins)
        hashes = _Hashes(self.folded[text])
        prefix = hashes.of(np.maximum(starts, at - _LONGEST), at)
        is_end = np.append(letter[:-1] & ~letter[1:], False)
        is_end[:-1] |= letter[:-1] & (begins[1:] > at[:-1])
        whole = np.flatnonzero(is_end) + 1  # where each whole word is over
        found = []
        for back in (1, 2):
            # the words over before the present one begins: the one that ends there is the last, not the present
            number = np.searchsorted(whole, starts, side="right") - back
            known = number >= 0
            over = whole[number.clip(min=0)] if len(whole) else np.zeros(size, dtype=np.int64)
            begun = starts[(over - 1).clip(min=0)]
            known &= (begun >= begins) & (at - begun < REACH) & (over > begins)
            values = hashes.of(np.maximum(begun, over - _LONGEST), np.maximum(over, begun))
            found.append(np.where(known, values, np.uint64(0)))
        return prefix, found[0], found[1]


def _kind(text: str) -> int:
    if text.islower():
        return 1
    if text.isupper():
        return 2
    if text.isspace():
        return 4 if "\n" in text else 3
    if text.isalpha():
        return 5
    return 6 if text.isnumeric() else 0


class _Hashes:
    """Hashes of any stretch of a sequence, from running sums: sum of (x_k + 1) f^(end - k), modulo 2^64."""

    def __init__(self, values: Ints) -> None:
        size = len(values)
        inverse = np.uint64(pow(int(_FACTOR), -1, 1 << 64))
        down, up = np.full(size + 1, inverse), np.full(size + 1, _FACTOR)
        down[0] = up[0] = 1
        self.up = np.cumprod(up, dtype=np.uint64)
        terms = (values.astype(np.uint64) + np.uint64(1)) * np.cumprod(down, dtype=np.uint64)[:-1]
        self.sums = np.append(np.uint64(0), np.cumsum(terms, dtype=np.uint64))

    def of(self, begins: Ints, ends: Ints) -> Keys:
        """[q] of the stretches from `begins` to before `ends`."""
        hashes: Keys = (self.sums[ends] - self.sums[begins]) * self.up[ends]
        return hashes


def keys_of(kind: Kind, place: Place) -> Keys:
    """[n + 1] one key from the parts of a kind."""
    found = np.zeros(len(place.prefix), dtype=np.uint64)
    for part in kind(place):
        found = (found * _FACTOR + part.astype(np.uint64) + np.uint64(1)) * _TURN
        found ^= found >> np.uint64(29)
    return found


@dataclass(eq=False)
class ContextMap:
    """`keys`: [c] ascending; `shares`: what followed each, ascending by column within a context."""

    keys: Keys
    shares: Shares
    _numbered: torch.Tensor | None = None

    @classmethod
    def of(cls, keys: Keys, columns: Ints, width: int, dtype: torch.dtype = torch.float32) -> ContextMap:
        """From the key and the column of each of n places, with the discounts of modified Kneser-Ney."""
        found, inverse = np.unique(keys, return_inverse=True)
        pairs, counts = np.unique(inverse.astype(np.int64) * width + columns, return_counts=True)
        context, column = np.divmod(pairs, width)
        amounts = torch.from_numpy(counts.astype(np.int32))
        discounts = np.array((0.0, *(closed_form(amounts) or CONSTANT)))[np.minimum(counts, 3)]
        size = len(found)
        totals, spent = (np.bincount(context, values, size) for values in (counts, discounts))
        first = np.searchsorted(context, np.arange(size + 1))
        share = (counts - discounts) / totals[context]
        known = np.zeros((size, KNOWN), dtype=np.float32)
        for place, wanted in enumerate((counts > 0, counts == 1, counts == 2, counts > 2)):
            known[:, place] = np.log1p(np.bincount(context, counts if place == 0 else wanted, size))
        if size:
            known[:, KNOWN - 1] = np.log(np.maximum(np.maximum.reduceat(share, first[:-1]), _LEAST))
        rest = torch.from_numpy(spent / np.maximum(totals, 1)).to(dtype)
        return cls(
            found,
            Shares(
                torch.from_numpy(first),
                torch.from_numpy(column.astype(np.int32)),
                torch.from_numpy(share).to(dtype),
                rest,
                torch.from_numpy(known),
            ),
        )

    def find(self, keys: Keys) -> torch.Tensor:
        """[q] int64 the context of each key, -1 where it was not seen."""
        if not len(self.keys):
            return torch.full((len(keys),), -1)
        at = np.searchsorted(self.keys, keys).clip(max=len(self.keys) - 1)
        return torch.from_numpy(np.where(self.keys[at] == keys, at, -1))

    def child(self, contexts: torch.Tensor, columns: torch.Tensor, width: int) -> torch.Tensor:
        """[q] int64 where the column stands after its context, -1 where it never followed."""
        pairs, wanted = self._pairs(width), contexts * width + columns
        at = torch.searchsorted(pairs, wanted).clamp(max=max(0, len(pairs) - 1))
        if not len(pairs):
            return torch.full_like(wanted, -1)
        return torch.where((contexts >= 0) & (pairs[at] == wanted), at, -1)

    def _pairs(self, width: int) -> torch.Tensor:
        """[m] int64, ascending: context and column of each share as one number."""
        if self._numbered is None:
            degrees = self.shares.first.diff()
            contexts = torch.repeat_interleave(torch.arange(len(degrees)), degrees)
            self._numbered = contexts * width + self.shares.columns
        return self._numbered
