from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lmbench.counts.ngrams import stream
from lmbench.counts.pairs import PairTable, contexts_of, unigrams
from lmbench.model import models
from lmbench.progress import Silent
from lmbench.tokens import Tokens, Vocabulary, tokens_of

VOCABULARY = Vocabulary((b"a", b"b", b"c", b"d", b""), 4)
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
    if len(tokens) < distance:
        return
    table = PairTable.count(stream(tokens.ids, 4), 4, distance, unigrams(tokens))
    first = table.trie.first[0].tolist()
    ids = table.trie.ids(2, slice(None)).tolist()
    assert {(u, w) for u in range(5) for w in ids[first[u] : first[u + 1]]} == set(expected)


def test_contexts_stop_at_the_document() -> None:
    found = contexts_of(np.array([0, 1, 4, 2, 4]), 4, 3)
    assert found.tolist() == [[4, -1, -1], [0, 4, -1], [1, 0, 4], [4, -1, -1], [2, 4, -1]]


def test_a_pair_table_worked_by_hand() -> None:
    """ "abab", distance 2, D = 0.5 (no pair occurs twice): after a: a and the end, once each; p(a) = 2.5 / 7.5."""
    tokens = tokens_of([[0, 1, 0, 1]], VOCABULARY)
    table = PairTable.count(stream(tokens.ids, 4), 4, 2, unigrams(tokens))
    ratio = table.log_ratio(torch.tensor([0, 0, 3]), torch.tensor([0, 2, 0])).exp().tolist()
    assert ratio == pytest.approx([0.5 / (2 * 2.5 / 7.5) + 0.5, 0.5, 1.0])


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
