from __future__ import annotations

import math

import numpy as np
import pytest
from small_texts import alphabet

from lmbench.errors import LmbenchError
from lmbench.score.measure import measure
from lmbench.score.paired import holm, paired_difference, paired_difference_per_byte
from lmbench.tokens import Tokens, Vocabulary, tokens_of

LETTERS = alphabet(2)
PAIRS = Vocabulary((b"a", b"b", b"ab", b""), end_of_text=3)


def text(documents: int = 60, length: int = 30) -> Tokens:
    return tokens_of([[0, 1] * (length // 2) for _ in range(documents)], LETTERS)


def test_value_sign_and_wins_by_hand() -> None:
    tokens = text(30, 2)  # 3 tokens in each of 30 documents
    first, second = np.full(90, -1.0), np.full(90, -1.5)
    second[:9] = -0.5  # in three documents the second is better
    found = paired_difference(first, second, tokens)
    assert found.value == pytest.approx((9 * 0.5 - 81 * 0.5) / 90)
    assert found.wins == pytest.approx(27 / 30)
    assert found.decided


def test_pairing_sees_what_separate_intervals_do_not() -> None:
    """Documents differ by far more than the models do, which the pairing takes out."""
    generator = np.random.default_rng(0)
    tokens = text()
    hard = np.repeat(generator.normal(3.0, 1.0, 60), 31)
    first = -np.abs(hard)
    second = first - 0.01 - generator.normal(0, 0.05, len(tokens))
    found = paired_difference(first, np.minimum(second, 0), tokens)
    alone = measure(first, tokens).ci95_nats_per_token
    assert found.interval is not None
    assert alone is not None
    assert found.decided
    assert found.interval[1] - found.interval[0] < 0.1 * (alone[1] - alone[0])


def test_equal_models_are_not_decided() -> None:
    tokens = text()
    scores = -np.random.default_rng(0).exponential(1, len(tokens))
    found = paired_difference(scores, scores, tokens)
    assert found.value == 0
    assert not found.decided


def test_impossible_tokens_and_other_texts_are_refused() -> None:
    tokens = text()
    scores = np.full(len(tokens), -1.0)
    with pytest.raises(LmbenchError, match="infinitely"):
        paired_difference(scores, np.where(np.arange(len(tokens)) == 3, -np.inf, -1.0), tokens)
    with pytest.raises(LmbenchError, match="not scored on this text"):
        paired_difference(scores[1:], scores, tokens)


def test_two_tokenizers_compare_per_byte() -> None:
    """The same document probability spread over letters and over pairs of letters: no difference at all."""
    letters = text(40, 20)
    pairs = tokens_of([[2] * 10 for _ in range(40)], PAIRS)
    by_letter = np.full(len(letters), -math.log(2))
    by_letter[letters.ids == 2] = -1.0
    by_pair = np.full(len(pairs), -2 * math.log(2))
    by_pair[pairs.ids == 3] = -1.0
    same = paired_difference_per_byte((by_letter, letters), (by_pair, pairs))
    assert same.value == pytest.approx(0.0, abs=1e-12)
    worse = paired_difference_per_byte((by_letter * 2, letters), (by_pair, pairs))
    total = 20 * math.log(2) + 1
    assert worse.value == pytest.approx(total / math.log(2) / 20)
    assert worse.unit == "bits/byte"
    assert worse.wins == 0.0


def test_other_bytes_are_not_compared() -> None:
    letters, pairs = text(40, 20), tokens_of([[2] * 9 for _ in range(40)], PAIRS)
    with pytest.raises(LmbenchError, match="different bytes"):
        paired_difference_per_byte((np.full(len(letters), -1.0), letters), (np.full(len(pairs), -1.0), pairs))


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.4, 0.5]) == pytest.approx([0.8, 0.8])
    assert holm([0.9, 0.9, 0.001]) == pytest.approx([1, 1, 0.003])
    assert holm([]) == []


def test_p_value_interval_and_detectable_difference_agree() -> None:
    """On the edge of the interval the p-value is 0.05; differences of four documents in all of their tokens."""
    tokens = text(4, 20)
    first, second = np.full(len(tokens), -2.0), np.full(len(tokens), -2.0)
    first += np.repeat([0.1, 0.2, 0.3, 0.4], 21)
    found = paired_difference(first, second, tokens)
    error = np.std([0.1, 0.2, 0.3, 0.4], ddof=1) / 2
    assert found.value == pytest.approx(-0.25)
    assert found.error == pytest.approx(error)
    assert found.freedom == pytest.approx(3)
    assert found.interval == pytest.approx((-0.25 - 3.18245 * error, -0.25 + 3.18245 * error), rel=1e-5)
    assert found.detectable == pytest.approx((3.18245 + 0.97847) * error, rel=1e-5)
    assert found.p_value == pytest.approx(0.0305, abs=5e-4)
