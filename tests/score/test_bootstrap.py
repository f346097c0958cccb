from __future__ import annotations

import numpy as np
import pytest

from lmbench.score.bootstrap import blocks_of, ratio_interval
from lmbench.tokens import Tokens, Vocabulary, tokens_of


def tokens(lengths: list[int], end: bytes = b"") -> Tokens:
    return tokens_of([[0] * (length - 1) for length in lengths], Vocabulary((b"a", end), end_of_text=1))


def test_documents_are_blocks_where_there_are_thirty() -> None:
    blocks = blocks_of(tokens([3, 2] * 15))
    assert len(blocks) == 30
    assert blocks.starts[:4].tolist() == [0, 3, 5, 8]
    assert blocks.rule == "30 documents"


def test_fewer_documents_are_cut_into_a_hundred_spans() -> None:
    blocks = blocks_of(tokens([10_000] * 29))
    assert blocks.rule == "100 contiguous spans"
    assert set(np.diff(blocks.starts)) == {2900}


def test_spans_are_not_shorter_than_twenty_tokens() -> None:
    assert len(blocks_of(tokens([205]))) == 10


def test_lines_and_very_many_documents_are_pooled_at_their_starts() -> None:
    lines = tokens([7] * 5000, end=b"\n")
    assert blocks_of(lines).rule == "100 runs of lines"
    documents = tokens([7] * 5000)
    pooled = blocks_of(documents)
    assert pooled.rule == "1000 runs of documents"
    assert set(pooled.starts % 7) == {0}


def test_sums_by_hand() -> None:
    blocks = blocks_of(tokens([3, 2] * 15))
    values = np.arange(75.0)
    assert blocks.sums(values)[:3].tolist() == [0 + 1 + 2, 3 + 4, 5 + 6 + 7]
    with pytest.raises(ValueError, match="74 values"):
        blocks.sums(values[1:])


def test_interval_is_that_of_the_mean_of_independent_blocks() -> None:
    """For equal blocks the bootstrap's half-width is 1.96 standard errors of the mean."""
    values = np.random.default_rng(1).normal(5.0, 2.0, size=400)
    interval = ratio_interval(values, np.ones(400), seed=0)
    assert interval is not None
    half = (interval[1] - interval[0]) / 2
    assert half == pytest.approx(1.96 * values.std() / 20, rel=0.08)
    assert (interval[0] + interval[1]) / 2 == pytest.approx(values.mean(), abs=0.03)


def test_interval_covers_the_truth_nine_times_in_ten_at_least() -> None:
    generator = np.random.default_rng(2)
    hits = 0
    for trial in range(200):
        lengths = generator.integers(5, 50, size=60)
        sums = lengths * generator.normal(3.0, 0.5, size=60)
        interval = ratio_interval(sums, lengths.astype(float), seed=trial, resamples=1000)
        assert interval is not None
        hits += interval[0] <= 3.0 <= interval[1]
    assert hits >= 180


def test_ratio_is_weighted_by_length() -> None:
    """A long block of 1 nat/token and short ones of 9: the interval lies around sum/sum, not the mean of means."""
    sums, lengths = np.array([1000.0] * 5 + [9.0] * 5), np.array([1000.0] * 5 + [1.0] * 5)
    interval = ratio_interval(sums, lengths, seed=0)
    assert interval is not None
    assert interval[1] < 1.2


def test_same_seed_same_interval_and_too_few_blocks_none() -> None:
    values = np.arange(10.0)
    assert ratio_interval(values, np.ones(10), 3) == ratio_interval(values, np.ones(10), 3)
    assert ratio_interval(values, np.ones(10), 3) != ratio_interval(values, np.ones(10), 4)
    assert ratio_interval(values[:4], np.ones(4), 3) is None
