"""Match lengths by hand, against their definition, and on sources of known rate."""

from __future__ import annotations

import math

import numpy as np
import pytest
from entropy_texts import char_tokens, id_tokens, nothing
from hypothesis import given, settings
from hypothesis import strategies as st

from lmbench.entropy import estimators
from lmbench.entropy.base import Estimate
from lmbench.errors import LmbenchError, UsageError
from lmbench.progress import Silent
from lmbench.tokens import Tokens


def estimate(text: Tokens, spec: str = "match_length") -> Estimate:
    (found,) = estimators.make(spec).estimate(nothing(text), text, Silent())
    return found


def test_abaab_by_hand() -> None:
    # i = 2: "aab" begins like "abaab" for 1, L = 2; i = 3: "ab" for 2, L = 3; i = 4: "b" for 1, L = 2.
    lengths = estimate(char_tokens("abaab"))
    assert lengths.bits_per_character == pytest.approx(3 / (2 / 1 + 3 / math.log2(3) + 2 / 2))
    rates = estimate(char_tokens("abaab"), "match_length(average=rates)")
    assert rates.bits_per_character == pytest.approx((1 / 2 + math.log2(3) / 3 + 2 / 2) / 3)
    # A window of 2: i = 2, 3, 4 match 1, 1, 0 symbols, and log2 2 = 1.
    window = estimate(char_tokens("abaab"), "match_length(window=2)")
    assert window.bits_per_character == pytest.approx(3 / (2 + 2 + 1))


@settings(max_examples=60, deadline=None)
@given(st.text("ab\n", min_size=4, max_size=60), st.sampled_from([None, 2, 3]))
def test_is_its_definition(text: str, window: int | None) -> None:
    first = window or 2
    ratios = []
    for i in range(first, len(text)):
        longest = 0
        for j in range(i - window if window else 0, i):
            while text[i : i + longest + 1] == text[j : j + longest + 1] and i + longest < len(text):
                longest += 1
        ratios.append((longest + 1) / math.log2(window or i))
    spec = f"match_length(window={window or 'none'})"
    assert estimate(char_tokens(text), spec).bits_per_token == pytest.approx(len(ratios) / sum(ratios))


@pytest.mark.parametrize("spec", ["match_length", "match_length(average=rates)", "match_length(window=5000)", "lz76"])
def test_markov_chain_of_order_one(spec: str, rng: np.random.Generator) -> None:
    # Stay with probability 0.9: 0.4690 bits. These converge as 1 / log n: within a fifth at 30,000 symbols.
    found = estimate(id_tokens(np.cumsum(rng.random(30_000) < 0.1) % 2, 2), spec)
    assert found.bits_per_token == pytest.approx(0.4690, rel=0.2)
    assert found.kind == "estimate"


def test_converges(rng: np.random.Generator) -> None:
    found = estimate(id_tokens(rng.integers(4, size=100_000), 4))
    error = np.abs(np.array(found.curve["bits_per_token"]) - 2.0)
    assert error[-1] < 0.25
    assert error[-1] < error[8] < error[4]
    assert found.curve["symbols"][-1] == 100_000
    assert found.interval is not None
    assert found.interval[0] < found.bits_per_token < found.interval[1]


def test_of_rates_is_never_smaller(rng: np.random.Generator) -> None:
    text = id_tokens(rng.integers(3, size=2000), 3)
    assert estimate(text, "match_length(average=rates)").bits_per_token >= estimate(text).bits_per_token


def test_matches_reach_into_the_training_text() -> None:
    text = char_tokens("the quick brown fox")
    (alone,) = estimators.make("match_length").estimate(nothing(text), text, Silent())
    (twice,) = estimators.make("match_length").estimate(text, text, Silent())
    assert twice.bits_per_token < alone.bits_per_token / 2


@pytest.mark.parametrize("name", ["match_length", "match_length(window=10)", "lz76", "lz78"])
@pytest.mark.parametrize("text", ["", "a"])
def test_too_little_text_is_one_line(name: str, text: str) -> None:
    with pytest.raises(LmbenchError, match=r"^[^\n]+ the text has [01]; give more text[^\n]*$"):
        estimate(char_tokens(text), name)


