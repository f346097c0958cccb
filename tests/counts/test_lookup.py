"""A saved model that is looked up in numpy scores as the one that torch reads: the same bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from small_texts import VOCABULARY, text

from lmbench.errors import LmbenchError
from lmbench.model import _light, models
from lmbench.progress import Silent
from lmbench.tokens import Vocabulary, tokens_of

TRAIN, TEST = text(1, 300, 40, 200), text(50, 1, 60, 7, 90)
SPECS = [
    "ngram(order=1)",
    "ngram(order=4)",
    "ngram(order=3, smoothing=stupid_backoff)",
    "ngram(order=4, smoothing=maximum_likelihood)",
    "ngram(order=5, entropy_prune=1e-3)",
    "ngram(order=4, storage=float32)",
    "ngram(order=4, storage=quantized)",
]


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("wide", [False, True])
def test_scores_are_those_of_the_whole_model(spec: str, wide: bool, tmp_path: Path) -> None:
    train, test = TRAIN, TEST
    if wide:  # ids that take 32 bits
        words = tuple(b"%d" % index for index in range(1 << 16))
        large = Vocabulary((*words, b""), len(words))
        train, test = (
            tokens_of([(tokens.document(i)[:-1].astype(int) * 9000).tolist() for i in range(3)], large)
            for tokens in (TRAIN, TEST)
        )
    model = models.make(spec).fit(train, test.head(20), Silent())
    model.save(tmp_path)
    light = _light.load("ngram", tmp_path, len(train.vocabulary))
    assert light is not None
    found = light.log_probs(test, Silent())
    np.testing.assert_array_equal(found, model.log_probs(test, Silent()))
    assert np.isneginf(found).any() == ("maximum_likelihood" in spec)


def scores(folder: Path) -> None:
    light = _light.load("ngram", folder, len(VOCABULARY))
    assert light is not None
    light.log_probs(TEST, Silent())


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("first.1", lambda column: column + 10**6),
        ("first.1", lambda column: -column),
        ("first.2", lambda column: column[:2]),
        ("log_probs.2", lambda column: np.abs(column) + 9),
        ("log_probs.3", lambda column: column * np.nan),
        ("tokens.2", lambda column: column[:1]),
        ("end_of_text", lambda column: column + 99),
    ],
)
def test_a_damaged_file_is_named(name: str, change: object, tmp_path: Path) -> None:
    models.make("ngram(order=3)").fit(TRAIN, TEST, Silent()).save(tmp_path)
    path = tmp_path / "ngrams.safetensors"
    tensors = load_file(path)
    tensors[name] = np.ascontiguousarray(change(tensors[name]))  # type: ignore[operator]
    save_file(tensors, path)
    with pytest.raises(LmbenchError, match=r"ngrams\.safetensors: not a whole saved n-gram model"):
        scores(tmp_path)


def test_a_file_that_is_cut_or_another_vocabularys_is_named(tmp_path: Path) -> None:
    models.make("ngram(order=3)").fit(TRAIN, TEST, Silent()).save(tmp_path)
    with pytest.raises(LmbenchError, match="predicts 8 tokens, this run has 9"):
        _light.load("ngram", tmp_path, 9)
    path = tmp_path / "ngrams.safetensors"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(LmbenchError, match="not a whole saved n-gram model"):
        _light.load("ngram", tmp_path, 8)
