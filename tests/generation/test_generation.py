from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmbench.generation.sample import sample
from lmbench.generation.text import Stop, stream
from lmbench.model.base import ModelCard
from lmbench.model.uniform import Uniform
from lmbench.tokens import Vocabulary


class Counting:
    """The next token is the length of the context; after five, the end. It can only be asked about whole texts."""

    def __init__(self) -> None:
        self.card = ModelCard()
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


def test_a_text_stops_where_a_stop_text_begins_and_shows_nothing_of_it() -> None:
    for cut in range(1, 9):
        stop = Stop(["END", "\n\n"])
        text = "so EN, ENEND and"
        shown = "".join(stop.add(text[at : at + cut]) for at in range(0, len(text), cut)) + stop.close()
        assert (shown, stop.found) == ("so EN, EN", True)
    stop = Stop(["END"])
    assert stop.add("all EN") + stop.close() == "all EN"
    assert not stop.found
    assert Stop([]).add("END") == "END"
