from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from small_texts import alphabet

from lmbench.errors import LmbenchError, UsageError
from lmbench.model import models
from lmbench.model._buckets import Buckets
from lmbench.model._context_gate import Features
from lmbench.model.mixture import Mixture, held_out_gains, mixture_weights
from lmbench.progress import Silent
from lmbench.runtime import Runtime
from lmbench.tokens import Tokens, tokens_of

VOCABULARY = alphabet(5)


def text(seed: int, length: int = 3000) -> Tokens:
    """A walk whose next step depends on the last two letters."""
    rng = np.random.default_rng(seed)
    walk = [0, 1]
    for turn in rng.random(length):
        walk.append((walk[-1] + 2 * walk[-2] + (turn < 0.3)) % 5)
    return tokens_of([walk[: length // 2], walk[length // 2 :], []], VOCABULARY)


TRAIN, VALID, TEST = text(1), text(2, 1000), text(3, 1000)


def fitted(spec: str, valid: Tokens = VALID) -> Mixture:
    model: Mixture = models.make(spec, runtime=Runtime(train_tokens=2_000))
    return model.fit(TRAIN, valid, Silent())


def nats(model: object, tokens: Tokens) -> float:
    return float(-model.log_probs(tokens, Silent()).mean())  # type: ignore[attr-defined]


@given(st.integers(0, 1000), st.integers(2, 4))
@settings(deadline=None, max_examples=20)
def test_the_weights_maximise_the_likelihood(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    probs = rng.dirichlet(np.full(6, 0.5), size=(400, count))[:, :, 0].clip(1e-6)

    def loss(logits: np.ndarray) -> float:
        weights = np.exp(logits - logits.max())
        return float(-np.log(probs @ (weights / weights.sum())).mean())

    best = minimize(loss, np.zeros(count), method="BFGS").fun
    weights = mixture_weights(np.log(probs), np.zeros(400, dtype=np.int64), 1)
    assert weights.sum() == pytest.approx(1)
    assert float(-np.log(probs @ weights[0]).mean()) < best + 1e-4


def test_weights_by_hand() -> None:
    """Two models that each know one of two tokens share; the bucket that no token reaches does as all do."""
    impossible = -np.inf
    scores = np.log(np.array([[0.5, 0.25], [0.5, 0.25]]))
    scores = np.array([[scores[0, 0], impossible], [impossible, scores[0, 0]]])
    assert mixture_weights(scores, np.zeros(2, dtype=np.int64), 1) == pytest.approx(np.array([[0.5, 0.5]]))
    many = np.repeat(np.array([[0.0, impossible], [impossible, 0.0]]), [900, 100], axis=0)
    weights = mixture_weights(many, np.zeros(1000, dtype=np.int64), 2)
    assert weights == pytest.approx(np.array([[0.9, 0.1], [0.9, 0.1]]), abs=1e-3)
    own = mixture_weights(many, np.repeat([0, 1], [900, 100]), 2)
    assert own[0, 0] > 0.99
    assert own[1, 1] > 0.95  # five tokens' worth of all, against its own hundred


@pytest.mark.parametrize("buckets", ["none", "position", "match"])
def test_a_mixture_is_no_worse_than_its_best_model(buckets: str) -> None:
    model = fitted(f"mixture(models=[ngram(order=1), ngram(order=3), ngram(order=5)], buckets={buckets})")
    best = min(nats(component, VALID) for component in model.components)
    assert nats(model, VALID) < best + 1e-4
    assert model.weights.sum(axis=1) == pytest.approx(np.ones(len(model.weights)))


def test_probabilities_are_the_weighted_sum() -> None:
    model = fitted("mixture(models=[ngram(order=1), ngram(order=3)], buckets=none)")
    context = np.array([0, 1])
    parts = [np.exp(component.next_log_probs(context)) for component in model.components]
    expected = model.weights[0, 0] * parts[0] + model.weights[0, 1] * parts[1]
    assert np.exp(model.next_log_probs(context)) == pytest.approx(expected)


def test_the_bucket_is_known_from_the_context_alone() -> None:
    """Whichever way it is asked for, at every place, across documents and beyond the model's reach."""
    components = [models.make("ngram(order=2)"), models.make("ngram(order=4)")]
    for component in components:
        component.fit(TRAIN.head(60), VALID, Silent())
    asked = tokens_of([TEST.ids[:40].tolist(), [], [4, 4, 4], [0]], VOCABULARY)
    for kind in (None, "position", "match"):
        buckets = Buckets(kind, components)  # type: ignore[arg-type]
        together = buckets.of(asked)
        after = [
            buckets.after(asked.document(index)[:place])
            for index in range(len(asked.documents))
            for place in range(len(asked.document(index)))
        ]
        assert together.tolist() == after
        assert together.max() < len(buckets)
        assert len(set(after)) > (kind is not None)


def test_n_gram_with_net_and_cache(tmp_path: Path) -> None:
    net = "transformer(layers=1, width=16, context=8, heads=2)"
    model = fitted(f"mixture(models=[ngram(order=2), {net}, cache(model=ngram(order=1))])")
    cards = [component.card for component in model.components]
    assert model.card.adaptive
    assert model.card.dtype == "float32"
    assert model.card.parameters == cards[1].parameters
    assert model.card.stored_ngrams == (cards[0].stored_ngrams or 0) + (cards[2].stored_ngrams or 0)
    model.refit(TRAIN + VALID, Silent())
    assert any(f"not fitted anew on train and validation: {net}" in note for note in model.card.notes)
    model.save(tmp_path)
    again = Mixture.load(tmp_path)
    assert again.log_probs(TEST, Silent()) == pytest.approx(model.log_probs(TEST, Silent()), abs=1e-6)
    assert again.card == model.card


def test_without_validation_the_weights_are_equal() -> None:
    model = fitted("mixture(models=[uniform, ngram(order=2)])", VALID.head(0))
    assert np.unique(model.weights).tolist() == [0.5]
    assert any("no validation text" in note for note in model.card.notes)


def test_what_cannot_be_mixed() -> None:
    with pytest.raises(UsageError, match="two or more"):
        models.make("mixture(models=[uniform])")
    with pytest.raises(UsageError, match="no model 'nothing'"):
        models.make("mixture(models=[uniform, nothing])")
    with pytest.raises(LmbenchError, match="is a score and no distribution"):
        fitted("mixture(models=[uniform, ngram(smoothing=stupid_backoff)])")
    with pytest.raises(LmbenchError, match="needs an n-gram model"):
        fitted("mixture(models=[uniform, cache(model=uniform)], buckets=match)")


def test_damage_is_named(tmp_path: Path) -> None:
    model = fitted("mixture(models=[uniform, ngram(order=2)])")
    model.save(tmp_path)
    path = tmp_path / "mixture.json"
    path.write_text(path.read_text(encoding="utf-8").replace("[", "[[", 1), encoding="utf-8")
    with pytest.raises(LmbenchError, match=r"mixture.json: not a whole saved mixture"):
        Mixture.load(tmp_path)


def gated(models: str, option: str = "linear", valid: Tokens = VALID) -> Mixture:
    return fitted(f"mixture(models=[{models}], gate={option})", valid)


@pytest.mark.parametrize("models", ["ngram(order=1), ngram(order=4)", "suffix(smoothing=pitman_yor, depth=3), uniform"])
def test_a_gate_is_the_same_whichever_way_it_is_asked(models: str) -> None:
    """At every place, across documents and beyond what the gate looks at; and the weighted sum is a distribution."""
    model = gated(models)
    assert model.gate is not None
    asked = tokens_of([TEST.ids[:30].tolist(), [], [4, 4, 4], text(4, 190).ids[:180].tolist()], VOCABULARY)
    together = model.log_probs(asked, Silent())
    for place in (0, 1, 17, 30, 31, 32, 34, 36, 40, 198, len(asked) - 1):
        document = int(np.searchsorted(asked.documents, place, side="right")) - 1
        following = model.next_log_probs(asked.ids[asked.documents[document] : place])
        assert following[asked.ids[place]] == pytest.approx(together[place], abs=1e-9)
        assert np.logaddexp.reduce(following) == pytest.approx(0, abs=1e-9)


def test_what_the_gate_reads_does_not_know_the_token() -> None:
    components = [models.make("ngram(order=3)"), models.make("suffix(smoothing=pitman_yor)")]
    for component in components:
        component.fit(TRAIN.head(200), VALID, Silent())
    asked, changed = TEST.head(60), TEST.ids[:60].copy()
    changed[30:] = (changed[30:] + 1) % 5
    after = Features(components).of(Tokens(changed, asked.documents, VOCABULARY))
    assert np.array_equal(Features(components).of(asked)[:31], after[:31])


def test_a_gate_is_kept_only_where_both_halves_gain(tmp_path: Path) -> None:
    """Two experts, each right after its own letter: no fixed weights do for both, and nothing is gained by knowing
    a context where every context is alike."""
    model = gated("ngram(order=1), ngram(order=2), ngram(order=4)", "auto", text(5, 4000))
    features, scores, places = halves(model, text(5, 4000))
    gains = held_out_gains(features, scores, places, len(model.buckets))
    assert (model.gate is not None) == (min(gains) > 0)
    rng = np.random.default_rng(0)
    turn = rng.integers(0, 2, 2000)
    right, wrong = np.log([0.9, 0.1])
    experts = np.where(turn[:, None] == np.arange(2), right, wrong)
    one = np.zeros(2000, dtype=np.int64)
    assert min(held_out_gains(turn[:, None].astype(float), experts, one, 1)) > 0.3  # 0.9 against 0.5: ln 1.8 = 0.59
    assert max(held_out_gains(rng.normal(size=(2000, 3)), experts, one, 1)) < 0.005
    model.save(tmp_path)
    assert np.array_equal(Mixture.load(tmp_path).log_probs(TEST, Silent()), model.log_probs(TEST, Silent()))


def halves(model: Mixture, valid: Tokens) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    scores = np.stack([component.log_probs(valid, Silent()) for component in model.components], axis=1)
    return Features(model.components).of(valid), scores, model.buckets.of(valid)


def test_the_gate_of_most_likelihood_is_no_worse_than_any_model_on_validation() -> None:
    model = gated("ngram(order=1), ngram(order=3), ngram(order=5)")
    assert nats(model, VALID) < min(nats(component, VALID) for component in model.components) + 1e-4


def test_sureness_by_hand() -> None:
    """After a: b twice, c once. Maximum likelihood: 2/3 and 1/3, nothing else; ln b is the logarithm of nothing."""
    counted = tokens_of([[0, 1, 0, 1, 0, 2]], VOCABULARY)
    model = models.make("ngram(order=2, smoothing=maximum_likelihood)").fit(counted, counted, Silent())
    found = model.context_features(np.array([0]))[1]
    entropy = -(2 / 3 * np.log(2 / 3) + 1 / 3 * np.log(1 / 3))
    assert found[:2].tolist() == [0, 1]
    assert found[3:] == pytest.approx([np.log(3), np.log(2 / 3), entropy])


def test_a_damaged_gate_is_named(tmp_path: Path) -> None:
    model = gated("ngram(order=2), ngram(order=3)")
    model.save(tmp_path)
    path = tmp_path / "mixture.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["gate"]["scale"].pop()
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(LmbenchError, match=r"mixture.json: not a whole saved mixture .*not numbers of shape"):
        Mixture.load(tmp_path)
