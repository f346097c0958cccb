"""Phrase counts of the two Lempel-Ziv parsings."""

from __future__ import annotations

import math

import numpy as np
import pytest
from entropy_texts import char_tokens, id_tokens, nothing
from hypothesis import given
from hypothesis import strategies as st

from lmbench.entropy import estimators
from lmbench.progress import Silent


def rate(name: str, text: str) -> float:
    tokens = char_tokens(text)
    (found,) = estimators.make(name).estimate(nothing(tokens), tokens, Silent())
    assert found.interval is None
    assert found.bits_per_token is not None
    return found.bits_per_token


def test_lz76_by_hand() -> None:
    # Lempel & Ziv 1976: 0 | 001 | 10 | 100 | 1000 | 101
    assert rate("lz76", "0001101001000101") == pytest.approx(6 * math.log2(16) / 16)


def test_lz78_by_hand() -> None:
    # a | ab | abb | b | ab, the last one cut short by the end of the text
    assert rate("lz78", "aababbbab") == pytest.approx(5 * math.log2(5) / 9)
    # a | b | ab | aba: nothing is left over
    assert rate("lz78", "abababa") == pytest.approx(4 * math.log2(4) / 7)


@given(st.text("ab", min_size=2, max_size=80))
def test_lz76_is_its_definition(text: str) -> None:
    phrases, start, end = 0, 0, 1
    while start < len(text):
        while end < len(text) and text.find(text[start:end], 0, end - 1) >= 0:
            end += 1
        phrases, start, end = phrases + 1, end, end + 1
    assert rate("lz76", text) == pytest.approx(phrases * math.log2(len(text)) / len(text))


@given(st.text("abc", min_size=2, max_size=80))
def test_lz78_is_its_definition(text: str) -> None:
    phrases: set[str] = set()
    phrase, cut = "", 0
    for symbol in text:
        phrase += symbol
        if phrase not in phrases:
            phrases.add(phrase)
            phrase = ""
    cut = len(phrases) + bool(phrase)
    assert rate("lz78", text) == pytest.approx(cut * math.log2(cut) / len(text))


@pytest.mark.parametrize(("name", "tolerance"), [("lz76", 0.1), ("lz78", 0.25)])
def test_comes_near_a_known_rate(name: str, tolerance: float, rng: np.random.Generator) -> None:
    tokens = id_tokens(rng.integers(4, size=50_000), 4)
    (found,) = estimators.make(name).estimate(nothing(tokens), tokens, Silent())
    assert found.bits_per_token == pytest.approx(2.0, rel=tolerance)


@pytest.mark.parametrize("name", ["lz76", "lz78", "match_length"])
def test_symbols_that_occur_once_are_told_of(name: str) -> None:
    """Two of ten are new: what it takes to spell them is in no phrase."""
    few = id_tokens(np.array([0, 1, 0, 1, 2, 0, 1, 0, 1, 3]), 4)
    (found,) = estimators.make(f"{name}(unit=token)").estimate(nothing(few), few, Silent())
    assert "20% of the symbols (token) occur once" in found.note
    many = id_tokens(np.array([0, 1, 2, 3] * 10), 4)
    (found,) = estimators.make(name).estimate(nothing(many), many, Silent())
    assert "occur once" not in found.note
