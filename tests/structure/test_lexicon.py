"""Zipf's and Heaps' laws, planted and found again."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import zeta

from lmbench.entropy._symbols import Symbols
from lmbench.errors import LmbenchError
from lmbench.structure.lexicon import first_occurrences, heaps, zipf


def symbols(ids: np.ndarray) -> Symbols:
    return Symbols(ids, np.zeros(1, dtype=np.int64), int(ids.max()) + 1, None, None)


def power_counts(types: int, alpha: float, least: int) -> np.ndarray:
    """Counts drawn from p(k) = k^-alpha / zeta(alpha, least), k >= least."""
    values = np.arange(least, 200_000)
    shares = values**-alpha / zeta(alpha, least)
    return np.random.default_rng(2).choice(values, types, p=shares / shares.sum())


@pytest.mark.parametrize("alpha", [1.8, 2.0, 2.6])
def test_a_planted_exponent_lies_in_its_interval(alpha: float) -> None:
    found = zipf(symbols(np.repeat(np.arange(4000), power_counts(4000, alpha, 2))))
    assert found.alpha_interval[0] - 0.02 <= alpha <= found.alpha_interval[1] + 0.02
    assert found.exponent == pytest.approx(1 / (alpha - 1), rel=0.08)
    assert found.distance < 0.03
    assert found.all_types == 4000
    assert found.ranks[0] == 1
    assert found.counts == sorted(found.counts, reverse=True)


def test_the_law_is_found_above_where_it_begins() -> None:
    """Below 20 the counts are uniform, and no power law."""
    counts = np.concatenate([np.random.default_rng(1).integers(1, 20, 2000), power_counts(3000, 2.0, 20)])
    found = zipf(symbols(np.repeat(np.arange(len(counts)), counts)))
    assert 15 <= found.least <= 60
    assert found.alpha == pytest.approx(2.0, abs=0.1)


def test_likelihood_is_largest_at_the_exponent_found() -> None:
    found = zipf(symbols(np.repeat(np.arange(500), power_counts(500, 2.2, 1))))
    tail = np.bincount(np.repeat(np.arange(500), power_counts(500, 2.2, 1)))
    tail = tail[tail >= found.least]

    def likelihood(alpha: float) -> float:
        return -alpha * float(np.log(tail).sum()) - len(tail) * math.log(zeta(alpha, found.least))

    assert likelihood(found.alpha) > max(likelihood(found.alpha - 0.01), likelihood(found.alpha + 0.01))


def test_first_occurrences_by_hand() -> None:
    assert first_occurrences(np.array([3, 1, 3, 0]), 4).tolist() == [0, 1, 3]
    assert first_occurrences(np.array([0, 1, 0, 2, 1, 2, 0, 3, 3, 1, 4, 0]), 9).tolist() == [0, 1, 3, 7, 10]


def test_heaps_of_a_text_whose_types_are_known() -> None:
    """A new type at the places 0, 1, 4, 9, ...: V(n) = ceil(sqrt n)."""
    ids = np.zeros(40_000, dtype=np.int64)
    ids[np.arange(200) ** 2] = np.arange(200)
    found = heaps(symbols(ids))
    assert found.exponent == pytest.approx(0.5, abs=0.02)
    assert found.types == [math.ceil(math.sqrt(n)) for n in found.sizes]
    assert found.first >= 400


def test_what_cannot_be_fitted_is_one_line() -> None:
    with pytest.raises(LmbenchError, match="needs 50 types, the text has 2"):
        zipf(symbols(np.array([0, 1] * 100)))
    with pytest.raises(LmbenchError, match="equally often"):
        zipf(symbols(np.tile(np.arange(60), 7)))
    with pytest.raises(LmbenchError, match="needs 1,000 tokens"):
        heaps(symbols(np.arange(10)))
