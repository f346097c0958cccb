"""Each correction by hand on "aab", against infomeasure, and against the truth on drawn samples."""

from __future__ import annotations

import importlib.util
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import digamma, gammaln, polygamma

from lmbench.entropy._ngrams import Spectrum, spectrum_of
from lmbench.entropy.corrections import corrections

EULER = 0.5772156649015329


def entropy(spec: str, *counts: int) -> float:
    value = corrections.make(spec)(spectrum_of(np.array(counts, dtype=np.int64)))
    assert isinstance(value, float)
    return value


def test_coverage_by_hand() -> None:
    spectrum = spectrum_of(np.array([3, 1, 1, 0]))
    assert (spectrum.total, spectrum.distinct, spectrum.singletons) == (5, 3, 2)
    assert spectrum.coverage == pytest.approx(1 - 2 / 5)
    assert spectrum.log_cells == pytest.approx(math.log(4))


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("plug_in", math.log(3) - 2 * math.log(2) / 3),
        ("miller_madow", math.log(3) - 2 * math.log(2) / 3 + 1 / 6),
        # G(1) = -gamma - log 2, G(2) = 2 - gamma - log 2
        ("grassberger", math.log(3) - (2 * (2 - EULER - math.log(2)) + (-EULER - math.log(2))) / 3),
        # C = 1 - 1/3; q = 4/9 and 2/9; seen at all with probability 1 - (5/9)^3 and 1 - (7/9)^3
        (
            "chao_shen",
            4 / 9 * math.log(9 / 4) / (1 - (5 / 9) ** 3) + 2 / 9 * math.log(9 / 2) / (1 - (7 / 9) ** 3),
        ),
        # lambda = (1 - 5/9) / (2 * (5/9 - 1/2)) = 4, cut to 1: equal frequencies
        ("james_stein", math.log(2)),
    ],
)
def test_aab_by_hand(spec: str, expected: float) -> None:
    assert entropy(spec, 2, 1) == pytest.approx(expected, abs=1e-12)


def test_james_stein_with_cells_never_seen_by_hand() -> None:
    # 8 and 2 of 10 in 4 cells: lambda = (1 - 0.68) / (9 * (0.68 - 0.25)); what is unseen has lambda/4 each.
    shrink = 0.32 / (9 * 0.43)
    cells = [shrink / 4 + (1 - shrink) * 0.8, shrink / 4 + (1 - shrink) * 0.2, shrink / 4, shrink / 4]
    assert entropy("james_stein", 8, 2, 0, 0) == pytest.approx(-sum(p * math.log(p) for p in cells), abs=1e-12)
    assert entropy("james_stein(observed=true)", 8, 2, 0, 0) == entropy("james_stein", 8, 2)


def test_grassberger_recurrence() -> None:
    # G(2n+1) = G(2n) and G(2n+2) = G(2n) + 2/(2n+1), read off two things seen n times each.
    g = {2: 2 - EULER - math.log(2)}
    for n in range(2, 40, 2):
        g[n + 1], g[n + 2] = g[n], g[n] + 2 / (n + 1)
    for n in range(2, 40):
        assert entropy("grassberger", n, n) == pytest.approx(math.log(2 * n) - g[n], abs=1e-12)


@pytest.mark.parametrize("name", corrections.names)
@given(counts=st.lists(st.integers(0, 60), max_size=30))
def test_never_negative_never_nan(name: str, counts: list[int]) -> None:
    value = entropy(name, *counts)
    assert math.isfinite(value)
    assert value >= 0


@pytest.mark.parametrize("name", corrections.names)
def test_nothing_and_one_thing(name: str) -> None:
    assert entropy(name) == 0.0
    # One observation of one thing: only Grassberger's G(1) reckons with others, log 1 - G(1).
    assert entropy(name, 1) == pytest.approx(EULER + math.log(2) if name == "grassberger" else 0.0)
    assert corrections.make(name)(Spectrum(np.zeros(0, np.int64), np.zeros(0, np.int64), 0.0)) == 0.0


@pytest.mark.parametrize("name", corrections.names)
def test_comes_to_the_truth_with_data(name: str, rng: np.random.Generator) -> None:
    truth = -sum(p * math.log(p) for p in (0.5, 0.25, 0.125, 0.125))
    counts = rng.multinomial(200_000, [0.5, 0.25, 0.125, 0.125])
    assert entropy(name, *counts) == pytest.approx(truth, abs=0.005)


def test_corrections_lessen_the_bias(rng: np.random.Generator) -> None:
    # 50 draws from 50 equally likely things, 200 times over: the plug-in value is about 0.46 nats short.
    samples = [rng.multinomial(50, np.full(50, 1 / 50)) for _ in range(200)]
    short = {name: math.log(50) - np.mean([entropy(name, *sample) for sample in samples]) for name in corrections.names}
    assert short["plug_in"] > 0.4
    for name in ("miller_madow", "grassberger", "chao_shen", "james_stein"):
        assert abs(short[name]) < 0.6 * short["plug_in"]


@pytest.mark.skipif(importlib.util.find_spec("infomeasure") is None, reason="infomeasure is not installed")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("spec", "approach"),
    [
        ("plug_in", "discrete"),
        ("miller_madow", "miller_madow"),
        ("chao_shen", "chao_shen"),
        ("james_stein(observed=true)", "shrink"),
    ],
)
def test_agrees_with_infomeasure(spec: str, approach: str, rng: np.random.Generator) -> None:
    # Its "grassberger" is the correction of 1988, another estimator.
    import infomeasure

    sample = rng.zipf(1.6, 400) % 97
    counts = np.unique(sample, return_counts=True)[1]
    assert entropy(spec, *counts) == pytest.approx(infomeasure.entropy(sample, approach=approach, base="e"), rel=1e-9)


def nsb(counts: np.ndarray, size: int) -> float:
    """Nats: Nemenman, Shafee & Bialek 2002, the mean over all distributions of `size` symbols, by a sum over beta."""
    counts = np.append(counts, np.zeros(size - len(counts)))[:, None]
    beta = np.exp(np.linspace(-12, 12, 4001))
    total = counts.sum() + size * beta
    prior = (size * polygamma(1, size * beta + 1) - polygamma(1, beta + 1)) * beta  # d xi / d ln beta
    evidence = gammaln(size * beta) - gammaln(total) + (gammaln(counts + beta) - gammaln(beta)).sum(axis=0)
    weight = prior * np.exp(evidence - evidence.max())
    mean = digamma(total + 1) - ((counts + beta) / total * digamma(counts + beta + 1)).sum(axis=0)
    return float((weight * mean).sum() / weight.sum())


def test_the_oracle_knows_a_flat_distribution() -> None:
    assert nsb(np.full(20, 50), 20) == pytest.approx(math.log(20), abs=0.01)


@pytest.mark.parametrize("spec", ["miller_madow", "grassberger", "chao_shen"])
def test_corrections_come_closer_to_nsb(spec: str) -> None:
    """NSB is told the alphabet; on few samples of a flat distribution it is close to the truth."""
    gap: dict[str, list[float]] = {"plug_in": [], spec: []}
    for seed in range(10):
        counts = np.unique(np.random.default_rng(seed).integers(0, 20, 60), return_counts=True)[1]
        for name, gaps in gap.items():
            gaps.append(abs(entropy(name, *counts) - nsb(counts, 20)))
    assert np.mean(gap[spec]) < 0.8 * np.mean(gap["plug_in"])
