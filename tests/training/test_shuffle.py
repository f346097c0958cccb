from __future__ import annotations

import math

import numpy as np
import pytest
from small_texts import VOCABULARY, text

from lmbench.tokens import tokens_of
from lmbench.training.shuffle import shuffled, unigram_entropy


def test_tokens_change_places_and_documents_do_not() -> None:
    tokens = text(0, 300, 1, 50)
    mixed = shuffled(tokens, seed=4)
    assert mixed.ids.dtype == tokens.ids.dtype
    assert np.array_equal(mixed.documents, tokens.documents)
    ends = tokens.ids == VOCABULARY.end_of_text
    assert np.array_equal(mixed.ids == VOCABULARY.end_of_text, ends)
    assert np.array_equal(np.sort(mixed.ids), np.sort(tokens.ids))
    assert (mixed.ids != tokens.ids).mean() > 0.5
    assert np.array_equal(shuffled(tokens, seed=4).ids, mixed.ids)
    assert not np.array_equal(shuffled(tokens, seed=5).ids, mixed.ids)


def test_order_is_gone() -> None:
    """In the text each letter is followed by one of two; in random order by any."""
    pairs = [len(set(zip(t.ids[:-1].tolist(), t.ids[1:].tolist(), strict=True))) for t in _both()]
    assert pairs[0] <= 12 + 2
    assert pairs[1] >= 30


def _both() -> tuple[object, ...]:
    tokens = text(0, 2_000)
    return tokens, shuffled(tokens, 0)


def test_unigram_entropy_by_hand() -> None:
    assert unigram_entropy(tokens_of([[0, 0, 1], [1, 1, 0]], VOCABULARY)) == pytest.approx(6 / 8 * math.log(2))
    assert unigram_entropy(tokens_of([[0, 0, 1, 1]], VOCABULARY)) == pytest.approx(4 / 5 * math.log(2))
    assert unigram_entropy(text(0, 5).head(0)) == 0.0
