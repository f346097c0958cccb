from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_texts import alphabet

from lmbench.counts.arrays import narrow
from lmbench.counts.ngrams import stream
from lmbench.counts.pairs import PairTable, contexts_of, count_pairs, unigrams
from lmbench.counts.trie import Trie
from lmbench.model import models
from lmbench.model._log_linear import Batch, LogLinear
from lmbench.model._mixed_order import MixedOrder, Positions
from lmbench.progress import Silent
from lmbench.tokens import Tokens, tokens_of

VOCABULARY = alphabet(4)
texts = st.lists(st.lists(st.integers(0, 3), max_size=12), min_size=1, max_size=4)


def skipping(seed: int, length: int) -> Tokens:
    """Each letter is, four times in five, the one three before it: only the distance 3 tells anything."""
    rng = np.random.default_rng(seed)
    letters = rng.integers(0, 4, 3).tolist()
    for draw, other in zip(rng.random(length), rng.integers(0, 4, length), strict=True):
        letters.append(letters[-3] if draw < 0.8 else int(other))
    return tokens_of([letters], VOCABULARY)


@given(texts, st.integers(1, 5))
@settings(deadline=None)
def test_pairs_are_counted_within_documents(documents: list[list[int]], distance: int) -> None:
    tokens = tokens_of(documents, VOCABULARY)
    expected: Counter[tuple[int, int]] = Counter()
    for document in documents:
        whole = [4, *document, 4]
        expected.update(zip(whole, whole[distance:], strict=False))
    text = stream(tokens.ids, 4)
    trie, counts, nodes = count_pairs(text, 4, distance, 5)
    first, ids = trie.first[0].tolist(), trie.ids(2, slice(None)).tolist()
    pairs = [(u, w) for u in range(5) for w in ids[first[u] : first[u + 1]]]
    assert dict(zip(pairs, counts.tolist(), strict=True)) == expected
    for at, (context, node) in enumerate(zip(contexts_of(tokens.ids, 4, distance)[:, -1], nodes, strict=True)):
        assert (node < 0) == (context < 0)
        assert node < 0 or pairs[node] == (int(context), int(text[at + 1]))


def test_contexts_stop_at_the_document() -> None:
    found = contexts_of(np.array([0, 1, 4, 2, 4]), 4, 3)
    assert found.tolist() == [[4, -1, -1], [0, 4, -1], [1, 0, 4], [4, -1, -1], [2, 4, -1]]


def test_a_pair_table_worked_by_hand() -> None:
    """ "abab", distance 2, D = 0.5 (no pair occurs twice): after a: a and the end, once each; p(a) = 2.5 / 7.5."""
    tokens = tokens_of([[0, 1, 0, 1]], VOCABULARY)
    trie, counts, _ = count_pairs(stream(tokens.ids, 4), 4, 2, 5)
    table = PairTable.of(trie, counts, unigrams(tokens), 0.5)
    ratio = table.log_ratio(torch.tensor([0, 0, 3]), torch.tensor([0, 2, 0])).exp().tolist()
    assert ratio == pytest.approx([0.5 / (2 * 2.5 / 7.5) + 0.5, 0.5, 1.0])


@given(texts, st.floats(0.1, 0.9), st.integers(1, 3), st.data())
@settings(deadline=None)
def test_a_table_of_counts_that_are_not_whole_sums_to_one(
    documents: list[list[int]], discount: float, distance: int, data: st.DataObject
) -> None:
    tokens = tokens_of(documents, VOCABULARY)
    trie, counts, _ = count_pairs(stream(tokens.ids, 4), 4, distance, 5)
    weights = data.draw(
        st.lists(st.sampled_from([0.0, 1e-200, 0.03, 0.7, 1.0]), min_size=len(counts), max_size=len(counts))
    )
    table = PairTable.of(trie, counts * torch.tensor(weights, dtype=torch.float64), unigrams(tokens), discount)
    every = torch.arange(5, dtype=torch.int32)
    for context in range(-1, 5):
        ratio = table.log_ratio(torch.full((5,), context, dtype=torch.int32), every).exp()
        assert float(ratio @ unigrams(tokens)) == pytest.approx(1)


def hand_made() -> tuple[MixedOrder, Positions]:
    """ "aaab": after a, b at distance 1 with 0.2 and at 2 with 0.4; p(b) = 0.1."""
    trie = Trie(
        [narrow(torch.arange(2), 2), narrow(torch.tensor([1]), 2)], [torch.tensor([0, 1, 1], dtype=torch.int32)]
    )
    zero = torch.zeros(2, dtype=torch.float64)
    tables = [PairTable(trie, torch.tensor([p / 0.1], dtype=torch.float64).log(), zero) for p in (0.2, 0.4)]
    weights = torch.tensor([[0.5, 0.9], [0.8, 0.9]], dtype=torch.float64)
    at = torch.tensor([[0, 0], [0, -1]], dtype=torch.int32)
    return MixedOrder(tables, weights), Positions.of(tables, at, torch.tensor([1, 1], dtype=torch.int32))


def test_a_mixture_worked_by_hand() -> None:
    """0.5 0.2 + 0.5 (0.8 0.4 + 0.2 0.1) = 0.27, of which 0.1 stops at distance 1 and 0.16 at 2."""
    model, at = hand_made()
    assert (model.ratios(at) * 0.1).tolist() == pytest.approx([0.27, 0.15])
    near, far = model.stops(at)
    assert near.tolist() == pytest.approx([0.1 / 0.27, 0.1 / 0.15])
    assert far.tolist() == pytest.approx([0.16 / 0.27, 0])
    counts = [float(near.sum()), float(far.sum())]
    tables = model.recounted(at, torch.tensor([0.9, 0.1], dtype=torch.float64), [0.25, 0.5])
    for table, count, discount in zip(tables, counts, (0.25, 0.5), strict=True):
        expected = (count - discount) / (count * 0.1) + discount / count
        assert float(table.log_ratio(torch.tensor([0]), torch.tensor([1])).exp()) == pytest.approx(expected)


