"""Tokens to bits and back: the size is the code length, and what is damaged is found."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from fake_models import Drawn
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lmbench.codec.coder import BrokenCodeError, agrees, decode, encode
from lmbench.errors import LmbenchError
from lmbench.generation.following import Following
from lmbench.model.base import Model
from lmbench.progress import Silent

pytest.importorskip("constriction", reason="pip install 'lmbench[codec]'")


def text(size: int, count: int, seed: int = 0) -> NDArray[np.integer[Any]]:
    """Tokens that no model foresees, with ends of documents (the last id) among them."""
    return np.random.default_rng(seed).integers(0, size, count)


def reported(model: Model, ids: NDArray[np.integer[Any]], end: int) -> float:
    following, bits = Following(model, end), 0.0
    for token in ids.tolist():
        bits -= float(following.log_probs()[token]) / math.log(2)
        following.accept(token)
    return bits


@pytest.mark.parametrize(("size", "spread"), [(1, 0.0), (3, 1.0), (257, 4.0), (300, 60.0), (20_000, 3.0)])
def test_there_and_back_in_the_bits_that_are_reported(size: int, spread: float) -> None:
    model: Any = Drawn(size, spread)
    ids = text(size, 200 if size < 1000 else 60)
    payload = encode(model, ids, size - 1, Silent())
    assert list(decode(model, payload, len(ids), size - 1, Silent())) == ids.tolist()
    assert agrees(8 * len(payload), reported(model, ids, size - 1))


def test_nothing_takes_nothing() -> None:
    model: Any = Drawn(5)
    assert encode(model, text(5, 0), 4, Silent()) == b""
    assert list(decode(model, b"", 0, 4, Silent())) == []


def test_sure_tokens_cost_next_to_nothing() -> None:
    class Sure(Drawn):
        def next_log_probs(self, context: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
            scores = np.array([0.0, -30.0, -60.0])
            return scores - np.logaddexp.reduce(scores)

    model: Any = Sure(3)
    assert 8 * len(encode(model, np.zeros(5000, np.int64), 2, Silent())) <= 64


def test_the_number_of_threads_changes_nothing() -> None:
    model: Any = Drawn(50, of_threads=True)
    ids, before = text(50, 100), torch.get_num_threads()
    try:
        payloads = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            payloads.append(encode(model, ids, 49, Silent()))
            assert torch.get_num_threads() == threads
            assert list(decode(model, payloads[0], len(ids), 49, Silent())) == ids.tolist()
    finally:
        torch.set_num_threads(before)
    assert len(set(payloads)) == 1


def test_other_probabilities_and_cut_payloads_never_run_on() -> None:
    model: Any = Drawn(50)
    ids = text(50, 300)
    payload = encode(model, ids, 49, Silent())
    other: Any = Drawn(50, spread=3.1)
    for wrong in (other, model):
        cut = payload if wrong is other else payload[: len(payload) // 8 * 4]
        try:
            found = list(decode(wrong, cut, len(ids), 49, Silent()))
        except BrokenCodeError:
            continue
        assert found != ids.tolist()
    with pytest.raises(BrokenCodeError, match="within a word"):
        list(decode(model, payload[:-1], len(ids), 49, Silent()))
    with pytest.raises(BrokenCodeError, match="fewer bits"):
        list(decode(model, payload[:40], 10**9, 49, Silent()))


@given(st.binary(max_size=40).map(lambda content: content[: len(content) // 4 * 4]), st.integers(0, 60))
@settings(max_examples=40, deadline=None)
def test_made_up_payloads_give_no_more_than_they_hold(payload: bytes, count: int) -> None:
    """Every token of this model costs a bit and more, so that the loop ends with the payload whatever is declared."""
    model: Any = Even(4)
    found: list[int] = []
    try:
        found.extend(decode(model, payload, count + 10**9 * (count > 30), 3, Silent()))
    except BrokenCodeError:
        assert len(found) * 2 <= 8 * len(payload) + 64
    else:
        assert len(found) == count <= 30


class Even(Drawn):
    def next_log_probs(self, context: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        return np.full(self.size, -math.log(self.size))


def test_a_token_of_probability_zero_is_named() -> None:
    class Unsmoothed(Drawn):
        def next_log_probs(self, context: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
            return np.log(np.array([0.5, 0.5, 0.0]))

    model: Any = Unsmoothed(3)
    with np.errstate(divide="ignore"), pytest.raises(LmbenchError, match="token 2 has no code"):
        encode(model, np.array([0, 2]), 1, Silent())
