"""Calibration on sources of known rate: the bookkeeping, and what it must find."""

from __future__ import annotations

import pytest

from lmbench.entropy import estimators
from lmbench.entropy._calibration import ESTIMATORS, SOURCES, _draw, calibrate
from lmbench.errors import UsageError
from lmbench.spec import parse


def test_the_bookkeeping() -> None:
    (block, zlib, windowed) = calibrate(
        ["iid(symbols=4)"], ["block(order=1)", "zlib", "match_length(window=5000)"], [2000], samples=12
    )
    assert (block.source, block.estimator, block.size, block.samples) == ("iid(symbols=4)", "block(order=1)", 2000, 12)
    assert block.truth == pytest.approx(2.0)
    assert block.bias == pytest.approx(0.0, abs=0.003)
    assert block.intervals == 12
    assert block.coverage is not None
    assert block.coverage >= 0.75
    assert block.holds is None
    assert zlib.holds == 1.0
    assert zlib.coverage is None
    assert zlib.bias is not None
    assert zlib.bias > 0.1
    assert windowed.refused == 12
    assert windowed.bias is None
    assert windowed.reason.startswith("match lengths need more than 5,000 symbols")


def test_an_interval_that_misses_counts_as_a_miss() -> None:
    # Of 26 uniform symbols, match lengths are a fifth short of the rate at 10,000 symbols.
    (found,) = calibrate(["iid"], ["match_length"], [10_000], samples=3)
    assert found.coverage == 0.0
    assert found.bias is not None
    assert found.bias < -0.5


def test_block_entropies_cover_a_rate_within_their_reach() -> None:
    # At 100,000 symbols the third order is chosen, and what Miller-Madow leaves of the bias is four
    # standard errors: the interval covers the rate only because it reckons with that.
    (found,) = calibrate(["iid"], ["block"], [100_000], samples=8)
    assert found.coverage is not None
    assert found.coverage >= 0.875


def test_a_single_sample_has_no_spread() -> None:
    (found,) = calibrate(["periodic"], ["block"], [1000], samples=1)
    assert found.spread is None
    assert (found.bias, found.truth) == (0.0, 0.0)


def test_samples_are_decided_by_the_seed() -> None:
    assert (_draw("hmm", 500, 3).tokens.ids == _draw("hmm", 500, 3).tokens.ids).all()
    assert _draw("hmm", 500, 3).truth != _draw("hmm", 500, 4).truth
    assert _draw("hmm", 500, 3).truth == _draw("hmm", 900, 3).truth


def test_size_and_seed_of_the_source_are_overruled() -> None:
    assert len(_draw("iid(size=7, seed=1)", 50, 2).tokens) == 51


def test_the_default_specs_are_there() -> None:
    for spec in ESTIMATORS:
        estimators.check(parse(spec))
    assert len(calibrate(SOURCES, ["block(order=1, coverage=0)"], [50], samples=1)) == len(SOURCES)


def test_an_unknown_source() -> None:
    with pytest.raises(UsageError, match="there is no built-in source 'idd'"):
        calibrate(["idd"], ["zlib"], [100], samples=1)