def test_reweighting_never_loses_but_for_the_pull_of_the_distance() -> None:
    train, valid = skipping(1, 3_000), skipping(2, 3_000)
    model = models.make("pairs(distance=4, combine=mixture)").fit(train, valid.head(0), Silent())
    chain = MixedOrder(model._tables, model._settings)
    held_out = Positions.of(model._tables, contexts_of(valid.ids, 4, 4), torch.from_numpy(valid.ids.astype(np.int32)))
    likelihoods = [chain.reweight(held_out) for _ in range(12)]
    assert (np.diff(likelihoods) > -1e-4).all()
    assert likelihoods[-1] > likelihoods[0] + 0.1


@pytest.mark.parametrize("combine", ["product", "mixture"])
@given(train=texts, valid=texts, distance=st.integers(1, 6), context=st.lists(st.integers(0, 3), max_size=9))
@settings(deadline=None, max_examples=25)
def test_every_context_sums_to_one(
    combine: str, train: list[list[int]], valid: list[list[int]], distance: int, context: list[int]
) -> None:
    model = models.make(f"pairs(distance={distance}, combine={combine})")
    model.fit(tokens_of(train, VOCABULARY), tokens_of(valid, VOCABULARY), Silent())
    assert np.logaddexp.reduce(model.next_log_probs(np.array(context, dtype=np.int64))) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("combine", ["product", "mixture"])
def test_the_distance_that_tells_something_is_found(combine: str) -> None:
    train, valid, test = skipping(1, 20_000), skipping(2, 5_000), skipping(3, 5_000)
    near = models.make(f"pairs(distance=2, combine={combine})").fit(train, valid, Silent())
    far = models.make(f"pairs(distance=4, combine={combine})").fit(train, valid, Silent())
    repeated = np.mean(test.ids[3:-1] == test.ids[:-4])  # 0.85 of the source, about that in this sample
    source = -(repeated * np.log(0.85) + (1 - repeated) * np.log(0.05))
    assert -near.log_probs(test, Silent()).mean() > 1.3
    assert -far.log_probs(test, Silent()).mean() == pytest.approx(source, abs=0.02)
    weights = far.card.training["exponents" if combine == "product" else "mean_weights"]
    assert int(np.argmax(weights)) == 2


def test_an_exponent_for_each_token() -> None:
    """After a and b the next letter depends on the last, after c and d it does not, but on the one before that."""
    rng = np.random.default_rng(5)
    letters = [0, 1]
    for draw, other in zip(rng.random(30_000), rng.integers(0, 4, 30_000), strict=True):
        told = (letters[-1] + 2) % 4 if letters[-1] < 2 else letters[-2]
        letters.append(told if draw < 0.7 else int(other))
    text = tokens_of([letters], VOCABULARY)
    valid = text.head(26_000).tail(5_000)
    model = models.make("pairs(distance=2)").fit(text.head(20_000), valid, Silent())
    near, _ = model._settings
    assert float(near[:2].min()) > float(near[2:4].max())
    common = LogLinear(
        model._tables, model._unigram, torch.tensor(model.card.training["exponents"])[:, None].repeat(1, 5)
    )
    contexts, targets = contexts_of(valid.ids, 4, 2), torch.from_numpy(valid.ids.astype(np.int64))[:, None]
    one_each = -float(common.log_probs(contexts).gather(1, targets).mean())
    assert -model.log_probs(valid, Silent()).mean() < one_each - 0.01


def test_the_gradient_of_the_exponents() -> None:
    train, valid = skipping(1, 400), skipping(2, 60)
    model = models.make("pairs(distance=3)").fit(train, valid, Silent())
    exponents = torch.linspace(-0.5, 1, 15, dtype=torch.float64).reshape(3, 5)
    contexts, targets = contexts_of(valid.ids, 4, 3), torch.from_numpy(valid.ids.astype(np.int64))[:, None]
    batch = [(Batch.of(model._tables, contexts, 5), targets)]

    def nats(values: torch.Tensor) -> tuple[float, torch.Tensor]:
        return LogLinear(model._tables, model._unigram, values)._loss(batch)

    _, gradient = nats(exponents)
    for cell in range(15):
        step = torch.zeros(15, dtype=torch.float64).index_fill_(0, torch.tensor(cell), 1e-5).reshape(3, 5)
        slope = (nats(exponents + step)[0] - nats(exponents - step)[0]) / 2e-5
        assert slope == pytest.approx(float(gradient.flatten()[cell]), abs=1e-5)


def test_pairs_counted_for_the_distance_that_tells_something() -> None:
    """The mixture's tables are counted anew while validation gains by it, and after a refit as often as then."""
    train, valid = skipping(1, 20_000), skipping(2, 5_000)
    model = models.make("pairs(distance=4, combine=mixture)").fit(train, valid, Silent())
    rounds = model.card.training["recounts"]
    assert rounds > 0
    before = model.log_probs(valid, Silent())
    model.refit(train, Silent())
    assert model.log_probs(valid, Silent()) == pytest.approx(before, abs=1e-12)
