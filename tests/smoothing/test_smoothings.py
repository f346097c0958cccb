"""What holds for every smoothing in the folder, and what is worked by hand for each."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_texts import alphabet

from lmbench.errors import UsageError
from lmbench.model import models
from lmbench.progress import Silent
from lmbench.smoothing import smoothings
from lmbench.smoothing.good_turing import good_turing
from lmbench.tokens import Vocabulary, tokens_of

VOCABULARY = alphabet(3)
texts = st.one_of(
    st.lists(st.lists(st.integers(0, 2), max_size=20), min_size=1, max_size=4),
    st.integers(0, 40).map(lambda n: [[0] * n]),
)
NORMALISED = [name for name in smoothings.names if smoothings.load(name).normalised]


@pytest.mark.parametrize("name", NORMALISED)
@given(train=texts, valid=texts, order=st.integers(1, 6), context=st.lists(st.integers(0, 2), max_size=9))
@settings(deadline=None, max_examples=25)
def test_every_context_sums_to_one(
    name: str, train: list[list[int]], valid: list[list[int]], order: int, context: list[int]
) -> None:
    model = models.make(f"ngram(order={order}, smoothing={name})")
    model.fit(tokens_of(train, VOCABULARY), tokens_of(valid, VOCABULARY), Silent())
    following = model.next_log_probs(np.array(context, dtype=np.int64))
    assert not np.isnan(following).any()
    assert np.logaddexp.reduce(following) == pytest.approx(0, abs=1e-9)
    if model.card.smoothed:
        assert np.isfinite(following).all()


@pytest.mark.parametrize("name", NORMALISED)
def test_all_distinct_tokens(name: str) -> None:
    vocabulary = Vocabulary((*tuple(b"%d" % i for i in range(200)), b""), 200)
    text = tokens_of([list(range(200))], vocabulary)
    model = models.make(f"ngram(order=4, smoothing={name})").fit(text, text, Silent())
    for context in ([], [5], [5, 6], [7, 5], [0, 1, 2, 3]):
        total = np.logaddexp.reduce(model.next_log_probs(np.array(context, dtype=np.int64)))
        assert total == pytest.approx(0, abs=1e-9)


def probabilities(spec: str, text: list[list[int]], context: list[int]) -> list[float]:
    tokens = tokens_of(text, VOCABULARY)
    model = models.make(spec).fit(tokens, tokens, Silent())
    return np.exp(model.next_log_probs(np.array(context, dtype=np.int64))).tolist()


def test_additive_by_hand() -> None:
    """ "aab": after a come a and b, once each; c and the end never. alpha = 0.5, V = 4."""
    spec = "ngram(order=2, smoothing=additive(alpha=0.5))"
    assert probabilities(spec, [[0, 0, 1]], [0]) == pytest.approx([1.5 / 4, 1.5 / 4, 0.5 / 4, 0.5 / 4])
    assert probabilities(spec, [[0, 0, 1]], []) == pytest.approx([1.5 / 3, 0.5 / 3, 0.5 / 3, 0.5 / 3])
    assert probabilities(spec, [[0, 0, 1]], [2]) == pytest.approx([0.25] * 4)
    assert probabilities("ngram(order=1, smoothing=additive(alpha=1))", [[0, 0, 1]], []) == pytest.approx(
        [3 / 8, 2 / 8, 1 / 8, 2 / 8]
    )


def test_additive_of_a_high_order_does_not_fall_back_on_shorter_contexts() -> None:
    """After "bb", never seen, all are equal, however often b was."""
    spec = "ngram(order=3, smoothing=additive(alpha=0.5))"
    assert probabilities(spec, [[0, 1, 0, 1]], [1, 1]) == pytest.approx([0.25] * 4)
    assert probabilities(spec, [[0, 1, 0, 1]], [0]) == pytest.approx([0.5 / 3, 1.5 / 3, 0.5 / 3, 0.5 / 3])


def test_maximum_likelihood_by_hand() -> None:
    """Unseen after a seen context: zero. After an unseen context: the longest suffix that was seen."""
    spec = "ngram(order=3, smoothing=maximum_likelihood)"
    assert probabilities(spec, [[0, 0, 1, 0, 2]], [0, 0]) == [0, 1, 0, 0]
    assert probabilities(spec, [[0, 0, 1, 0, 2]], [1]) == pytest.approx([1, 0, 0, 0])
    assert probabilities(spec, [[0, 0, 1, 0, 2]], [2, 0]) == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0])
    assert probabilities(spec, [[0, 0, 1, 0]], [0, 2]) == pytest.approx([3 / 5, 1 / 5, 0, 1 / 5])


def test_additive_refuses_zero() -> None:
    with pytest.raises(UsageError, match="use maximum_likelihood"):
        models.make("ngram(smoothing=additive(alpha=0))").fit(
            tokens_of([[0]], VOCABULARY), tokens_of([[0]], VOCABULARY), Silent()
        )


@pytest.mark.parametrize(
    "smoothing",
    ["additive(alpha=inf)", "additive(alpha=1e999)", "additive(alpha=1e10)", "dirichlet(strength=1e999)",
     "pitman_yor(strength=1e999)", "stupid_backoff(factor=1e999)"],
)  # fmt: skip
def test_what_is_no_amount_is_refused_in_one_line(smoothing: str) -> None:
    with pytest.raises(UsageError, match=r"must be (above|a number)") as caught:
        models.make(f"ngram(smoothing={smoothing})")
    assert "\n" not in str(caught.value)


def test_the_largest_alpha_still_sums_to_one() -> None:
    found = probabilities("ngram(order=2, smoothing=additive(alpha=1e9))", [[0, 0, 1]], [0])
    assert sum(found) == pytest.approx(1)
    assert found[0] > found[2]


def test_witten_bell_by_hand() -> None:
    """ "aab": p(a) = (2 + 3/4) / (4 + 3); after a come a and b once each: p(a|a) = (1 + 2 p(a)) / (2 + 2)."""
    unigram = (2 + 3 / 4) / 7
    found = probabilities("ngram(order=2, smoothing=witten_bell)", [[0, 0, 1]], [0])
    assert found[0] == pytest.approx((1 + 2 * unigram) / 4, abs=1e-15)


def test_absolute_by_hand() -> None:
    """ "aab", D = 0.5: p(a) = (2 - 0.5)/4 + 0.5 * 3/4 * 1/4; p(a|a) = (1 - 0.5)/2 + 0.5 * 2/2 p(a)."""
    unigram = 1.5 / 4 + 0.5 * 3 / 4 / 4
    found = probabilities("ngram(order=2, smoothing=absolute(discount=0.5))", [[0, 0, 1]], [0])
    assert found[0] == pytest.approx(0.25 + 0.5 * unigram, abs=1e-15)


def test_absolute_discounts_in_closed_form() -> None:
    """ "ababacab": unigrams a 4, b 3, c 1, end 1 have no n2; bigrams $a 1, ab 3, ba 2, ac 1, ca 1, b$ 1: D = 4/6."""
    text = tokens_of([[0, 1, 0, 1, 0, 2, 0, 1]], VOCABULARY)
    model = models.make("ngram(order=2, smoothing=absolute)").fit(text, text, Silent())
    assert model.card.training["discounts"][1] == pytest.approx(4 / 6)
    assert "order 1 tuned on validation" in model.card.notes[0]


def test_original_kneser_ney_by_hand() -> None:
    """The example of its docstring, with D = 0.6: left neighbours a 2 (b, start), b 1, c 1, end 1."""
    found = probabilities("ngram(order=2, smoothing=original_kneser_ney(discount=0.6))", [[0, 1, 0, 1, 0, 2]], [0])
    unigram = (1 - 0.6) / 5 + 0.6 * 4 / 5 / 4
    assert found[1] == pytest.approx((2 - 0.6) / 3 + 0.6 * 2 / 3 * unigram, abs=1e-15)


def test_pitman_yor_without_strength_is_kneser_ney() -> None:
    text = [[0, 1, 0, 1, 0, 2], [1, 1]]
    for context in ([], [0], [1, 0], [2, 2]):
        one = probabilities("ngram(order=3, smoothing=pitman_yor(discount=0.6, strength=0))", text, context)
        other = probabilities("ngram(order=3, smoothing=original_kneser_ney(discount=0.6))", text, context)
        assert one == pytest.approx(other, abs=1e-15)


def test_dirichlet_by_hand() -> None:
    """ "aab", m = 2: p(a) = (2 + 2/4) / 6; p(a|a) = (1 + 2 p(a)) / 4."""
    found = probabilities("ngram(order=2, smoothing=dirichlet(strength=2))", [[0, 0, 1]], [0])
    assert found[0] == pytest.approx((1 + 2 * (2.5 / 6)) / 4, abs=1e-15)


def test_jelinek_mercer_reaches_a_maximum() -> None:
    """No other weight in a bucket that validation reaches does better; one bucket, worked out by search."""
    train, valid = tokens_of([[0, 0, 1, 0]], VOCABULARY), tokens_of([[0, 2, 0, 1]], VOCABULARY)
    model = models.make("ngram(order=1, smoothing=jelinek_mercer)").fit(train, valid, Silent())
    frequency = np.array([3, 0, 3, 1, 1]) / np.array([5, 5, 5, 5, 5])  # valid: a c a b end; train: a 3, b 1, end 1
    grid = np.linspace(0.001, 0.999, 9999)[:, None]
    likelihood = np.log(grid * frequency + (1 - grid) / 4).mean(axis=1)
    assert model.card.training["weights"][0][2] == pytest.approx(grid[likelihood.argmax(), 0], abs=2e-4)


def test_good_turing_discounts_by_hand() -> None:
    """n1..n3 = 10, 4, 1 and k = 2: A = 3 * 1/10, 1* = 2 * 4/10, 2* = 3 * 1/4."""
    amounts = torch.tensor([1] * 10 + [2] * 4 + [3] + [9])
    expected = [(0.8 - 0.3) / 0.7, (0.75 / 2 - 0.3) / 0.7]
    assert good_turing(amounts, 2) == pytest.approx(expected)
    assert good_turing(amounts, 5) == pytest.approx([*expected, 1, 1, 1])
    assert good_turing(torch.tensor([5, 6]), 5) is None


def test_katz_backs_off_with_what_is_left() -> None:
    """With no count in range, an absolute discount of 0.5 (no validation text): after a, a and b keep 0.5/2 each."""
    train = tokens_of([[0, 0, 1]], VOCABULARY)
    model = models.make("ngram(order=2, smoothing=katz)").fit(train, train.head(0), Silent())
    found = np.exp(model.next_log_probs(np.array([0])))
    assert found[:2] == pytest.approx([0.25, 0.25])
    unigram = np.exp(model.next_log_probs(np.array([2])))
    assert unigram == pytest.approx([1.5 / 4, 0.5 / 4, 1.5 / 4, 0.5 / 4])
    assert found[3] == pytest.approx(0.5 * unigram[3] / (unigram[2] + unigram[3]))


def test_stupid_backoff_by_hand_and_marked_as_no_distribution() -> None:
    text = tokens_of([[0, 0, 1]], VOCABULARY)
    model = models.make("ngram(order=3, smoothing=stupid_backoff)").fit(text, text, Silent())
    assert not model.card.distribution
    score = lambda context: np.exp(model.next_log_probs(np.array(context, dtype=np.int64)))  # noqa: E731
    assert score([0, 0]) == pytest.approx([0.4 * 0.5, 1.0, 0.4**3 / 4, 0.4**2 / 4])
    assert score([1, 1])[0] == pytest.approx(0.4**2 * 2 / 4)  # neither "bb" nor "ba" was seen: two steps back
