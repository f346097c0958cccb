from __future__ import annotations

import pytest

from lmbench.runtime import Runtime
from lmbench.training.budget import SECONDS, Budget, Schedule, Spent


def test_the_limit_that_is_reached_first_counts() -> None:
    budget = Budget(tokens=100, seconds=10)
    assert budget.fraction(Spent(tokens=20, seconds=1)) == pytest.approx(0.2)
    assert budget.fraction(Spent(tokens=20, seconds=9)) == pytest.approx(0.9)
    assert Budget(flops=1e3).fraction(Spent(flops=2e3)) == 2.0


@pytest.mark.parametrize(("fraction", "factor"), [(0, 0), (0.05, 0.5), (0.1, 1), (0.6, 1), (0.8, 0.5), (1, 0), (2, 0)])
def test_the_rate_rises_stays_and_falls(fraction: float, factor: float) -> None:
    assert Schedule(warmup=0.1, begin=0.6).factor(fraction) == pytest.approx(factor)


def test_stopping_early_falls_at_once_and_for_as_long_as_the_run_deserves() -> None:
    """The fall takes as long as the weights had learnt that it begins with, not as the search for better ones."""
    schedule = Schedule(warmup=0.0, begin=0.5).stop_early(0.2, learnt=0.1)
    assert schedule.begin == 0.2
    assert schedule.end == pytest.approx(0.3)
    assert schedule.factor(0.25) == pytest.approx(0.5)


def test_tokens_that_a_budget_allows() -> None:
    assert Budget(flops=1e15).tokens_at(6e6) == 166_666_666
    assert Budget(flops=1e15, tokens=500).tokens_at(6e6) == 500
    assert Budget(seconds=3.0).tokens_at(6e6) is None


def test_no_warmup_begins_at_the_full_rate() -> None:
    assert Schedule(warmup=0.0, begin=0.6).factor(0.0) == 1.0


def test_the_first_step_learns_and_so_does_a_run_of_one() -> None:
    assert Schedule(warmup=0.1, begin=0.6, step=0.025).factor(0.0) == pytest.approx(0.25)
    assert Schedule(warmup=0.1, begin=0.6, step=1.0).factor(0.0) == 1.0
    assert Schedule(warmup=0.1, begin=0.6, step=0.025).stop_early(0.2, 0.1).step == 0.025


def test_what_a_run_sets_comes_before_the_default() -> None:
    assert Budget.of(Runtime(), steps=3, batch=50) == Budget(tokens=150)
    assert Budget.of(Runtime(), steps=None, batch=50) == Budget(seconds=SECONDS["cpu"])
    given = Runtime(train_tokens=9, train_flops=1e9)
    assert Budget.of(given, steps=None, batch=50) == Budget(tokens=9, flops=1e9)
