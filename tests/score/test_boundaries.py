"""Agreement of boundaries, against counting by hand and by brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmbench.score.boundaries import agreement, best_threshold


def flags(text: str) -> np.ndarray:
    """Where a word begins in `text` without its spaces."""
    return np.array([each for word in text.split() for each in [True] + [False] * (len(word) - 1)])


def test_the_worked_example() -> None:
    begins = np.array([True, False, False, False, False])
    found = agreement(flags("i t was"), flags("it was"), begins)
    assert (found.precision, found.recall) == (0.5, 1.0)
    assert found.f1 == pytest.approx(2 / 3)
    assert found.word_f1 == pytest.approx(2 / 5)


def test_all_nothing_and_the_truth_itself() -> None:
    truth, begins = flags("it was the best"), flags("itwasthebest")
    assert agreement(truth, truth, begins).word_f1 == 1.0
    nothing = agreement(begins, truth, begins)
    assert (nothing.precision, nothing.recall, nothing.f1, nothing.word_f1) == (0, 0, 0, 0)
    every = agreement(np.ones(12, bool), truth, begins)
    assert (every.precision, every.recall) == (3 / 11, 1)


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2, max_size=30))
def test_the_best_threshold_is_the_best_of_all(places: list[tuple[int, bool]]) -> None:
    values = np.array([float(value) for value, _ in places])
    truth = np.array([each for _, each in places])
    begins = np.arange(len(places)) == 0
    if not truth[1:].any():
        return

    def f1(threshold: float) -> float:
        return agreement(values > threshold, truth, begins).f1

    chosen = best_threshold(values, truth, begins)
    assert f1(chosen) == pytest.approx(max(f1(each) for each in np.arange(-1, 6) + 0.5))
