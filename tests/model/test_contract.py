"""The contract of lmbench/model/base.py, held against every model in the registry."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_texts import VOCABULARY, letters
from tiny_models import tiny

from lmbench.codec.coder import agrees, decode, encode
from lmbench.errors import UsageError
from lmbench.model import models
from lmbench.model.base import (
    Model,
    distributions,
    distributions_at,
    next_log_probs,
    start,
    step,
    window_log_probs,
)
from lmbench.progress import Silent
from lmbench.runtime import Runtime
from lmbench.smoothing import smoothings
from lmbench.tokens import Tokens, tokens_of

NET = "layers=2, width=16, context=8"
# a model whose defaults are too large for a test, or which needs an option
SPECS = {
    "transformer": f"transformer({NET}, heads=2)",
    "arpa": f"arpa('{Path(__file__).with_name('letters.arpa')}')",
    "mixture": "mixture(models=[ngram(order=2), ngram(order=4, smoothing=witten_bell)])",
    "pretrained": "pretrained(TINY_GPT2)",
    "neural_cache": "neural_cache(model=lstm(layers=1, width=16), window=5, across=text)",
}
ALSO = ["ngram(order=1)", "ngram(order=7, smoothing=additive)", "ngram(order=3, smoothing=maximum_likelihood)"]
ALSO += [
    "pairs(distance=3, combine=mixture)",
    "suffix(smoothing=pitman_yor)",
    "suffix(smoothing=pitman_yor, depth=2)",
    "suffix(depth=1)",
]
ALSO += [f"ngram(order=4, smoothing={name})" for name in smoothings.names]
ALSO += ["ngram(order=4, storage=float32)", "ngram(order=4, storage=quantized)", "ngram(order=4, prune=[0, 1])"]
ALSO += ["cache(model=ngram(order=2), half_lives=none, window=5, order=4)", "cache(across=text, order=4, window=20)"]
ALSO += ["mixture(models=[cache, uniform], buckets=position)", "cache(model=cache(across=text), half_lives=[2])"]
ALSO += ["mixture(models=[cache(across=text), ngram], buckets=match)"]
ALSO += ["mixture(models=[ngram(order=3), suffix(smoothing=pitman_yor, depth=3)], gate=linear)"]
ALSO += [f"neural_cache(model=transformer({NET}, heads=2), across=document)", "cache(model=feedforward(width=8))"]
ALSO += ["pretrained(TINY_LLAMA, mode=finetune, train=lora, steps=2)", "pretrained(TINY_LLAMA, mode=scratch, steps=2)"]
EVERY = [SPECS.get(name, name) for name in models.names] + ALSO


TRAIN = tokens_of([letters(1, 300), letters(2, 40), [], [3], letters(3, 150)], VOCABULARY)
VALID = tokens_of([letters(4, 60), letters(5, 30)], VOCABULARY)
TEST = tokens_of([letters(6, 45), [6, 6, 0, 6], [], letters(7, 12)], VOCABULARY)


def fitted(spec: str, seed: int = 0, train: Tokens = TRAIN) -> Model:
    for name, kind in (("TINY_GPT2", "gpt2"), ("TINY_LLAMA", "llama")):
        if name in spec:
            spec = spec.replace(name, repr(tiny(kind)))
    model: Model = models.make(spec, runtime=Runtime(seed=seed, train_tokens=4_000))
    return model.fit(train, VALID, Silent())


@pytest.fixture(scope="module", params=EVERY)
def model(request: pytest.FixtureRequest) -> Model:
    return fitted(request.param)


def tolerance(model: Model) -> float:
    return 1e-9 if model.card.dtype == "float64" else 1e-5


def exactness(model: Model) -> float:
    """How far two ways to the same number may be apart."""
    return 1e-12 if model.card.dtype != "float32" or model.card.stored_ngrams else 1e-5


OWN_TOKENS = "predicts tokens of its own, and its card says so"


def contexts() -> list[list[int]]:
    return [[], [0], [6], [6, 6], [0, 1], [5, 0, 6, 2], letters(8, 50), [6] * 30]


def test_every_context_sums_to_one(model: Model) -> None:
    if not model.card.distribution:
        pytest.skip("a score that is no distribution, and its card says so")
    if model.card.own_tokens:
        with pytest.raises(UsageError, match="no distribution over the next token of this run"):
            model.next_log_probs(np.array([0]))
        pytest.skip(OWN_TOKENS)
    for context in contexts():
        following = model.next_log_probs(np.array(context, dtype=np.int64))
        assert following.shape == (len(VOCABULARY),)
        assert following.dtype == np.float64
        assert np.logaddexp.reduce(following) == pytest.approx(0, abs=tolerance(model))
        following = next_log_probs(model, TEST.ids[: TEST.documents[1]], np.array(context, dtype=np.int64))
        assert np.logaddexp.reduce(following) == pytest.approx(0, abs=tolerance(model))


def test_log_probs_are_those_of_next_log_probs_at_every_position(model: Model) -> None:
    scores = model.log_probs(TEST, Silent())
    assert scores.dtype == np.float64
    if model.card.own_tokens:
        pytest.skip(OWN_TOKENS)
    expected = []
    for index in range(len(TEST.documents)):
        document, before = TEST.document(index), TEST.ids[: TEST.documents[index]]
        expected += [next_log_probs(model, before, document[:at])[document[at]] for at in range(len(document))]
    assert scores == pytest.approx(np.array(expected), abs=tolerance(model))
    first = TEST.document(0)
    assert np.array_equal(next_log_probs(model, first[:0], first[:7]), model.next_log_probs(first[:7]))


def test_windows_that_begin_a_document_are_next_log_probs(model: Model) -> None:
    if model.card.own_tokens:
        with pytest.raises(UsageError, match="no distribution over the next token of this run"):
            window_log_probs(model, np.array([[0]]))
        return
    of_net = model.card.stride is not None
    asked = [context for context in contexts() if not of_net or len(context) < 8]
    end, width = VOCABULARY.end_of_text, max(map(len, asked)) + 1
    windows = np.array([[1] * (width - 1 - len(context)) + [end, *context] for context in asked])
    windows[0, :-1] = end
    found = window_log_probs(model, windows)
    expected = np.stack([model.next_log_probs(np.array(context, dtype=np.int64)) for context in asked])
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=0, atol=exactness(model))
    if model.card.distribution:
        for log_probs in window_log_probs(model, np.array([[5, 0, 3], [6, 6, 6], [0, 1, end], [end, end, 2]])):
            assert np.logaddexp.reduce(log_probs) == pytest.approx(0, abs=tolerance(model))


def test_all_distributions_of_a_text_are_next_log_probs(model: Model) -> None:
    if model.card.own_tokens:
        pytest.skip(OWN_TOKENS)
    found = np.concatenate(list(distributions(model, TEST)))
    expected = [
        next_log_probs(model, TEST.ids[:start], TEST.ids[start:place])
        for start, stop in zip(TEST.documents, TEST.ends, strict=True)
        for place in range(start, stop)
    ]
    np.testing.assert_allclose(found, np.stack(expected), rtol=0, atol=exactness(model))
    places = np.array([0, 44, 3, 3, len(TEST) - 1, 46, 51])
    drawn = np.stack(list(distributions_at(model, TEST, places)))
    np.testing.assert_allclose(drawn, np.stack(expected)[places], rtol=0, atol=exactness(model))


def test_texts_that_are_read_on_are_asked_as_next_log_probs(model: Model) -> None:
    """Side by side, beyond the context's end, over ends of documents that each text has somewhere else."""
    if model.card.own_tokens:
        pytest.skip(OWN_TOKENS)
    end = VOCABULARY.end_of_text
    texts = [letters(20, 24), [*letters(21, 11), end, *letters(22, 12)], [6, 6, end, end, *letters(23, 20)]]
    ids = np.array(texts)
    read = np.concatenate([np.full((3, 1), end), ids[:, :4]], axis=1)
    scores, state = step(model, read, start(model, 3, end))
    for place in range(4, ids.shape[1] + 1):
        for row, text in enumerate(ids[:, :place]):
            begin = int(np.flatnonzero(np.append(end, text) == end)[-1])
            expected = next_log_probs(model, text[:begin], text[begin:])
            np.testing.assert_allclose(scores[row], expected, rtol=0, atol=exactness(model))
        if place < ids.shape[1]:
            scores, state = step(model, ids[:, place : place + 1], state)
    _, state = step(model, np.full((3, 1), end), start(model, 3, end))
    whole, _ = step(model, ids, state)
    np.testing.assert_allclose(whole, scores, rtol=0, atol=exactness(model))


