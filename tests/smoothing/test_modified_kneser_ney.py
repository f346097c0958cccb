from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import modified_kneser_ney
from small_texts import alphabet

from lmbench.counts.ngrams import NgramCounts
from lmbench.model import models
from lmbench.progress import Silent
from lmbench.smoothing._tuning import maximise, observe
from lmbench.smoothing.modified_kneser_ney import ModifiedKneserNey, closed_form
from lmbench.tokens import Tokens, tokens_of

VOCABULARY = alphabet(4)
documents = st.lists(st.lists(st.integers(0, 3), max_size=15), min_size=1, max_size=4)


def test_closed_form_worked_by_hand() -> None:
    """n1..n4 = 4, 2, 1, 1: Y = 4 / 8; D1 = 1 - 2 Y 2/4, D2 = 2 - 3 Y 1/2, D3 = 3 - 4 Y 1/1."""
    counts = torch.tensor([1, 1, 1, 1, 2, 2, 3, 4, 9, 0])
    assert closed_form(counts) == (1 - 2 * 0.5 * 2 / 4, 2 - 3 * 0.5 * 1 / 2, 3 - 4 * 0.5 * 1 / 1)


@pytest.mark.parametrize("counts", [[5, 6], [1, 1], [1, 2], [1, 1, 2, 3, 3, 3, 3, 3], [1, 2, 3, 4, 4, 4, 4, 4]])
def test_closed_form_is_refused_where_it_is_undefined_or_out_of_range(counts: list[int]) -> None:
    assert closed_form(torch.tensor(counts)) is None


def test_bigrams_worked_by_hand() -> None:
    """ "aab", D = 0.5, 1, 1.5. Bigrams: $a 1, aa 1, ab 1, b$ 1; left neighbours: a 2, b 1, $ 1 of 4.

    p(a) = (2-1)/4 + (1 + 2 * 0.5)/4 * 1/5 = 0.35; p(a|a) = (1-0.5)/2 + (2 * 0.5)/2 * 0.35 = 0.425.
    """
    model = models.make("ngram(order=2, smoothing=kneser_ney(fallback=constant))")
    text = tokens_of([[0, 0, 1]], VOCABULARY)
    model.fit(text, text, Silent())
    assert np.exp(model.next_log_probs(np.array([0])))[0] == pytest.approx(0.425, abs=1e-15)
    assert np.exp(model.next_log_probs(np.array([3])))[0] == pytest.approx(0.35, abs=1e-15)


@given(documents, st.integers(1, 4), st.lists(st.integers(0, 3), max_size=5), st.integers(0, 4))
@settings(deadline=None, max_examples=60)
def test_probabilities_are_those_of_the_textbook(
    texts: list[list[int]], order: int, context: list[int], word: int
) -> None:
    text = tokens_of(texts, VOCABULARY)
    discounts = [[0.3 + 0.1 * k, 0.9, 1.7] for k in range(order)]
    counts = NgramCounts(text, order)
    model = ModifiedKneserNey().estimate(counts, {"discounts": discounts}, Silent())
    p = modified_kneser_ney(text, order, discounts)
    history = tuple([4, *context][max(0, len(context) + 1 - (order - 1)) :]) if order > 1 else ()
    assert np.exp(model.next(np.array(context, dtype=np.int64)))[word] == pytest.approx(p(word, history), rel=1e-12)


def test_tuning_reaches_a_maximum_of_the_validation_likelihood() -> None:
    rng = np.random.default_rng(1)
    draw = lambda n: tokens_of([(rng.integers(0, 4, n) * rng.integers(0, 2, n)).tolist()], VOCABULARY)  # noqa: E731
    train, valid = draw(300), draw(300)
    counts = NgramCounts(train, 3)
    observed = observe(counts, [counts.adjusted(k) for k in (1, 2, 3)], valid)
    start = torch.tensor([[0.5, 1.0, 1.5]] * 3, dtype=torch.float64)
    best = maximise(observed, start, [2, 3])
    assert torch.equal(best[0], start[0])
    likelihood = observed.log_likelihood(best)
    assert likelihood > observed.log_likelihood(start)
    for row, column in ((1, 0), (1, 2), (2, 0), (2, 1)):
        for nudge in (-0.02, 0.02):
            other = best.clone()
            other[row, column] = (other[row, column] + nudge).clamp(1e-4, column + 1 - 1e-4)
            assert observed.log_likelihood(other) <= likelihood + 1e-9


def test_the_likelihood_that_is_tuned_is_the_likelihood_that_is_scored() -> None:
    rng = np.random.default_rng(2)
    train = tokens_of([rng.integers(0, 4, 200).tolist(), [0, 0, 1]], VOCABULARY)
    valid = tokens_of([rng.integers(0, 4, 50).tolist(), [], [3]], VOCABULARY)
    discounts = [[0.4, 1.1, 1.3], [0.6, 1.0, 1.9], [0.7, 1.2, 1.4]]
    counts = NgramCounts(train, 3)
    scored = ModifiedKneserNey().estimate(counts, {"discounts": discounts}, Silent()).score(valid.ids, Silent())
    observed = observe(counts, [counts.adjusted(k) for k in (1, 2, 3)], valid).log_likelihood(
        torch.tensor(discounts, dtype=torch.float64)
    )
    assert float(observed) == pytest.approx(scored.mean(), abs=1e-13)


def test_where_the_closed_form_breaks_down_the_report_says_so() -> None:
    text = tokens_of([[0, 1] * 30], VOCABULARY)
    tuned = models.make("ngram(order=2)").fit(text, text, Silent())
    assert tuned.card.training["discounts_chosen"] == ["tuned", "tuned"]
    assert tuned.card.notes == [
        "Kneser-Ney discounts of order 1, 2 tuned on validation: these counts have no closed form"
    ]
    nothing = Tokens(text.ids[:0], text.documents[:0], VOCABULARY)
    untuned = models.make("ngram(order=2)").fit(text, nothing, Silent())
    assert untuned.card.training["discounts"] == [[0.5, 1.0, 1.5]] * 2
    assert "set to 0.5, 1, 1.5" in untuned.card.notes[0]


def test_refit_counts_anew_and_keeps_the_discounts() -> None:
    rng = np.random.default_rng(3)
    train = tokens_of([rng.integers(0, 4, 300).tolist()], VOCABULARY)
    valid = tokens_of([rng.integers(0, 4, 100).tolist()], VOCABULARY)
    model = models.make("ngram(order=3)").fit(train, valid, Silent())
    discounts = model.card.training["discounts"]
    model.refit(train + valid, Silent())
    assert model.card.training["discounts"] == discounts
    counts = NgramCounts(train + valid, 3)
    again = ModifiedKneserNey().estimate(counts, {"discounts": discounts}, Silent())
    assert np.array_equal(model.log_probs(valid, Silent()), again.score(valid.ids, Silent()))
