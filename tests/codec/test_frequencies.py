"""Frequencies: whole numbers that cost what the probabilities say, however small, in vocabularies of any size."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lmbench.codec import coder
from lmbench.codec.frequencies import TOTAL, path, probabilities, steps


def code_length(log_probs: NDArray[np.float64], token: int) -> float:
    """Bits that the frequencies on the way to a token take."""
    places = coder._path(probabilities(log_probs), token)
    return sum(-math.log2(frequencies[place] / TOTAL) for place, frequencies in places)


def test_the_worked_example() -> None:
    first, second = steps(np.array([3 / 4, 1 / 4 - 2**-30, 2**-30]))
    assert first.symbols.tolist() == [0, 1]
    assert first.frequencies.tolist() == [12582900, 4194300, 16]
    assert second.symbols.tolist() == [2]
    assert second.frequencies.tolist() == [16384, TOTAL - 16384]
    assert first.onward
    assert not second.onward


@given(
    st.lists(st.floats(-690, 0), min_size=1, max_size=40),
    st.integers(1, 400),
    st.integers(0, 2**32),
)
@settings(max_examples=100, deadline=None)
def test_every_token_costs_what_its_probability_says(peaks: list[float], repeats: int, seed: int) -> None:
    scores = np.repeat(np.array(peaks), repeats) + np.random.default_rng(seed).normal(0, 1, len(peaks) * repeats)
    log_probs = scores - np.logaddexp.reduce(scores)
    probs = probabilities(log_probs)
    seen = []
    for step in steps(probs):
        assert int(step.frequencies.sum()) == TOTAL
        assert int(step.frequencies.min()) >= 1
        seen += step.symbols.tolist()
    assert sorted(seen) == np.flatnonzero(probs > 0).tolist()
    for token in {0, len(probs) - 1, int(log_probs.argmax()), int(log_probs.argmin())}:
        wanted = -log_probs[token] / math.log(2)
        assert code_length(log_probs, token) == pytest.approx(wanted, rel=5e-4, abs=1e-4)


@pytest.mark.parametrize("size", [1, 2, 10_000, 16_384, 16_385, 70_000, 262_143])
def test_a_large_vocabulary_costs_no_more(size: int) -> None:
    even = np.full(size, -math.log(size))
    for token in {0, size // 2, size - 1}:
        assert code_length(even, token) == pytest.approx(math.log2(size), rel=5e-4, abs=1e-9)
    sure = np.full(size, -40.0)
    sure[size // 2] = 0.0
    sure -= np.logaddexp.reduce(sure)
    assert code_length(sure, size // 2) < 1e-5
    if size > 1:
        assert code_length(sure, 0) == pytest.approx(40 / math.log(2), rel=5e-4)


def test_what_is_impossible_has_no_code_and_what_is_no_distribution_is_refused() -> None:
    with pytest.raises(ValueError, match="probability zero"):
        list(path(probabilities(np.array([0.0, -np.inf])), 1))
    for wrong in ([np.nan, 0.0], [-np.inf, -np.inf], [np.inf, 0.0]):
        with pytest.raises(ValueError, match="no probabilities"):
            probabilities(np.array(wrong))
