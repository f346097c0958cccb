from __future__ import annotations

import numpy as np
import pytest
from arpa_texts import letters
from hypothesis import given, settings
from hypothesis import strategies as st

from lmbench.counts import recent
from lmbench.counts.recent import Memory, counts_after, counts_before
from lmbench.tokens import Tokens

documents = st.lists(st.lists(st.integers(0, 2), max_size=12), min_size=1, max_size=4)
half_lives = st.one_of(st.none(), st.floats(0.5, 30))
windows = st.one_of(st.none(), st.integers(1, 14))
memories = st.lists(st.builds(Memory, st.integers(1, 5), half_lives, st.none()), min_size=1, max_size=3)
memories |= st.lists(st.builds(Memory, st.integers(1, 5), st.none(), windows), min_size=1, max_size=3)


def slowly(tokens: Tokens, memory: Memory) -> tuple[list[float], list[float]]:
    """Every place and every n-gram, one after the other."""
    seen, total = [], []
    for index in range(len(tokens.documents)):
        ids = tokens.document(index).tolist()
        for at in range(len(ids)):
            low = 0 if memory.window is None else max(0, at - memory.window)
            context = ids[at - memory.order + 1 : at] if at >= memory.order - 1 else ["none"]
            known = {"seen": 0.0, "total": 0.0}
            for start in range(low, at - memory.order + 1):
                gram = ids[start : start + memory.order]
                distance = at - (start + memory.order - 1)
                weight = 1.0 if memory.half_life is None else 2 ** -(distance / memory.half_life)
                known["total"] += weight * (gram[:-1] == context)
                known["seen"] += weight * (gram == [*context, ids[at]])
            seen.append(known["seen"])
            total.append(known["total"])
    return seen, total


def test_the_worked_example() -> None:
    of_unigrams, of_bigrams, fading = Memory(1, window=100), Memory(2, window=100), Memory(1, half_life=1)
    seen, total = counts_before(letters([[0, 1, 0, 1]], 2), [of_unigrams, of_bigrams, fading])
    assert seen[:, :4].tolist() == [[0, 0, 1, 1], [0, 0, 0, 1], [0, 0, 1 / 4, 1 / 4]]
    assert total[:, :4] == pytest.approx(np.array([[0, 1, 2, 3], [0, 0, 0, 1], [0, 1 / 2, 3 / 4, 7 / 8]]))


@given(documents, memories)
@settings(deadline=None)
def test_counts_are_those_of_the_obvious_way(texts: list[list[int]], asked: list[Memory]) -> None:
    tokens = letters(texts, 3)
    seen, total = counts_before(tokens, asked)
    for index, memory in enumerate(asked):
        expected = slowly(tokens, memory)
        assert seen[index] == pytest.approx(expected[0], rel=1e-9, abs=1e-15)
        assert total[index] == pytest.approx(expected[1], rel=1e-9, abs=1e-15)


@given(st.lists(st.integers(0, 2), max_size=14), memories)
@settings(deadline=None)
def test_counts_after_are_those_of_every_token_that_could_come(context: list[int], asked: list[Memory]) -> None:
    seen, total = counts_after(np.array(context, dtype=np.int64), asked, 4)
    for index, memory in enumerate(asked):
        for token in range(4):
            expected, of = slowly(letters([[*context, token]], 3), memory)
            assert seen[index, token] == pytest.approx(expected[len(context)], rel=1e-9, abs=1e-15)
            assert total[index] == pytest.approx(of[len(context)], rel=1e-9, abs=1e-15)


def test_slices_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text counted 50 tokens at a time: windows to the last count, what fades to rounding; and what is out of reach
    of the slice, though not of the text, is asked for."""
    rng = np.random.default_rng(1)
    tokens = letters([rng.integers(0, 3, size).tolist() for size in (300, 0, 7, 120)], 3)
    asked = [Memory(1, window=30), Memory(3, window=90), Memory(1, half_life=2), Memory(2, half_life=0.7), Memory(2)]
    whole = counts_before(tokens, asked)
    monkeypatch.setattr(recent, "_SLICE", 50)
    for found, expected in zip(counts_before(tokens, asked), whole, strict=True):
        assert np.array_equal(found[:2], expected[:2])
        assert np.array_equal(found[4], expected[4])
        assert found == pytest.approx(expected, rel=1e-12)


def test_what_has_faded_for_long_does_not_overflow() -> None:
    """200,000 tokens at a half-life of 10: each entry is the recurrence S = 2 ** -(d / 10) (1 + S_before)."""
    ids = np.random.default_rng(2).integers(0, 3, 200_000)
    tokens = letters([ids.tolist()], 3)
    seen, total = counts_before(tokens, [Memory(1, half_life=10)])
    rate, memory = 2**-0.1, np.zeros(4)
    for at, token in enumerate(ids[:5000].tolist()):
        assert seen[0, at] == pytest.approx(memory[token], rel=1e-9)
        memory[token] += 1
        memory *= rate
    assert total[0, -1] == pytest.approx(rate / (1 - rate))
    assert np.isfinite(seen).all()
