"""Matches of a text with an indexed one against looking at every suffix of every context."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_texts import alphabet

from lmbench.counts.suffix_index import SuffixIndex
from lmbench.counts.suffix_matches import Matches
from lmbench.progress import Silent
from lmbench.tokens import tokens_of

LETTERS = alphabet(3)
END = LETTERS.end_of_text
DOCUMENTS = st.lists(
    st.tuples(st.lists(st.integers(0, 2), max_size=12), st.integers(1, 4)).map(lambda pair: pair[0] * pair[1]),
    min_size=1,
    max_size=3,
)


def stream(documents: list[list[int]], cut: int = 0) -> list[int]:
    ids = [END, *(token for document in documents for token in [*document, END])]
    return ids[: max(1, len(ids) - cut)]


def holds(text: list[int], ngram: list[int]) -> bool:
    return any(text[at : at + len(ngram)] == ngram for at in range(len(text) - len(ngram) + 1))


def test_by_hand() -> None:
    index = SuffixIndex.build(tokens_of([[0, 1, 0, 1, 1]], LETTERS), Silent())
    assert Matches(index, np.array([END, 1, 0, 0, 1])).longest().tolist() == [1, 2, 1, 2, 1]


@settings(max_examples=300, deadline=None)
@given(DOCUMENTS, DOCUMENTS, st.integers(1, 4), st.integers(0, 2), st.booleans())
def test_longest_matches(trained: list[list[int]], asked: list[list[int]], limit: int, cut: int, copied: bool) -> None:
    index = SuffixIndex.build(tokens_of(trained, LETTERS), Silent())
    text = stream(trained if copied else asked, cut)
    training = index.text.tolist()
    expected = []
    for at in range(len(text)):
        end = next((after for after in range(at + 1, len(text)) if text[after] == END), len(text) - 1)
        whole = (length for length in range(end - at + 1, 0, -1) if holds(training, text[at : at + length]))
        expected.append(next(whole, 0))
    assert Matches(index, np.array(text), limit).longest().tolist() == expected


@settings(max_examples=300, deadline=None)
@given(DOCUMENTS, DOCUMENTS, st.integers(1, 4), st.integers(0, 2), st.booleans())
def test_levels_are_all_suffixes_up_to_the_limit_and_the_longest(
    trained: list[list[int]], asked: list[list[int]], limit: int, cut: int, copied: bool
) -> None:
    tokens = tokens_of(trained, LETTERS)
    index = SuffixIndex.build(tokens.head(max(1, len(tokens) - cut)), Silent())
    text = stream(trained if copied else asked, cut)
    training = index.text.tolist()
    found: dict[tuple[int, int], tuple[int, int]] = {}
    for level in Matches(index, np.array(text), limit).levels():
        depths = np.broadcast_to(level.depth, level.positions.shape)
        counts = zip(level.high - level.low, level.child_high - level.child_low, strict=True)
        for position, depth, (total, count) in zip(level.positions, depths, counts, strict=True):
            found[int(position), int(depth)] = (int(total), int(count))
    expected: dict[tuple[int, int], tuple[int, int]] = {}
    for position in range(1, len(text)):
        start = max(at for at in range(position) if text[at] == END)
        seen = [n for n in range(position - start + 1) if n == 0 or holds(training, text[position - n : position])]
        for depth in seen:
            if depth <= limit or depth == max(seen):
                context = text[position - depth : position]
                after = [
                    training[at + depth] for at in range(len(training) - depth) if training[at : at + depth] == context
                ]
                if after:
                    expected[position, depth] = (len(after), after.count(text[position]))
    assert found == expected


@pytest.mark.parametrize("text", [np.zeros(40_000), np.arange(40_000) % 5 % 3])
def test_a_long_copy_costs_no_more_than_its_length(text: np.ndarray) -> None:
    """Quadratic work would take hours here."""
    ids = text.astype(int).tolist()
    index = SuffixIndex.build(tokens_of([ids], LETTERS), Silent())
    lengths = Matches(index, np.array([END, *ids, END])).longest()
    assert lengths.tolist() == [*range(len(ids) + 2, 0, -1)]
