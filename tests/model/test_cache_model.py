from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from small_texts import alphabet

from lmbench.errors import LmbenchError, UsageError
from lmbench.model import models
from lmbench.model.cache import Cache
from lmbench.progress import Silent
from lmbench.tokens import Tokens, tokens_of

VOCABULARY = alphabet(3)


def fitted(spec: str, train: Tokens, valid: Tokens) -> Cache:
    model: Cache = models.make(spec)
    return model.fit(train, valid, Silent())


def bursty(seed: int, documents: int) -> Tokens:
    """Each document is drawn from two of the three letters, nine to one."""
    rng = np.random.default_rng(seed)
    made = [rng.choice(rng.permutation(3)[:2], 80, p=[0.9, 0.1]).tolist() for _ in range(documents)]
    return tokens_of(made, VOCABULARY)


def test_probabilities_by_hand() -> None:
    """After "a b a", without validation: p(b) = 0.9 (0.9 * 1/4 + 0.1 * 1/3) + 0.1 * 1; p($) = 0.9 * 0.9 * 1/4."""
    nothing = tokens_of([], VOCABULARY)
    model = fitted("cache(model=uniform, window=10, order=2)", tokens_of([[0]], VOCABULARY), nothing)
    probs = np.exp(model.next_log_probs(np.array([0, 1, 0])))
    assert probs[1] == pytest.approx(0.9 * (0.9 / 4 + 0.1 / 3) + 0.1)
    assert probs[0] == pytest.approx(0.9 * (0.9 / 4 + 0.1 * 2 / 3))
    assert probs[3] == pytest.approx(0.81 / 4)
    assert any("no validation text" in note for note in model.card.notes)


def test_the_cache_learns_what_a_document_is_about() -> None:
    test = bursty(3, 20)
    model = fitted("cache(model=ngram(order=2), order=1)", bursty(1, 40), bursty(2, 20))
    alone = -model.base.log_probs(test, Silent()).mean()
    assert -model.log_probs(test, Silent()).mean() < alone - 0.1
    assert model.card.adaptive
    assert model.card.stored_ngrams == model.base.card.stored_ngrams


def test_where_there_is_nothing_to_remember_the_cache_keeps_out_of_the_way() -> None:
    rng = np.random.default_rng(5)
    train, valid, test = (tokens_of([rng.integers(0, 3, 3000).tolist()], VOCABULARY) for _ in range(3))
    model = fitted("cache(model=ngram(order=1))", train, valid)
    alone = -model.base.log_probs(test, Silent()).mean()
    assert -model.log_probs(test, Silent()).mean() < alone + 0.01


def test_documents_do_not_remember_each_other() -> None:
    model = fitted("cache(model=ngram(order=2), window=50, order=3)", bursty(1, 20), bursty(2, 10))
    test = bursty(3, 4)
    last = test.document(3)
    alone = model.log_probs(Tokens(last, np.zeros(1, dtype=np.int64), VOCABULARY), Silent())
    assert model.log_probs(test, Silent())[-len(last) :] == pytest.approx(alone, abs=1e-12)


def test_counting_anew_keeps_the_weights(tmp_path: Path) -> None:
    train, valid = bursty(1, 20), bursty(2, 10)
    model = fitted("cache(model=ngram(order=3))", train, valid)
    weights, stored = model.weights.copy(), model.card.stored_ngrams or 0
    model.refit(train + valid, Silent())
    assert np.array_equal(model.weights, weights)
    assert (model.card.stored_ngrams or 0) > stored
    model.save(tmp_path)
    again = Cache.load(tmp_path)
    assert np.array_equal(again.log_probs(valid, Silent()), model.log_probs(valid, Silent()))


def test_a_score_cannot_be_interpolated() -> None:
    with pytest.raises(LmbenchError, match="is a score and no distribution"):
        fitted("cache(model=ngram(order=2, smoothing=stupid_backoff))", bursty(1, 2), bursty(2, 2))


@pytest.mark.parametrize("options", ["window=0", "order=0", "order=33", "model=nothing"])
def test_values_that_mean_nothing(options: str) -> None:
    with pytest.raises(UsageError):
        models.make(f"cache({options})")


def test_damage_is_named(tmp_path: Path) -> None:
    model = fitted("cache(model=uniform)", bursty(1, 2), bursty(2, 2))
    model.save(tmp_path)
    (tmp_path / "cache.json").write_text('{"model": "uniform", "window": 3}', encoding="utf-8")
    with pytest.raises(LmbenchError, match=r"cache.json: not a whole saved cache"):
        Cache.load(tmp_path)
    assert math.isfinite(model.next_log_probs(np.zeros(0, dtype=np.int64))[0])
