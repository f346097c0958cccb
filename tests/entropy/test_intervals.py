"""The delete-a-block jackknife against what it must be for a mean, and against simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t

from lmbench.entropy._intervals import block_bounds, block_sums_at, jackknife_interval


def block_sums(*values: np.ndarray) -> np.ndarray:
    return block_sums_at(np.arange(len(values[0])), len(values[0]), *values)


def mean(totals: np.ndarray) -> np.ndarray:
    return totals[..., 0] / totals[..., 1]


def test_block_sums_by_hand() -> None:
    # 9 values make 3 blocks of 3, 10 make blocks of 4, 3 and 3.
    assert block_bounds(9).tolist() == [0, 3, 6, 9]
    assert block_bounds(10).tolist() == [0, 4, 7, 10]
    assert block_sums(np.ones(10)).tolist() == [[4], [3], [3]]
    assert block_sums(np.arange(9), np.ones(9, dtype=np.int64)).tolist() == [[3, 3], [12, 3], [21, 3]]
    assert block_sums_at(np.array([8, 0, 1]), 9, np.array([5.0, 1.0, 2.0])).tolist() == [[3.0], [0.0], [5.0]]


def test_of_a_mean_it_is_students_interval_of_the_block_means(rng: np.random.Generator) -> None:
    values = rng.random(100)  # 10 blocks of 10
    means = values.reshape(10, 10).mean(axis=1)
    half = t.ppf(0.975, 9) * means.std(ddof=1) / np.sqrt(10)
    found = jackknife_interval(block_sums(values, np.ones(100)), mean)
    assert found == pytest.approx((means.mean() - half, means.mean() + half))


def test_none_where_there_is_nothing_to_go_by() -> None:
    assert jackknife_interval(block_sums(np.arange(49.0), np.ones(49)), mean) is None  # 7 blocks
    assert jackknife_interval(block_sums(np.full(400, 0.3), np.ones(400)), mean) is None  # no spread


def test_covers_the_mean_of_a_dependent_sequence(rng: np.random.Generator) -> None:
    # A chain of 0s and 1s that stays with probability 0.8 has mean 1/2; 95 % of 200 intervals, give or take 3 %.
    covered = 0
    for _ in range(200):
        values = ((np.cumsum(rng.random(5000) < 0.2) + rng.integers(2)) % 2).astype(np.float64)
        found = jackknife_interval(block_sums(values, np.ones(5000)), mean)
        assert found is not None
        covered += found[0] <= 0.5 <= found[1]
    assert 0.9 <= covered / 200 <= 0.99
