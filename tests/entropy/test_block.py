"""Block entropies against hand-worked values, a dictionary of n-grams, and sources of known rate."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from entropy_texts import char_tokens, id_tokens, nothing
from hypothesis import given, settings
from hypothesis import strategies as st

from lmbench.entropy import estimators
from lmbench.entropy._ngrams import ngram_orders
from lmbench.entropy._symbols import symbols_of
from lmbench.entropy.base import Estimate
from lmbench.errors import LmbenchError, UsageError
from lmbench.progress import Silent
from lmbench.tokens import Tokens, Vocabulary, tokens_of


def estimate(text: Tokens, spec: str = "block") -> Estimate:
    (found,) = estimators.make(spec).estimate(nothing(text), text, Silent())
    return found


def entropy(counts: Counter[str]) -> float:
    total = sum(counts.values())
    return -sum(count / total * math.log2(count / total) for count in counts.values())


def test_abababa_by_hand() -> None:
    found = estimate(char_tokens("abababa"), "block(order=3, correction=plug_in, coverage=0.5)")
    # F_1 = H(4/7, 3/7); bigrams ab x3 ba x3 after contexts a x3 b x3: F_2 = 0; aba x3 bab x2 likewise.
    assert found.curve["conditional_entropy_bits"] == pytest.approx([0.985228, 0.0, 0.0], abs=1e-6)
    assert found.curve["block_entropy_bits"] == pytest.approx([0.985228, 1.0, 0.970951], abs=1e-6)
    assert found.curve["coverage"] == [1.0, 1.0, 1.0]
    assert found.bits_per_character == pytest.approx(0.0, abs=1e-12)


def test_miller_madow_by_hand() -> None:
    # aabab: F_1 = H(3/5, 2/5) + 1/(2*5 ln 2); bigrams aa ab ba ab, contexts a x3 b x1.
    found = estimate(char_tokens("aabab"), "block(order=2, coverage=0)")
    first = 0.970951 + 0.1 / math.log(2)
    second = 1.5 - 0.811278 + (3 - 2) / 8 / math.log(2)
    assert found.curve["conditional_entropy_bits"] == pytest.approx([first, second], abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text("abc", max_size=12), min_size=1, max_size=4))
def test_counts_agree_with_a_dictionary(documents: list[str]) -> None:
    symbols = symbols_of(char_tokens(*documents, "abc"))
    documents = [*documents, "abc"]
    for order in ngram_orders(symbols, 6):
        n = order.n
        windows = [text[at : at + n] for text in documents for at in range(len(text) - n + 1)]
        grams, contexts = Counter(windows), Counter(window[:-1] for window in windows)
        assert sorted(order.sizes.tolist()) == sorted(grams.values())
        assert sorted(order.history_sizes.tolist()) == sorted(contexts.values())
        starts = [sum(map(len, documents[:index])) for index in range(len(documents))]
        place = [start + at for start, text in zip(starts, documents, strict=True) for at in range(len(text) - n + 1)]
        bits = {at: math.log2(contexts[w[:-1]] / grams[w]) for at, w in zip(place, windows, strict=True)}
        assert dict(zip(order.positions.tolist(), order.surprisals().tolist(), strict=True)) == pytest.approx(bits)
        assert order.ngrams.distinct == len(grams)
        assert order.ngrams.total == len(windows)
        assert order.ngrams.singletons == sum(count == 1 for count in grams.values())


@settings(max_examples=40, deadline=None)
@given(st.text("ab\x00\x07é漢", min_size=2, max_size=60))
def test_plug_in_curve_agrees_with_a_dictionary(text: str) -> None:
    found = estimate(char_tokens(text), "block(order=5, correction=plug_in, coverage=0)")
    for n, value in zip(found.curve["n"], found.curve["conditional_entropy_bits"], strict=True):
        windows = [text[at : at + n] for at in range(len(text) - n + 1)]
        expected = entropy(Counter(windows)) - entropy(Counter(window[:-1] for window in windows))
        assert value == pytest.approx(max(0.0, expected), abs=1e-9)


def test_ngrams_do_not_cross_documents() -> None:
    apart = estimate(char_tokens("aaaa", "bbbb", "aaaa", "bbbb"), "block(order=2, correction=plug_in)")
    assert apart.curve["conditional_entropy_bits"] == pytest.approx([1.0, 0.0])


def test_the_newline_that_ends_a_line_is_a_symbol() -> None:
    found = estimate(char_tokens("a", "a", "a", "a", lines=True), "block(order=1, correction=plug_in)")
    assert found.bits_per_character == pytest.approx(1.0)
    assert estimate(char_tokens("a", "a", "a", "a"), "block(order=1)").bits_per_character == 0.0


def test_conversion_uses_the_exact_lengths() -> None:
    # Two tokens, equally often: "aé" (2 characters, 3 bytes) and "漢" (1 character, 3 bytes): F_1 = 1 bit.
    vocabulary = Vocabulary(("aé".encode(), "漢".encode(), b""), 2)
    text = tokens_of([[0, 1] * 50], vocabulary)
    found = estimate(text, "block(unit=token, order=1, correction=plug_in)")
    assert found.bits_per_token == pytest.approx(1.0)
    assert found.bits_per_character == pytest.approx(100 / 150)
    assert found.bits_per_byte == pytest.approx(100 / 300)


def test_a_vocabulary_that_loses_text_has_no_figure_per_character() -> None:
    vocabulary = Vocabulary((b"the", b"<unk>", b""), 2, unknown=1, lossless=False)
    found = estimate(tokens_of([[0, 1] * 50], vocabulary), "block(unit=token, order=1, correction=plug_in)")
    assert found.bits_per_character is None
    assert found.bits_per_byte is None
    assert found.interval is None
    assert found.bits_per_token == pytest.approx(1.0)


def test_stops_where_the_data_stop(rng: np.random.Generator) -> None:
    # 20,000 uniform draws from 16 symbols: 4 bits at every n, but only n <= 3 are covered.
    found = estimate(id_tokens(rng.integers(16, size=20_000), 16))
    assert found.curve["reliable"][:4] == [True, True, True, False]
    assert not any(found.curve["reliable"][3:])
    assert found.curve["conditional_entropy_bits"][5] < 2.0  # what a curve without coverage would report
    assert found.bits_per_character == pytest.approx(4.0, abs=0.1)
    assert found.estimator == "block F_3 (char)"


def test_markov_chain_of_order_one(rng: np.random.Generator) -> None:
    # Stay with probability 0.9: H(0.1) = 0.4690 bits. The interval must cover it, and be narrow.
    ids = np.cumsum(rng.random(100_000) < 0.1) % 2
    found = estimate(id_tokens(ids, 2), "block(order=4)")
    assert found.interval is not None
    low, high = found.interval
    assert low < 0.46900 < high
    assert high - low < 0.02


def test_both_texts_are_counted() -> None:
    text = char_tokens("abab")
    (found,) = estimators.make("block(order=1, correction=plug_in)").estimate(text, text, Silent())
    assert found.curve["windows"] == [8]


@pytest.mark.parametrize("text", ["", "a", "ab", "abcdefghij"])
def test_too_little_text_is_one_line(text: str) -> None:
    with pytest.raises(LmbenchError, match=r"^[^\n]+$"):
        estimate(char_tokens(text))


@pytest.mark.parametrize("text", ["aa", "aaaaaaaa", "ab" * 40, "\x00\x01" * 30])
def test_degenerate_texts_have_a_rate_of_zero(text: str) -> None:
    found = estimate(char_tokens(text), "block(coverage=0.5, correction=plug_in)")
    assert found.bits_per_character == pytest.approx(0.0, abs=1e-9)
    assert found.interval is None


def test_bad_options() -> None:
    with pytest.raises(UsageError, match="order must be at least 1"):
        estimators.make("block(order=0)")
    with pytest.raises(UsageError, match="no correction 'miler'"):
        estimators.make("block(correction=miler)")


def test_tinyshakespeare(shared_text) -> None:
    found = estimate(char_tokens(shared_text("tinyshakespeare.txt")))
    assert found.curve["conditional_entropy_bits"][:3] == pytest.approx([4.7794, 3.5392, 2.7586], abs=2e-4)
    assert found.estimator == "block F_3 (char)"
