"""Many contexts of a suffix model at once are those of one after the other."""

from __future__ import annotations

import numpy as np
import pytest
from small_texts import VOCABULARY, text

from lmbench.model import _suffix_rows
from lmbench.model._suffixes import distribution
from lmbench.model.suffix import Suffix
from lmbench.progress import Silent
from lmbench.tokens import Tokens

TRAIN = text(1, 3000)


@pytest.fixture(scope="module", params=["none", "pitman_yor"])
def model(request: pytest.FixtureRequest) -> Suffix:
    return Suffix(request.param, depth=4).fit(TRAIN, text(3, 500), Silent())


def test_windows_out_of_the_middle_are_asked_as_one_by_one(model: Suffix) -> None:
    copied = np.asarray(TRAIN.ids[100:140], dtype=np.int64)  # longer than what is walked token by token
    windows = np.stack([copied, np.roll(copied, 7), np.full(40, 6), np.random.default_rng(0).integers(0, 7, 40)])
    found = np.exp(model.window_log_probs(windows))
    expected = [distribution(model.index, window, model._rule, model.depth).numpy() for window in windows]
    np.testing.assert_allclose(found, np.stack(expected), rtol=0, atol=1e-12)
    many = np.repeat(windows, 200, axis=0)  # so many that left neighbours are summed up over the whole index
    np.testing.assert_allclose(np.exp(model.window_log_probs(many)), np.repeat(found, 200, axis=0), rtol=0, atol=1e-14)


def test_a_text_is_read_in_pieces_without_losing_long_contexts(model: Suffix, monkeypatch: pytest.MonkeyPatch) -> None:
    test = Tokens(TRAIN.ids[:900], np.array([0, 500]), VOCABULARY)
    whole = np.concatenate(list(model.stretches(test)))
    monkeypatch.setattr(_suffix_rows, "_PIECE", 64)
    monkeypatch.setattr(_suffix_rows, "_BACK", 8)
    np.testing.assert_array_equal(np.concatenate(list(model.stretches(test))), whole)
    for place in (0, 1, 63, 64, 65, 300, 499, 899):
        np.testing.assert_allclose(whole[place], model.next_log_probs(test.ids[:place]), rtol=0, atol=1e-12)
