"""Pairs at a distance by hand, and what is known of texts without, with and with periodic dependence."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lmbench.entropy._symbols import Symbols
from lmbench.errors import LmbenchError
from lmbench.progress import Silent
from lmbench.structure.dependence import _decay, dependence
from lmbench.structure.fits import line
from lmbench.structure.pairs import correlation, mutual_information, sequence_of


def symbols(ids: np.ndarray | list[int], documents: tuple[int, ...] = (0,)) -> Symbols:
    array = np.asarray(ids, dtype=np.int64)
    return Symbols(array, np.array(documents, dtype=np.int64), int(array.max()) + 1, len(array), len(array))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(4)


def test_pairs_of_a_dozen_symbols() -> None:
    text = sequence_of(symbols([0, 1, 0, 1, 0, 0, 1, 0, 0, 0, 1, 0]))
    assert text.size == 2
    # 8 of the one and 4 of the other: codes are by falling count, and stay 0 and 1
    assert text.joint(1).tolist() == [[3, 4], [4, 0]]
    assert text.joint(11).tolist() == [[1, 0], [0, 0]]
    assert text.pairs(1) == 11


def test_pairs_do_not_cross_documents() -> None:
    ids = [0, 1, 0, 1, 0, 0, 1, 0, 0, 0, 1, 0]
    cut = sequence_of(symbols(ids, (0, 5)))
    first, second = sequence_of(symbols(ids[:5])), sequence_of(symbols(ids[5:]))
    assert (cut.joint(2) == first.joint(2) + second.joint(2)).all()
    assert cut.pairs(2) == 3 + 5
    assert int(cut.joint(6).sum()) == cut.pairs(6) == 1


def test_few_long_documents_are_counted_as_many_short_ones_are(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = sequence_of(symbols(rng.integers(0, 3, 500), (0, 7, 200, 201)))
    joined = {distance: text.joint(distance) for distance in (1, 5, 180, 400)}
    monkeypatch.setattr("lmbench.structure.pairs._LONG", 1)
    monkeypatch.setattr("lmbench.structure.pairs._CHUNK", 50)
    for distance, counts in joined.items():
        assert (text.joint(distance) == counts).all()
        assert counts.sum() == text.pairs(distance)


def test_mutual_information_and_norm_by_hand() -> None:
    one = np.array([[1, 0], [0, 1]])
    assert mutual_information(one) == 1.0
    assert correlation(one, 2) == pytest.approx(0.5)
    assert mutual_information(np.array([[1, 1], [1, 1]])) == 0.0
    assert correlation(np.array([[1, 1], [1, 1]]), 2) == pytest.approx(0)
    # p(u) = (3/4, 1/4), p(v) = (1/2, 1/2): H(u) + H(v) - H(u, v) = 0.8113 + 1 - 1.5
    table = np.array([[2, 1], [0, 1]])
    assert mutual_information(table) == pytest.approx(0.8113 + 1 - 1.5, abs=1e-4)
    assert mutual_information(np.zeros((2, 2), dtype=np.int64)) == 0.0


def test_the_sparse_and_the_dense_norm_agree(rng: np.random.Generator) -> None:
    table = rng.integers(0, 50, (100, 100))
    covariance = table / table.sum() - np.outer(table.sum(1), table.sum(0)) / table.sum() ** 2
    assert correlation(table, 100) == pytest.approx(np.linalg.norm(covariance, 2), rel=1e-5)
    assert correlation(table, 70) == pytest.approx(np.linalg.norm(covariance[:70, :70], 2), rel=1e-5)


def test_independent_symbols_stay_in_the_band(rng: np.random.Generator) -> None:
    found = dependence(sequence_of(symbols(rng.choice(8, 20_000, p=np.arange(1, 9) / 36))), Silent())
    information = found.information
    outside = [abs(value) > band for value, band in zip(information.values, information.band, strict=True)]
    assert sum(outside) <= 6  # of about 37, each with a chance of 1 in 20
    assert max(np.abs(information.values)) < 0.005
    assert information.decay is None
    assert "stand clear of the band" in information.refused
    assert found.correlation.decay is None


def test_a_period_says_all_at_every_distance() -> None:
    """abac abac ...: 1.5 bits a symbol, and 1 d before it says which, but for d odd: then it may be a."""
    found = dependence(sequence_of(symbols(np.tile([0, 1, 0, 2], 1000))), Silent())
    values = dict(zip(found.information.distances, found.information.values, strict=True))
    bias = dict(zip(found.information.distances, found.information.shuffled, strict=True))
    same = [distance for distance in values if distance % 4 == 0]
    assert len(same) > 5
    assert [values[d] + bias[d] for d in same] == pytest.approx([1.5] * len(same), abs=0.01)
    assert values[1] + bias[1] == pytest.approx(1.0, abs=0.01)


def test_a_chain_that_forgets_is_exponential(rng: np.random.Generator) -> None:
    """Of a two-state chain that stays with 0.95 the covariance falls as 0.9^d, and the information as its square."""
    chain = np.cumsum(rng.random(200_000) < 0.05) % 2
    found = dependence(sequence_of(symbols(chain)), Silent())
    decay = found.correlation.decay
    assert decay is not None
    assert decay.better == "exponential"
    assert decay.length == pytest.approx(-1 / math.log(0.9), rel=0.15)
    information = found.information.decay
    assert information is not None
    assert information.length == pytest.approx(-0.5 / math.log(0.9), rel=0.2)


def test_a_power_law_that_was_planted_is_found(rng: np.random.Generator) -> None:
    """Symbols are equal within spans and independent between them: the covariance at d is in proportion to the pairs
    that lie in one span, which for a tail ~ l^-2 of the lengths l falls about as 1 / d."""
    lengths = (rng.random(100_000) ** -0.5).astype(np.int64)
    text = np.repeat(rng.integers(0, 4, len(lengths)), lengths)
    found = dependence(sequence_of(symbols(text)), Silent()).correlation
    decay = found.decay
    assert decay is not None
    assert decay.better == "power law"
    distances = np.array([distance for distance in found.distances if distance <= decay.last])
    together = np.array([np.maximum(lengths - distance, 0).sum() for distance in distances])
    assert decay.exponent == pytest.approx(-line(np.log(distances), np.log(together)).slope, abs=0.2)


def test_a_decay_of_two_stages_is_not_taken_for_one() -> None:
    distances = np.geomspace(1, 10_000, 30)
    one, two = _decay(distances, distances**-0.8), _decay(distances, distances**-3.0 + 1e-4 * distances**-0.2)
    assert one.close
    assert one.exponent == pytest.approx(0.8)
    assert not two.close


def test_rare_symbols_are_taken_for_one() -> None:
    ids = np.concatenate([np.tile(np.arange(3), 400), np.arange(3, 103)])
    text = sequence_of(symbols(ids))
    assert text.size == math.isqrt(len(ids) // 10) == 11
    assert text.merged == 103 - 10
    assert text.kept == 10
    assert int(text.joint(1).sum()) == len(ids) - 1


def test_too_short_a_text_is_one_line() -> None:
    with pytest.raises(LmbenchError, match="needs 100 symbols, the text has 3"):
        dependence(sequence_of(symbols([0, 1, 0])), Silent())


def test_a_line_by_hand() -> None:
    found = line(np.array([0.0, 1, 2, 3]), np.array([1.0, 3, 5, 7]))
    assert (found.slope, found.intercept) == pytest.approx((2, 1))
    assert found.error == pytest.approx(0, abs=1e-12)
    # residuals 0.5, -0.5, -0.5, 0.5 about slope 1: s^2 = 1 / 2, se = sqrt(0.5 / 5), t = 4.3027
    found = line(np.array([0.0, 1, 2, 3]), np.array([0.5, 0.5, 1.5, 3.5]))
    assert found.slope == pytest.approx(1)
    assert found.interval == pytest.approx((1 - 4.3027 * math.sqrt(0.1), 1 + 4.3027 * math.sqrt(0.1)), abs=1e-4)
