from __future__ import annotations

import math

import numpy as np
import pytest

from lmbench.errors import LmbenchError
from lmbench.score.measure import measure
from lmbench.tokens import Tokens, Vocabulary, tokens_of

WORDS = Vocabulary(("né".encode(), b"ab", b""), end_of_text=2)  # 3 bytes, 2 characters; 2 bytes, 2 characters


def test_by_hand() -> None:
    """né ab and the end with probabilities 1/2, 1/4, 1/8: 6 bits over 3 tokens, 5 bytes, 4 characters."""
    score = measure(-np.log([2.0, 4.0, 8.0]), tokens_of([[0, 1]], WORDS))
    assert score.bits_per_token == pytest.approx(2.0)
    assert score.nats_per_token == pytest.approx(2.0 * math.log(2))
    assert score.bits_per_byte == pytest.approx(6 / 5)
    assert score.bits_per_character == pytest.approx(6 / 4)
    assert score.perplexity == pytest.approx(4.0)
    assert score.ci95_nats_per_token is None  # one block carries no interval


def test_newline_of_a_line_counts_as_text() -> None:
    lines = Vocabulary((b"ab", b"\n"), end_of_text=1)
    score = measure(-np.log([2.0, 4.0]), tokens_of([[0]], lines))
    assert score.bits_per_byte == pytest.approx(3 / 3)


def test_lossy_vocabulary_has_no_figure_per_byte() -> None:
    lossy = Vocabulary((b"ab", b""), end_of_text=1, lossless=False)
    score = measure(-np.log([2.0, 4.0]), tokens_of([[0]], lossy))
    assert score.nats_per_token is not None
    assert (score.bits_per_byte, score.bits_per_character, score.ci95_bits_per_byte) == (None, None, None)


def test_impossible_tokens_make_it_infinite_and_are_counted() -> None:
    score = measure(np.array([-1.0, -np.inf, -np.inf]), tokens_of([[0, 1]], WORDS))
    assert score.zero_probability_tokens == 2
    assert (score.nats_per_token, score.perplexity, score.bits_per_byte) == (None, None, None)
    assert score.mean_nats == 1.0  # of the one that it knows


def test_what_is_no_distribution_gets_a_mean_but_no_cross_entropy() -> None:
    score = measure(np.array([0.5, -1.0, -1.0]), tokens_of([[0, 1]], WORDS), distribution=False)
    assert score.mean_nats == pytest.approx(0.5)
    assert score.nats_per_token is None


def test_the_mean_of_a_score_is_over_the_tokens_that_have_one() -> None:
    score = measure(np.array([-1.0, -np.inf, -2.0]), tokens_of([[0, 1]], WORDS), distribution=False)
    assert (score.mean_nats, score.zero_probability_tokens) == (1.5, 1)
    none = measure(np.full(3, -np.inf), tokens_of([[0, 1]], WORDS), distribution=False)
    assert (none.mean_nats, none.zero_probability_tokens) == (None, 3)


@pytest.mark.parametrize("wrong", [[np.nan, -1, -1], [np.inf, -1, -1], [0.1, -1, -1], [-1.0, -1]])
def test_wrong_numbers_are_refused(wrong: list[float]) -> None:
    with pytest.raises(LmbenchError):
        measure(np.array(wrong), tokens_of([[0, 1]], WORDS))


def test_empty_test_text_is_refused_with_the_remedy() -> None:
    empty = Tokens(np.zeros(0, np.uint8), np.zeros(0, np.int64), WORDS)
    with pytest.raises(LmbenchError, match="--test PATH"):
        measure(np.zeros(0), empty)


def test_intervals_hold_the_figures_and_use_their_own_denominators() -> None:
    generator = np.random.default_rng(0)
    tokens = tokens_of([generator.integers(0, 2, 50).tolist() for _ in range(40)], WORDS)
    score = measure(-generator.exponential(1.0, len(tokens)), tokens)
    assert score.blocks == "40 documents"
    assert score.ci95_nats_per_token is not None
    assert score.ci95_bits_per_byte is not None
    low, high = score.ci95_nats_per_token
    assert low < score.nats_per_token < high  # type: ignore[operator]
    low, high = score.ci95_bits_per_byte
    assert low < score.bits_per_byte < high  # type: ignore[operator]


def test_perplexity_beyond_what_a_float_holds_is_left_out() -> None:
    assert measure(np.full(3, -800.0), tokens_of([[0, 1]], WORDS)).perplexity is None