def test_the_future_does_not_change_the_past(model: Model) -> None:
    if model.card.own_tokens:
        pytest.skip(f"{OWN_TOKENS}: they depend on the whole document (test_pretrained_model.py has the rest)")
    before = model.log_probs(TEST, Silent())
    for cut in (30, TEST.documents[1], TEST.documents[3] + 2):
        changed = TEST.ids.copy()
        changed[cut:] = np.where(changed[cut:] == VOCABULARY.end_of_text, changed[cut:], (changed[cut:] + 1) % 7)
        after = model.log_probs(Tokens(changed, TEST.documents, VOCABULARY), Silent())
        assert before[:cut] == pytest.approx(after[:cut], abs=tolerance(model))


def test_contexts_cross_documents_only_where_the_card_says_so(model: Model) -> None:
    together = model.log_probs(TEST, Silent())
    last, before = TEST.document(3), TEST.ids[: TEST.documents[3]]
    alone = model.log_probs(Tokens(last, np.zeros(1, np.int64), VOCABULARY), Silent())
    same = together[-len(last) :] == pytest.approx(alone, abs=tolerance(model))
    assert same != model.card.remembers
    if not model.card.own_tokens:
        asked = [next_log_probs(model, history, last[:2]) for history in (before, before[:0])]
        assert np.allclose(*asked, atol=tolerance(model)) != model.card.remembers


