"""Intervals of a ratio over a text: by hand, and how often they hold the truth."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from lmbench.score.interval import LINES, ONE_DOCUMENT, autocorrelation_time, layout_of
from lmbench.tokens import Tokens, Vocabulary, tokens_of


def tokens(lengths: list[int], end: bytes = b"") -> Tokens:
    return tokens_of([[0] * (length - 1) for length in lengths], Vocabulary((b"a", end), end_of_text=1))


def estimate(text: Tokens, values: np.ndarray):  # type: ignore[no-untyped-def,type-arg]
    layout = layout_of(text)
    return layout.estimate(layout.sums(values), layout.sums(np.ones(len(text))))


def test_two_documents_by_hand() -> None:
    found = estimate(tokens([2, 2]), np.array([1.0, 1.0, 2.0, 2.0]))
    assert found.value == 1.5
    assert found.error == pytest.approx(0.5)
    assert found.freedom == pytest.approx(1)
    assert found.interval == pytest.approx((1.5 - 12.706 * 0.5, 1.5 + 12.706 * 0.5), abs=1e-3)
    assert found.p_value == pytest.approx(2 * (1 - stats.t.cdf(3, 1)))
    assert found.detectable == pytest.approx((12.7062 + 1.3764) * 0.5, abs=1e-3)


def test_equal_documents_have_the_t_interval_of_their_means() -> None:
    means = np.random.default_rng(0).normal(4, 0.1, 8)
    found = estimate(tokens([50] * 8), np.repeat(means, 50))
    assert found.freedom == pytest.approx(7)
    low, high = stats.t.interval(0.95, 7, means.mean(), stats.sem(means))
    assert found.interval == pytest.approx((low, high))


def test_unequal_documents_have_less_freedom_and_a_wider_interval() -> None:
    """Sizes 0.8, 0.1, 0.1: odds 4, 1/9, 1/9."""
    text = tokens([80, 10, 10])
    found = estimate(text, np.repeat([3.0, 4.0, 4.0], [80, 10, 10]))
    odds = np.array([4, 1 / 9, 1 / 9])
    squares = odds**2
    assert found.freedom == pytest.approx(
        odds.sum() ** 2 / (squares.sum() + sum(squares[i] * squares[j] for i in range(3) for j in range(3) if i != j))
    )
    residuals = np.array([-0.2 * 0.8, 0.8 * 0.1, 0.8 * 0.1])
    squared = (residuals / (1 - np.array([0.8, 0.1, 0.1]))) ** 2
    assert found.error == pytest.approx(math.sqrt(squared.sum() / odds.sum()))


def test_documents_that_agree_by_chance_are_no_narrower_than_their_spans() -> None:
    """Two documents of equal mean: what differs within each of them is left."""
    half = np.random.default_rng(1).normal(3, 1, 500)
    found = estimate(tokens([500, 500]), np.concatenate([half, half]))
    assert found.error is not None
    assert found.error == pytest.approx(1 / math.sqrt(1000), rel=0.3)
    assert found.freedom is not None
    assert found.freedom > 20


def test_one_document_and_lines_say_so_and_short_texts_have_none() -> None:
    assert layout_of(tokens([400])).blocks == ONE_DOCUMENT
    assert layout_of(tokens([7] * 5000, end=b"\n")).blocks == LINES
    assert layout_of(tokens([7] * 5000)).blocks == "5,000 documents"
    assert estimate(tokens([99]), np.arange(99.0)).interval is None


def test_pieces_of_a_document_count_as_that_document() -> None:
    text = tokens([400, 400, 200])
    values = np.random.default_rng(2).gamma(2.0, size=1000)
    whole = estimate(tokens([1000]), values)
    found = estimate(replace(text, sources=np.array([4, 4, 4])), values)
    assert (found.blocks, found.interval) == (ONE_DOCUMENT, whole.interval)
    two = estimate(replace(text, sources=np.array([4, 4, 5])), values)
    assert (two.blocks, two.interval) == ("2 documents", estimate(tokens([800, 200]), values).interval)


def test_pieces_lie_in_one_document_each_and_lose_nothing() -> None:
    text = tokens([30_000, 7, 12_000])
    layout = layout_of(text)
    assert {0, 30_000, 30_007} <= set(layout.starts.tolist())
    assert layout.starts[layout.documents].tolist() == [0, 30_000, 30_007]
    values = np.random.default_rng(0).normal(size=len(text))
    assert layout.sums(values).sum() == pytest.approx(values.sum())
    with pytest.raises(ValueError, match="42006 values"):
        layout.sums(values[1:])


def test_autocorrelation_time_of_an_autoregression() -> None:
    assert autocorrelation_time(autoregression(np.random.default_rng(0), 50_000, 0.8)) == pytest.approx(9, rel=0.1)
    assert autocorrelation_time(np.random.default_rng(0).normal(size=5000)) == pytest.approx(1, abs=0.1)
    assert autocorrelation_time(np.ones(10)) == 1


def test_spans_grow_with_the_correlation() -> None:
    layout = layout_of(tokens([20_000]))
    spans = [len(layout.spans(layout.sums(autoregression(np.random.default_rng(0), 20_000, c)))) for c in (0.0, 0.99)]
    assert spans[0] == 100
    assert 6 <= spans[1] <= 20


def autoregression(generator: np.random.Generator, size: int, coefficient: float) -> np.ndarray:  # type: ignore[type-arg]
    from scipy.signal import lfilter

    noise = generator.normal(size=size + 2000)
    return np.asarray(lfilter([1.0], [1.0, -coefficient], noise))[2000:]


@pytest.mark.parametrize("coefficient", [0.0, 0.5, 0.9])
def test_coverage_of_one_document_with_correlated_losses(coefficient: float) -> None:
    generator = np.random.default_rng(3)
    text = tokens([1500])
    held = 0
    for _ in range(200):
        interval = estimate(text, autoregression(generator, 1500, coefficient)).interval
        held += interval[0] <= 0 <= interval[1]
    assert 180 <= held <= 199


@pytest.mark.parametrize("documents", [2, 4, 10, 30])
def test_coverage_of_documents_that_differ(documents: int) -> None:
    """Sizes that vary by a factor of ten; means that differ by far more than the losses within a document explain."""
    generator = np.random.default_rng(documents)
    held = 0
    for _ in range(200):
        sizes = np.exp(generator.normal(5, 1, documents)).astype(int) + 2
        means = np.repeat(generator.normal(0, 0.3, documents), sizes)
        interval = estimate(tokens(sizes.tolist()), means + generator.normal(size=len(means))).interval
        held += interval[0] <= 0 <= interval[1]
    assert 180 <= held <= 200
