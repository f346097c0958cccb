"""Overlap figures by hand and against the definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmbench.score.overlap import covered, creativity_index, ngram_novelty, passages, remaining_in, uniqueness

REFERENCE = ["the", "cat", "sat", "on", "the", "mat"]
TEXT = ["the", "cat", "sat", "on", "a", "mat"]
WORDS = st.lists(st.sampled_from("abc"), min_size=1, max_size=20)


def holds(reference: list[str], ngram: list[str]) -> bool:
    return any(reference[at : at + len(ngram)] == ngram for at in range(len(reference) - len(ngram) + 1))


def longest(text: list[str], reference: list[str]) -> np.ndarray:
    found = []
    for at in range(len(text)):
        lengths = (n for n in range(len(text) - at, 0, -1) if holds(reference, text[at : at + n]))
        found.append(next(lengths, 0))
    return np.array(found, dtype=np.int64)


def remaining(text: list[str]) -> np.ndarray:
    return np.arange(len(text), 0, -1)


def test_creativity_index_by_hand() -> None:
    """4 of 6 words lie in matches of 2, of 3 and of 4 words, and none in one of 5."""
    lengths = longest(TEXT, REFERENCE)
    assert lengths.tolist() == [4, 3, 2, 1, 0, 1]
    assert uniqueness(lengths, 1) == pytest.approx(1 / 6)
    assert [uniqueness(lengths, n) for n in (2, 3, 4)] == pytest.approx([2 / 6] * 3)
    assert uniqueness(lengths, 5) == 1
    assert creativity_index(lengths, 2, 5) == pytest.approx(2.0)
    assert creativity_index(lengths, 5, 11) == 7


def test_novelty_by_hand() -> None:
    """The new 1-gram is "a"; the new 2-grams "on a" and "a mat"; the new 5-grams both."""
    lengths = longest(TEXT, REFERENCE)
    shares = [ngram_novelty(lengths, remaining(TEXT), n) for n in range(1, 8)]
    assert shares[:6] == pytest.approx([1 / 6, 2 / 5, 2 / 4, 2 / 3, 1, 1])
    assert shares[6] is None


def test_a_copy_and_nothing_at_all() -> None:
    copy = longest(REFERENCE, REFERENCE)
    assert creativity_index(copy, 1, 6) == 0
    assert ngram_novelty(copy, remaining(REFERENCE), 6) == 0
    nothing = np.zeros(0, dtype=np.int64)
    assert creativity_index(nothing, 5, 11) is None
    assert uniqueness(nothing, 5) is None
    assert ngram_novelty(nothing, nothing, 1) is None


@given(WORDS, WORDS, st.integers(1, 6))
def test_uniqueness_is_as_the_paper_defines_it(text: list[str], reference: list[str], least: int) -> None:
    """No n-gram with n >= L that holds the word occurs in the reference."""
    size = len(text)
    unique = 0
    for k in range(size):
        around = (
            text[i : i + n] for n in range(least, size + 1) for i in range(max(0, k - n + 1), k + 1) if i + n <= size
        )
        unique += not any(holds(reference, ngram) for ngram in around)
    assert uniqueness(longest(text, reference), least) == pytest.approx(unique / size)


@given(WORDS, WORDS, st.integers(1, 6))
def test_novelty_is_the_share_of_ngrams_not_in_the_reference(text: list[str], reference: list[str], n: int) -> None:
    ngrams = [text[at : at + n] for at in range(len(text) - n + 1)]
    new = [not holds(reference, ngram) for ngram in ngrams]
    found = ngram_novelty(longest(text, reference), remaining(text), n)
    assert found == (pytest.approx(sum(new) / len(new)) if new else None)


def test_covered_by_hand() -> None:
    lengths = np.array([2, 1, 0, 1])
    assert covered(lengths, 2).tolist() == [True, True, False, False]
    assert covered(lengths, 1).tolist() == [True, True, False, True]


def test_passages_are_the_longest_and_do_not_overlap() -> None:
    #                     4 3 2 1 | 3 2 1 of it begin inside the first | 2 1
    lengths = np.array([4, 3, 2, 3, 2, 1, 0, 2, 1, 1])
    assert passages(lengths, 1, 9) == [(0, 4), (7, 2), (9, 1)]
    assert passages(lengths, 2, 9) == [(0, 4), (7, 2)]
    assert passages(lengths, 1, 1) == [(0, 4)]
    assert passages(np.zeros(3, dtype=np.int64), 1, 5) == []


def test_remaining() -> None:
    assert remaining_in(np.array([0, 2]), 5).tolist() == [2, 1, 3, 2, 1]
    assert remaining_in(np.array([0, 0, 2]), 3).tolist() == [2, 1, 1]
