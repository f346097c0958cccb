"""Vocabularies of letters and of bytes, and a text with something to learn."""

from __future__ import annotations

import numpy as np

from lmbench.tokens import Tokens, Vocabulary, tokens_of


def alphabet(size: int, end: bytes = b"") -> Vocabulary:
    """The first letters, a, b, ..., each an id, and after them the end of text."""
    return Vocabulary((*(bytes([ord("a") + index]) for index in range(size)), end), size)


def byte_alphabet(end: bytes = b"") -> Vocabulary:
    """Each byte its own id, as the byte tokenizer has it."""
    return Vocabulary((*(bytes([value]) for value in range(256)), end), 256)


VOCABULARY = alphabet(7)


def letters(seed: int, length: int) -> list[int]:
    """Each letter is followed by one of two; the last of `VOCABULARY` never occurs."""
    rng = np.random.default_rng(seed)
    found = [0]
    for turn in rng.integers(0, 2, length).tolist():
        found.append((2 * found[-1] + turn) % 6)
    return found[:length]


def text(seed: int, *lengths: int) -> Tokens:
    """One document of each length, in the letters of `VOCABULARY`."""
    return tokens_of([letters(seed + i, length) for i, length in enumerate(lengths)], VOCABULARY)
