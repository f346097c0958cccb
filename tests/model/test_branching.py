"""Branching entropy: one context after the other, and each distinct one once."""

from __future__ import annotations

import numpy as np
import pytest

from lmbench.model import models
from lmbench.model._branching import branching_entropies, entropies_of, reversed_documents, rising
from lmbench.model.base import Model
from lmbench.progress import Silent
from lmbench.tokens import Tokens, Vocabulary, tokens_of

VOCABULARY = Vocabulary((b"a", b"b", b"c", b""), 3)


def text(seed: int, documents: int = 6) -> Tokens:
    generator = np.random.default_rng(seed)
    lengths = generator.integers(0, 40, documents)
    return tokens_of([generator.integers(0, 3, length).tolist() for length in lengths], VOCABULARY)


def fitted(spec: str) -> Model:
    model: Model = models.make(spec)
    return model.fit(text(0, 20), text(1), Silent())


@pytest.mark.parametrize("spec", ["ngram(order=1)", "ngram(order=2)", "ngram(order=4)", "suffix(smoothing=pitman_yor)"])
def test_entropies_are_those_of_asking_at_every_place(spec: str) -> None:
    model, tokens = fitted(spec), text(2)
    expected = []
    for start, end in zip(tokens.documents.tolist(), tokens.ends.tolist(), strict=True):
        for place in range(start, end):
            probs = np.exp(model.next_log_probs(tokens.ids[start:place]))
            expected.append(-(probs[probs > 0] * np.log(probs[probs > 0])).sum())
    assert branching_entropies(model, tokens, Silent()) == pytest.approx(np.array(expected), abs=1e-8)


def test_worked_examples() -> None:
    with np.errstate(divide="ignore"):
        assert entropies_of(np.log([[0.5, 0.25, 0.25, 0.0]]))[0] == pytest.approx(1.5 * np.log(2))
    rises = rising(np.array([1.0, 3.0, 2.0, 5.0]), np.array([True, False, False, True]))
    assert rises.tolist() == [-np.inf, 2, -1, -np.inf]


def test_documents_are_reversed_and_their_ends_stay() -> None:
    tokens = tokens_of([[0, 1], [], [2, 0, 1]], VOCABULARY)
    turned = reversed_documents(tokens)
    assert turned.ids.tolist() == [1, 0, 3, 3, 1, 0, 2, 3]
    assert reversed_documents(turned).ids.tolist() == tokens.ids.tolist()
    assert len(reversed_documents(tokens.head(0))) == 0
    assert reversed_documents(tokens.head(7)).ids.tolist() == [1, 0, 3, 3, 1, 0, 2]
