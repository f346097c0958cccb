from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import grams
from small_texts import alphabet

from lmbench.counts.compact import Codes, Pointers
from lmbench.counts.trie import Trie
from lmbench.errors import UsageError
from lmbench.model import models
from lmbench.model.ngram import Ngram
from lmbench.progress import Silent
from lmbench.tokens import Tokens, Vocabulary, tokens_of

VOCABULARY = alphabet(3)
texts = st.lists(st.lists(st.integers(0, 2), max_size=25), min_size=1, max_size=4)


def sample(seed: int, length: int = 400) -> Tokens:
    rng = np.random.default_rng(seed)
    return tokens_of([(rng.integers(0, 3, length) * rng.integers(0, 2, length)).tolist()], VOCABULARY)


def spelled(trie: Trie) -> list[tuple[int, ...]]:
    """Its n-grams of the highest order."""
    return [tuple(column) for column in trie.columns(trie.order, slice(0, trie.size(trie.order))).T.tolist()]


def fitted(spec: str, train: Tokens, valid: Tokens) -> Ngram:
    model: Ngram = models.make(spec)
    return model.fit(train, valid, Silent())


@pytest.mark.parametrize(
    "options",
    [
        "prune=[0, 1]",
        "prune=[0, 0, 2]",
        "prune=[0, 1], smoothing=katz",
        "prune=[0, 2], smoothing=jelinek_mercer",
        "entropy_prune=0.01",
        "entropy_prune=0.001, smoothing=witten_bell",
        "entropy_prune=10.0",
        "prune=[0, 1], entropy_prune=0.001",
        "prune=[0, 1000]",
    ],
)
@given(train=texts, valid=texts, context=st.lists(st.integers(0, 2), max_size=6))
@settings(deadline=None, max_examples=20)
def test_pruned_models_still_sum_to_one(
    options: str, train: list[list[int]], valid: list[list[int]], context: list[int]
) -> None:
    model = fitted(f"ngram(order=4, {options})", tokens_of(train, VOCABULARY), tokens_of(valid, VOCABULARY))
    following = model.next_log_probs(np.array(context, dtype=np.int64))
    assert np.logaddexp.reduce(following) == pytest.approx(0, abs=1e-9)


def test_pruning_by_count_keeps_what_occurs_more_often() -> None:
    """ "aabaac": bigrams $a 1, aa 2, ab 1, ba 1, ac 1, c$ 1: [0, 1] leaves aa; unigrams stay."""
    text = tokens_of([[0, 0, 1, 0, 0, 2]], VOCABULARY)
    model = fitted("ngram(order=2, prune=[0, 1])", text, text)
    assert model.model.trie.ids(2, slice(None)).tolist() == [0]
    assert model.card.stored_ngrams == 4 + 1


def test_an_order_left_empty_is_said() -> None:
    text = tokens_of([[0, 0, 1, 0, 0, 2]], VOCABULARY)
    model = fitted("ngram(order=4, prune=[0, 0, 9])", text, text)
    assert model.model.order == 2
    assert "no n-gram of order 3 is left: order 2 in effect" in model.card.notes


@pytest.mark.parametrize("prune", ["[1]", "[0, 2, 1]", "[0, 1, 1, 1]"])
def test_thresholds_that_would_orphan_ngrams_are_refused(prune: str) -> None:
    with pytest.raises(UsageError, match="prune must begin with 0, not descend"):
        fitted(f"ngram(order=3, prune={prune})", sample(1), sample(2))


def test_entropy_pruning_takes_the_cheapest_first() -> None:
    """More threshold, fewer n-grams, and little loss from the first to go."""
    train, valid, test = sample(1, 3000), sample(2, 300), sample(3, 3000)
    spec = "ngram(order=4, smoothing=witten_bell{})"
    sizes, losses = [], []
    for options in ("", ", entropy_prune=0.00001", ", entropy_prune=0.001"):
        model = fitted(spec.format(options), train, valid)
        sizes.append(model.card.stored_ngrams)
        losses.append(-model.log_probs(test, Silent()).mean())
    assert sizes[0] > sizes[1] > sizes[2]
    assert losses[1] == pytest.approx(losses[0], abs=0.01)


def test_entropy_pruning_removes_what_adds_nothing() -> None:
    """With equally frequent, independent letters the trigrams say nothing that the bigrams do not."""
    rng = np.random.default_rng(0)
    train = tokens_of([rng.integers(0, 3, 60_000).tolist()], VOCABULARY)
    model = fitted("ngram(order=3, smoothing=witten_bell, entropy_prune=0.0001)", train, train)
    assert model.model.order == 1


