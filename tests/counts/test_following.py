"""Whole distributions of a back-off model in batches, held against the recursion for one context."""

from __future__ import annotations

import numpy as np
import pytest
from small_texts import VOCABULARY, letters, text

from lmbench.counts import following
from lmbench.model import models
from lmbench.model.base import start, step
from lmbench.model.ngram import Ngram
from lmbench.progress import Silent

SPECS = [
    "ngram(order=4)", "ngram(order=5, storage=quantized)", "ngram(order=4, entropy_prune=0.001)", "ngram(order=1)",
    "ngram(order=3, smoothing=stupid_backoff)", "ngram(order=4, smoothing=maximum_likelihood)",
]  # fmt: skip
END = VOCABULARY.end_of_text


@pytest.fixture(scope="module", params=SPECS)
def model(request: pytest.FixtureRequest) -> Ngram:
    made: Ngram = models.make(request.param)
    return made.fit(text(1, 400, 90, 3, 1), text(5, 60), Silent())


def test_a_window_out_of_the_middle_is_a_long_context_that_ends_with_it(model: Ngram) -> None:
    windows = np.random.default_rng(0).integers(0, 7, (300, 6))
    before = np.array(letters(9, 20))
    expected = [model.next_log_probs(np.append(before, window)) for window in windows]
    np.testing.assert_allclose(model.window_log_probs(windows), np.stack(expected), rtol=0, atol=1e-12)


def test_short_windows_know_of_no_beginning() -> None:
    """After "a" somewhere the bigram p(. | a) decides, whatever is known of "$ a"."""
    model = models.make("ngram(order=3)").fit(text(1, 400, 90), text(5, 60), Silent())
    lower = model.window_log_probs(np.array([[0]]))[0]
    beginning = model.window_log_probs(np.array([[END, 0]]))[0]
    assert np.abs(lower - beginning).max() > 1e-3
    unseen = model.next_log_probs(np.array([6, 0]))  # the context 6 0 was never seen: backed off with weight one
    np.testing.assert_allclose(lower, unseen, rtol=0, atol=1e-12)


def test_pieces_of_work_and_of_the_text_change_nothing(model: Ngram, monkeypatch: pytest.MonkeyPatch) -> None:
    test = text(7, 200, 30)
    windows = np.random.default_rng(1).integers(0, 8, (500, 5))
    alone = np.concatenate([model.window_log_probs(window[None]) for window in windows])
    before = model.window_log_probs(windows), np.concatenate(list(model.stretches(test)))
    np.testing.assert_array_equal(alone, before[0])  # to the last bit
    monkeypatch.setattr(following, "_FEWEST", 3)
    monkeypatch.setattr(following, "_CELLS", 1)
    monkeypatch.setattr(following, "_STRETCH", 100)
    np.testing.assert_array_equal(model.window_log_probs(windows), before[0])
    np.testing.assert_array_equal(np.concatenate(list(model.stretches(test))), before[1])


def test_many_texts_that_are_read_on_are_asked_as_few(model: Ngram) -> None:
    """To the last bit: of few the last tokens are kept, of many the nodes of the trie."""
    ids = np.random.default_rng(2).integers(0, 8, (40, 12))
    read = np.concatenate([np.full((40, 1), END), ids], axis=1)
    many, state = step(model, read[:, :3], start(model, 40, END))
    few = [start(model, 1, END) for _ in range(40)]
    for row in range(40):
        alone, few[row] = step(model, read[row : row + 1, :3], few[row])
        np.testing.assert_array_equal(alone[0], many[row])
    for place in range(3, 13):
        many, state = step(model, read[:, place : place + 1], state)
        for row in range(40):
            alone, few[row] = step(model, read[row : row + 1, place : place + 1], few[row])
            np.testing.assert_array_equal(alone[0], many[row])
