from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_srilm import Katz
from small_texts import alphabet

from lmbench.counts.pruning import thresholds
from lmbench.errors import UsageError
from lmbench.model import models
from lmbench.progress import Silent
from lmbench.smoothing.good_turing import srilm
from lmbench.tokens import tokens_of

SIZE = 5  # four letters and the end


def drawn(seed: int, documents: int, length: int) -> list[list[int]]:
    """Letters that often follow their neighbour, so that counts from 1 to beyond 8 occur at every order."""
    generator = np.random.default_rng(seed)
    text = []
    for _ in range(documents):
        line = [int(generator.integers(4))]
        for _ in range(int(generator.integers(length))):
            line.append(int(line[-1] + generator.choice(4, p=[0.7, 0.2, 0.07, 0.03])) % 4)
        text.append(line)
    return text


def katz(text: list[list[int]], order: int, context: list[int], smoothing: str = "cutoffs=srilm") -> np.ndarray:
    tokens = tokens_of(text, alphabet(4))
    model = models.make(f"ngram(order={order}, smoothing=good_turing({smoothing}))").fit(tokens, tokens, Silent())
    return np.exp(model.next_log_probs(np.array(context, dtype=np.int64)))


@given(
    seed=st.integers(0, 10**6),
    documents=st.integers(1, 40),
    order=st.integers(1, 5),
    context=st.lists(st.integers(0, 3), max_size=6),
)
@settings(deadline=None, max_examples=150)
def test_as_srilm_defines_it(seed: int, documents: int, order: int, context: list[int]) -> None:
    text = drawn(seed, documents, 12)
    found = katz(text, order, context)
    reference = Katz(text, end=4, size=SIZE, order=order)
    history = tuple([4, *context][-(order - 1) :]) if order > 1 else ()
    assert found == pytest.approx([reference.prob(history, word) for word in range(SIZE)], abs=1e-12)
    assert found.sum() == pytest.approx(1, abs=1e-9)


def test_discounts_by_hand() -> None:
    """n1..n3 = 8, 3, 1 lower k to 2: A = 3/8; r*/r = 6/8 and 3/6. Singletons of order 3 have nothing."""
    amounts = torch.tensor([1] * 8 + [2] * 3 + [3])
    assert srilm(amounts, 2) == pytest.approx([3 / 5, 1 / 5])
    assert srilm(amounts, 3) == pytest.approx([0, 1 / 5])
    assert srilm(amounts, 1) == [1.0]  # (2 n2/n1 - A) is 0 for k = 1
    assert srilm(torch.tensor([4, 4]), 1) == [1.0]
    assert srilm(torch.tensor([4, 4]), 3) == [0.0]


def test_a_discount_out_of_range_is_one_and_the_others_stay() -> None:
    """n1..n4 = 6, 2, 3, 1, k = 3: A = 4/6; r*/r = 4/6 (gives 0), 9/4 and 4/9 (below A): all 1."""
    amounts = torch.tensor([1] * 6 + [2] * 2 + [3] * 3 + [4])
    assert srilm(amounts, 2) == [1.0, 1.0, 1.0]


def test_thresholds_by_name_fit_the_order() -> None:
    assert thresholds("srilm", 1) == [0]
    assert thresholds("srilm", 2) == [0, 0]
    assert thresholds("srilm", 5) == thresholds([0, 0, 1], 5) == [0, 0, 1, 1, 1]


@pytest.mark.parametrize("smoothing", ["modified_kneser_ney", "witten_bell", "absolute"])
def test_srilms_cutoffs_prune_other_smoothings(smoothing: str) -> None:
    tokens = tokens_of(drawn(1, 30, 12), alphabet(4))
    one, other = (
        models.make(f"ngram(order=4, smoothing={smoothing}, prune={prune})").fit(tokens, tokens, Silent())
        for prune in ("srilm", "[0, 0, 1, 1]")
    )
    assert (one.log_probs(tokens, Silent()) == other.log_probs(tokens, Silent())).all()
    assert one.card.stored_ngrams == other.card.stored_ngrams


def test_what_says_the_same_thing_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="leave out prune"):
        models.make("ngram(order=3, smoothing=good_turing(cutoffs=srilm), prune=[0, 0, 2])")
    with pytest.raises(UsageError, match="leave out k=4"):
        models.make("ngram(smoothing=good_turing(k=4, cutoffs=srilm))")
    with pytest.raises(UsageError, match="cutoffs must be one of srilm or none"):
        models.make("ngram(smoothing=good_turing(cutoffs=kenlm))")
    with pytest.raises(UsageError, match="prune must be"):
        models.make("ngram(prune=kenlm)")


def test_saved_and_loaded(tmp_path) -> None:  # type: ignore[no-untyped-def]
    tokens = tokens_of(drawn(2, 20, 12), alphabet(4))
    for spec in ("ngram(order=3, smoothing=good_turing(cutoffs=srilm))", "ngram(order=3, prune=srilm)"):
        model = models.make(spec).fit(tokens, tokens, Silent())
        folder = tmp_path / str(len(spec))
        folder.mkdir()
        model.save(folder)
        again = models.load("ngram").load(folder)
        assert (again.log_probs(tokens, Silent()) == model.log_probs(tokens, Silent())).all()


def test_a_long_context_leaves_three_millionths() -> None:
    """700,000 of one letter leave the rest 3e-6, for which 3 is added to their number, and not 1."""
    found = katz([[0] * 700_000], 1, [])
    assert found[0] == pytest.approx(700_000 / 700_004, rel=1e-12)  # and the end, once
    assert found[1:4] == pytest.approx([1 / 3 * 3 / 700_004] * 3, rel=1e-9)
