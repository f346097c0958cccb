from __future__ import annotations

import collections
import itertools
import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lmbench.errors import UsageError
from lmbench.generation.sample import draw, sample
from lmbench.generation.text import stream
from lmbench.model.uniform import Uniform
from lmbench.tokens import Vocabulary

HALVES = np.log([0.5, 0.3, 0.2])


def shares(count: int = 20_000, **settings: Any) -> list[float]:
    generator = np.random.default_rng(0)
    seen = collections.Counter(draw(HALVES, generator, **settings) for _ in range(count))
    return [seen[index] / count for index in range(3)]


def test_draws_follow_the_distribution() -> None:
    assert shares() == pytest.approx([0.5, 0.3, 0.2], abs=0.015)


def test_temperature_by_hand() -> None:
    total = 0.25 + 0.09 + 0.04
    assert shares(temperature=0.5) == pytest.approx([0.25 / total, 0.09 / total, 0.04 / total], abs=0.015)
    assert shares(200, temperature=0) == [1.0, 0.0, 0.0]


def test_top_k_and_top_p_by_hand() -> None:
    assert shares(top_k=2) == pytest.approx([0.625, 0.375, 0.0], abs=0.015)
    assert shares(top_p=0.6) == pytest.approx([0.625, 0.375, 0.0], abs=0.015)
    assert shares(200, top_p=0.5) == [1.0, 0.0, 0.0]
    assert shares(200, top_k=1, temperature=9) == [1.0, 0.0, 0.0]


def test_impossible_tokens_are_never_drawn() -> None:
    log_probs = np.array([-np.inf, 0.0, -np.inf])
    generator = np.random.default_rng(0)
    assert {draw(log_probs, generator, temperature=5.0) for _ in range(200)} == {1}


class Counting(Uniform):
    """The next token is the length of the context; after five tokens, the end."""

    def __init__(self) -> None:
        super().__init__()
        self.contexts: list[list[int]] = []

    def next_log_probs(self, context: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        self.contexts.append(context.tolist())
        log_probs = np.full(7, -math.inf)
        log_probs[min(len(context), 5)] = 0.0
        return log_probs


def test_context_is_prompt_and_what_was_drawn_and_starts_anew_after_the_end() -> None:
    model = Counting()
    ids = list(sample(model, np.array([6, 6, 6]), 5, end_of_text=5))
    assert ids == [3, 4, 5, 0, 1]
    assert model.contexts == [[6, 6, 6], [6, 6, 6, 3], [6, 6, 6, 3, 4], [], [0]]


def test_seed_decides() -> None:
    model = Uniform()
    model.size = 50
    empty = np.zeros(0, np.int64)
    runs = [list(sample(model, empty, 40, 49, seed=seed)) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


def test_tokens_come_one_by_one() -> None:
    model = Counting()
    first = list(itertools.islice(sample(model, np.zeros(0, np.int64), 10**6, end_of_text=5), 1))
    assert first == [0]
    assert len(model.contexts) == 1


@pytest.mark.parametrize("settings", [{"temperature": -1.0}, {"top_k": 0}, {"top_p": 0.0}, {"top_p": 1.5}])
def test_settings_that_mean_nothing_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        next(sample(Uniform(), np.zeros(0, np.int64), 1, 0, **settings))


def test_characters_in_pieces_are_put_together() -> None:
    data = "é猫".encode()
    vocabulary = Vocabulary((*(bytes([value]) for value in range(256)), b""), 256)
    pieces = list(stream(list(data), vocabulary))
    assert "".join(pieces) == "é猫"
    assert [piece for piece in pieces if piece] == ["é", "猫"]
    assert "".join(stream([0xE7, 0x8C, 256, 0x61, 0xE7], vocabulary)) == "�\n\na�"


def test_words_have_spaces_between_them_and_lines_end() -> None:
    vocabulary = Vocabulary((b"the", b"queen", b"\n"), 2, lossless=False)
    assert "".join(stream([0, 1, 2, 0, 1], vocabulary, spaced=True)) == "the queen\nthe queen"