@given(st.lists(st.integers(0, 3000), max_size=300))
def test_packed_pointers_read_as_the_numbers_they_were(steps: list[int]) -> None:
    column = torch.tensor([0, *steps]).cumsum(0).to(torch.int32)
    packed = Pointers.of(column)
    assert packed[:].tolist() == column.tolist()
    assert packed.index_select(0, torch.arange(len(column)).flip(0)).tolist() == column.flip(0).tolist()
    assert packed.diff().tolist() == column.diff().tolist()


def test_quantised_numbers_stay_near_and_zero_stays_zero() -> None:
    rng = np.random.default_rng(0)
    values = torch.from_numpy(np.where(rng.random(20_000) < 0.3, 0.0, rng.normal(-5, 2, 20_000)))
    codes = Codes.of(values)
    assert (codes[:] == 0).equal(values == 0)
    assert float((codes[:] - values).abs().mean()) < 0.02
    few = torch.tensor([-1.0, -2.0, -1.0, 0.0], dtype=torch.float64)
    assert Codes.of(few)[:].tolist() == few.tolist()


@pytest.mark.parametrize(("storage", "close"), [("float32", 1e-5), ("quantized", 0.1)])
def test_storage_changes_little_and_survives_saving(storage: str, close: float, tmp_path) -> None:
    train, valid, test = sample(1, 3000), sample(2), sample(3)
    exact = fitted("ngram(order=4)", train, valid).log_probs(test, Silent())
    model = fitted(f"ngram(order=4, storage={storage})", train, valid)
    scores = model.log_probs(test, Silent())
    assert scores == pytest.approx(exact, abs=close)
    model.save(tmp_path)
    again = Ngram.load(tmp_path)
    assert np.array_equal(again.log_probs(test, Silent()), scores)
    assert np.array_equal(again.next_log_probs(np.array([0, 1])), model.next_log_probs(np.array([0, 1])))
    sums = [np.logaddexp.reduce(model.next_log_probs(np.array(context))) for context in ([0], [0, 1], [2, 2, 2])]
    assert sums == pytest.approx([0, 0, 0], abs=close)


def test_pruning_both_ways_weighs_contexts_by_their_own_frequency() -> None:
    """Of a model pruned by count, entropy pruning keeps the trigrams that the formula, worked out one by one, keeps."""
    letters = Vocabulary((*(b"%d" % i for i in range(20)), b""), 20)
    train = tokens_of([(np.random.default_rng(5).zipf(1.5, 1500) % 20).tolist()], letters)
    spec = "ngram(order=3, smoothing=witten_bell, prune=[0, 1]{})"
    model = fitted(spec.format(""), train, train).model
    bigrams = grams(train, 2)[1]
    threshold = 3e-4
    expected = set()
    backed_off = model.suffix_log_probs(3).exp().tolist()
    trigrams = spelled(model.trie)
    probs = dict(zip(trigrams, model.log_probs[2][:].exp().tolist(), strict=True))
    lower = dict(zip(trigrams, backed_off, strict=True))
    for gram in trigrams:
        own = [other for other in trigrams if other[:2] == gram[:2]]
        seen, below = sum(probs[other] for other in own), sum(lower[other] for other in own)
        old, new = (1 - seen) / (1 - below), (1 - seen + probs[gram]) / (1 - below + lower[gram])
        gain = np.log(lower[gram] * new) - np.log(probs[gram])
        change = probs[gram] * gain + (np.log(new) - np.log(old)) * (1 - seen)
        if np.expm1(-bigrams[gram[:2]] / len(train) * change) >= threshold:
            expected.add(gram)
    pruned = fitted(spec.format(f", entropy_prune={threshold}"), train, train).model
    assert set(spelled(pruned.trie)) == expected
    assert 0 < len(expected) < len(trigrams)


@pytest.mark.parametrize("smoothing", ["maximum_likelihood", "stupid_backoff"])
def test_entropy_pruning_is_refused_where_there_is_no_smoothed_distribution(smoothing: str) -> None:
    with pytest.raises(UsageError, match="needs a smoothed distribution"):
        models.make(f"ngram(smoothing={smoothing}, entropy_prune=0.1)")


def test_quantised_models_are_marked_as_scores() -> None:
    card = fitted("ngram(order=2, storage=quantized)", sample(1), sample(2)).card
    assert not card.distribution
    assert card.dtype == "8 bit"
