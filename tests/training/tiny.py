"""A text with something to learn, and nets that learn it in a second."""

from __future__ import annotations

import numpy as np

from lmbench.tokens import Tokens, Vocabulary, tokens_of

VOCABULARY = Vocabulary((*tuple(b"abcdefg"[i : i + 1] for i in range(7)), b""), 7)


def letters(seed: int, length: int) -> list[int]:
    """Each letter is followed by one of two."""
    rng = np.random.default_rng(seed)
    found = [0]
    for turn in rng.integers(0, 2, length).tolist():
        found.append((2 * found[-1] + turn) % 6)
    return found[:length]


def text(seed: int, *lengths: int) -> Tokens:
    """One document of each length."""
    return tokens_of([letters(seed + i, length) for i, length in enumerate(lengths)], VOCABULARY)