def test_never_nan_and_infinite_only_where_the_card_says_so(model: Model) -> None:
    scores = model.log_probs(TEST, Silent())
    assert not np.isnan(scores).any()
    assert (scores <= 0).all() or not model.card.distribution
    if model.card.smoothed:
        assert np.isfinite(scores).all()


def test_saved_and_loaded_gives_the_same_numbers(model: Model, tmp_path: Path) -> None:
    model.save(tmp_path)
    again = type(model).load(tmp_path)
    assert np.array_equal(again.log_probs(TEST, Silent()), model.log_probs(TEST, Silent()))
    if not model.card.own_tokens:
        assert np.array_equal(again.next_log_probs(TEST.ids[:5]), model.next_log_probs(TEST.ids[:5]))
    assert again.card == model.card


@pytest.mark.parametrize("spec", EVERY)
def test_the_same_seed_gives_the_same_numbers(spec: str) -> None:
    first, second = (fitted(spec).log_probs(TEST, Silent()) for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("spec", EVERY)
def test_fitting_on_next_to_nothing(spec: str) -> None:
    for text in ([[0]], [[], []], [[0] * 20]):
        model = fitted(spec, train=tokens_of(text, VOCABULARY))
        assert model.log_probs(TEST, Silent()).shape == (len(TEST),)
        if model.card.distribution and not model.card.own_tokens:
            for history in ([], [0, VOCABULARY.end_of_text]):
                following = next_log_probs(model, np.array(history, dtype=np.int64), np.array([0, 6]))
                assert np.logaddexp.reduce(following) == pytest.approx(0, abs=1e-5)


def test_a_text_is_coded_in_the_bits_of_its_scores_and_comes_back(model: Model) -> None:
    pytest.importorskip("constriction", reason="pip install 'lmbench[codec]'")
    if model.card.own_tokens:
        pytest.skip(OWN_TOKENS)
    ids, end = TEST.ids[:50], VOCABULARY.end_of_text
    scores = model.log_probs(TEST, Silent())[:50]
    if not (model.card.distribution and np.isfinite(scores).all()):
        pytest.skip("no distribution, or one that holds some of these tokens for impossible")
    payload = encode(model, ids, end, Silent())
    assert list(decode(model, payload, len(ids), end, Silent())) == ids.tolist()
    assert agrees(8 * len(payload), -scores.sum() / np.log(2))