@pytest.mark.parametrize(
    "name", ["match_length", "match_length(average=rates)", "match_length(window=2)", "lz76", "lz78"]
)
@pytest.mark.parametrize(
    "text", ["aaa", "abc", "a" * 500, "ab" * 250, "\x00\x01\x07" * 100, "".join(map(chr, range(99)))]
)
def test_degenerate_texts_have_a_finite_rate(name: str, text: str) -> None:
    found = estimate(char_tokens(text), name)
    assert found.bits_per_token is not None
    assert math.isfinite(found.bits_per_token)
    assert 0.0 <= found.bits_per_token <= math.log2(len(text)) + 0.5
    if found.interval is not None:
        assert 0.0 <= found.interval[0] <= found.bits_per_token <= found.interval[1]


def test_a_period_has_almost_no_entropy() -> None:
    assert estimate(char_tokens("abc" * 300)).bits_per_token < 0.05
    assert estimate(char_tokens("abc" * 300), "lz76").bits_per_token < 0.05


def test_a_curve_has_no_negative_rates(rng: np.random.Generator) -> None:
    text = id_tokens(np.concatenate([np.zeros(12, np.int64), rng.integers(4, size=3000)]), 4)
    values = estimate(text, "match_length(average=slope)").curve["bits_per_token"]
    assert None in values
    assert all(value is None or 0 <= value < math.inf for value in values)


def test_bad_window() -> None:
    with pytest.raises(UsageError, match="window must be at least 2"):
        estimators.make("match_length(window=1)")


def test_the_slope_is_a_line_through_the_lengths() -> None:
    # "abaababaab": L_i at i = 2 .. 9 by hand, and a line fitted to them by numpy.
    text = char_tokens("abaababaab")
    lengths = [2, 4, 3, 6, 5, 4, 3, 2]
    slope = np.polyfit(np.log2(np.arange(2, 10)), lengths, 1)[0]
    assert slope > 0
    (found,) = estimators.make("match_length(average=slope)").estimate(nothing(text), text, Silent())
    assert found.bits_per_token == pytest.approx(1 / slope)
    assert found.estimator == "match length, slope (char)"


def test_the_slope_is_less_biased_than_the_average(rng: np.random.Generator) -> None:
    weights = 1 / np.arange(1, 9)
    text = id_tokens(rng.choice(8, size=30_000, p=weights / weights.sum()), 8)
    truth = -float(weights / weights.sum() @ np.log2(weights / weights.sum()))
    (slope,) = estimators.make("match_length(average=slope)").estimate(nothing(text), text, Silent())
    (mean,) = estimators.make("match_length").estimate(nothing(text), text, Silent())
    assert abs(mean.bits_per_token - truth) > 0.25  # type: ignore[operator]
    assert abs(slope.bits_per_token - truth) < 0.2  # type: ignore[operator]
    assert slope.interval is not None
    assert slope.interval[0] < truth < slope.interval[1]


def test_where_matches_do_not_grow_there_is_no_slope() -> None:
    text = char_tokens("ab" * 40)
    with pytest.raises(LmbenchError, match=r"^matches do not grow longer with the text before them"):
        estimators.make("match_length(average=slope)").estimate(nothing(text), text, Silent())
    with pytest.raises(UsageError, match="a window leaves no slope"):
        estimators.make("match_length(average=slope, window=100)")


def test_one_sort_serves_all_and_another_text_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    from lmbench.entropy import _matches

    sorts: list[int] = []
    sort = _matches.longest_earlier_matches
    monkeypatch.setattr(_matches, "longest_earlier_matches", lambda ids, on_round: sorts.append(1) or sort(ids))
    monkeypatch.setattr(_matches, "_kept", {})
    one, other = char_tokens("abcabcabdabd" * 5), char_tokens("abcabcabdabe" * 5)
    for spec in ("match_length", "lz76", "match_length(average=rates)"):
        estimators.make(spec).estimate(nothing(one), one, Silent())
    assert len(sorts) == 1
    first = estimate(other).bits_per_character
    assert len(sorts) == 2
    assert first != estimate(one).bits_per_character
    assert len(sorts) == 3


def test_says_where_passages_stand_twice(rng: np.random.Generator) -> None:
    random = rng.integers(4, size=20_000)
    once, twice = id_tokens(random, 4), id_tokens(np.concatenate([random, random[:1_000]]), 4)
    assert "the text holds twice" not in estimate(once).note
    assert "the longest of 1,000, and make up" in estimate(twice).note
    assert "the text holds twice" not in estimate(twice, "match_length(average=rates)").note
