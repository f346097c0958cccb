from __future__ import annotations

import numpy as np
import pytest

from lmbench.score.breakdown import blend, breakdown, calibration, decades, doubling, extremes, kinds
from lmbench.tokens import Vocabulary


def test_breakdown_by_hand() -> None:
    losses = {"m": np.array([1.0, 2.0, 4.0]), "n": np.array([2.0, 2.0, 2.0])}
    found = breakdown("kind", ["a", "empty", "b"], np.array([0, 2, 2]), losses)
    assert found.models == ("m", "n")
    assert [(group.label, group.tokens, group.nats) for group in found.groups] == [
        ("a", 1, (1.0, 2.0)),
        ("b", 2, (3.0, 2.0)),
    ]
    assert sum(group.share for group in found.groups) == 1


def test_doubling_by_hand() -> None:
    labels, places = doubling(np.array([0, 1, 2, 3, 4, 5, 8, 9, 1000]), 8)
    assert [labels[place] for place in places] == [
        "0",
        "1",
        "2",
        "3-4",
        "3-4",
        "5-8",
        "5-8",
        "9 and more",
        "9 and more",
    ]


def test_decades_by_hand() -> None:
    labels, places = decades(np.array([0, 1, 9, 10, 123]))
    assert [labels[place] for place in places] == ["0", "1-9", "1-9", "10-99", "100-999"]
    assert decades(np.array([0, 0]))[0][0] == "0"


def test_kinds_by_hand() -> None:
    pieces = (" the", "7", "\n", "é", "猫", ".", "Ω", "の", "\u0301")
    words = Vocabulary((*(piece.encode() for piece in pieces), b"\xe7", b"", b"<unk>"), end_of_text=10, unknown=11)
    labels, places = kinds(words)
    assert [labels[place] for place in places] == [
        "Latin letters", "digits", "white space", "Latin letters", "Han letters", "punctuation and signs",
        "Greek letters", "Hiragana letters", "other characters", "parts of characters", "end of document", "unknown",
    ]  # fmt: skip


def test_calibration_by_hand() -> None:
    first = np.array([True, True, False])
    found = calibration(np.array([0.9, 0.7, 0.2]), first, np.array([True, True, True]), bins=2)
    assert (found.places, found.five) == (3, 1.0)
    assert found.first == pytest.approx(2 / 3)
    assert found.error == pytest.approx((0.2 + 2 * 0.2) / 3)
    assert [(part.places, part.accuracy) for part in found.bins] == [(1, 0.0), (2, 1.0)]
    assert calibration(np.array([1.0]), np.array([True]), np.array([True])).bins[0].low == 0.9


def test_a_blend_finds_the_weight_that_made_the_text() -> None:
    """Two models that say 0.8 and 0.2 of a coin that falls at 0.65: weight 0.75 of the first."""
    heads = np.random.default_rng(0).random(40_000) < 0.65
    first, second = (np.log(np.where(heads, share, 1 - share)) for share in (0.8, 0.2))
    found = blend(first, second)
    assert found.weight == pytest.approx((heads[:20_000].mean() - 0.2) / 0.6, abs=1e-3)
    mixed = found.weight * 0.8 + (1 - found.weight) * 0.2
    half = heads[20_000:]
    assert found.nats == pytest.approx(-np.log(np.where(half, mixed, 1 - mixed)).mean())
    assert found.gain == pytest.approx(min(-first[20_000:].mean(), -second[20_000:].mean()) - found.nats)
    assert found.gain > 0.05


def test_a_blend_with_a_worse_model_is_the_better_one() -> None:
    found = blend(np.full(100, -1.0), np.full(100, -2.0))
    assert found.weight == pytest.approx(1, abs=1e-3)
    assert found.gain == pytest.approx(0, abs=1e-2)
    assert found.apart == (1.0, 2.0)


def test_extremes_by_hand() -> None:
    first, second = np.array([-1.0, -2.0, -3.0, -1.0]), np.array([-4.0, -1.0, -1.0, -1.0])
    ahead, behind = extremes(first, second, 2)
    assert ahead.tolist() == [0]
    assert behind.tolist() == [2, 1]
