"""Text drawn by the counts of a text, and by opening it at random places."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, chisquare

from lmbench.counts.suffix_index import SuffixIndex
from lmbench.generation import series
from lmbench.generation.series import Book, Counts, approximation, copies, source_of
from lmbench.progress import Silent
from lmbench.tokens import Vocabulary, tokens_of

LETTERS = "abcdefghij"
VOCABULARY = Vocabulary((*(letter.encode() for letter in LETTERS), b""), len(LETTERS))
END = VOCABULARY.end_of_text


def indexed(*documents: str) -> SuffixIndex:
    return SuffixIndex.build(
        tokens_of([[LETTERS.index(each) for each in one] for one in documents], VOCABULARY), Silent()
    )


def ids(text: str) -> np.ndarray:
    return np.array([END if each == "$" else LETTERS.index(each) for each in text], dtype=np.int64)


def markov(size: int, seed: int) -> str:
    """A text in which the next letter depends on the one before, and on nothing else."""
    generator = np.random.default_rng(seed)
    rows = generator.dirichlet(np.full(5, 0.7), 5)
    letters = [0]
    for draw in generator.random(size):
        letters.append(int(np.searchsorted(np.cumsum(rows[letters[-1]])[:-1], draw)))
    return "".join(LETTERS[each] for each in letters)


def test_the_worked_example_of_the_book() -> None:
    index = indexed("abac")
    book = Book(index, np.random.default_rng(0))
    met = [book._met(ids("a"), place, *series._run(index, ids("a"))) for place in range(1, 6)]
    assert [LETTERS[index.text[place + 1]] for place in met] == ["b", "c", "c", "b", "b"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text("abc", max_size=12), min_size=1, max_size=4), st.text("abc$", max_size=3), st.booleans())
def test_a_book_is_read_on_from_where_it_was_opened(documents: list[str], context: str, scanned: bool) -> None:
    """Against reading the text letter by letter."""
    index = indexed(*documents)
    text = index.text.tolist()
    wanted = ids("$" + context.rpartition("$")[2] if "$" in context else context)
    depth = len(wanted)
    places = [at for at in range(len(text) - depth) if text[at : at + depth] == wanted.tolist()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(series, "_FEW", -1 if scanned else 1 << 16)
        patch.setattr(series, "_READ", 3)
        book, opened = Book(index, np.random.default_rng(7)), np.random.default_rng(7)
        for _ in range(5):
            found = book.after(wanted)
            if depth and not places:
                assert found == -1
                continue
            at = int(opened.integers(1, len(text)))
            there = ([each for each in places if each >= at] or places)[0] if depth else at
            assert found == text[there + depth]


def test_counts_are_drawn_in_proportion() -> None:
    index = indexed("abacabad", "abab")
    source = Counts(index, np.random.default_rng(1))
    after = Counter(source.after(ids("a")) for _ in range(6000))
    assert after.keys() == {1, 2, 3}
    assert chisquare([after[1], after[2], after[3]], np.array([4, 1, 1]) * 1000).pvalue > 1e-3
    first = Counter(source.after(ids("")) for _ in range(7000))
    assert chisquare([first[each] for each in (0, 1, 2, 3, END)], np.array([6, 4, 1, 1, 2]) * 500).pvalue > 1e-3


def pairs_of(text: str, method: str, seed: int, count: int) -> Counter[tuple[int, int]]:
    drawn = approximation(source_of(method, indexed(text), seed), 2, END)  # type: ignore[arg-type]
    found = [next(drawn) for _ in range(count)]
    return Counter(pairwise(found))


def p_value(one: Counter[tuple[int, int]], other: Counter[tuple[int, int]]) -> float:
    """That two samples of pairs have one distribution; of pairs that both have often enough."""
    common = [pair for pair in one | other if one[pair] + other[pair] >= 20]
    return float(chi2_contingency([[one[pair] for pair in common], [other[pair] for pair in common]]).pvalue)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_book_and_the_counts_agree_in_distribution(seed: int) -> None:
    text = markov(20_000, seed)
    assert p_value(pairs_of(text, "counts", seed, 4000), pairs_of(text, "book", seed + 100, 4000)) > 1e-3


def test_where_distances_tell_what_follows_the_test_sees_that_they_differ() -> None:
    """An a with b after it stands far behind another a, one with c close behind it."""
    text = ("dddddddd" + "ab" + "ac" + "ac") * 400
    assert p_value(pairs_of(text, "counts", 0, 4000), pairs_of(text, "book", 1, 4000)) < 1e-6


def test_contexts_begin_anew_with_a_document_and_are_shortened_where_nothing_follows() -> None:
    drawn = approximation(Counts(indexed("ab", "cd"), np.random.default_rng(3)), 3, END)
    text = "".join("$" if each == END else LETTERS[each] for each in (next(drawn) for _ in range(300)))
    assert set(text.split("$")[1:-1]) == {"ab", "cd"}
    assert {"ab$ab", "ab$cd", "cd$ab", "cd$cd"} <= {text[at : at + 5] for at in range(len(text))}


def test_order_one_looks_at_nothing() -> None:
    drawn = approximation(source_of("counts", indexed("ab" * 50), 0), 1, END)
    pairs = Counter(f"{LETTERS[one]}" for one in (next(drawn) for _ in range(400)) if one != END)
    assert abs(pairs["a"] - pairs["b"]) < 80


@settings(max_examples=60, deadline=None)
@given(st.text("abc", max_size=60), st.text("abc", min_size=1, max_size=80), st.integers(1, 6))
def test_copies_against_comparing_all_passages(sample: str, training: str, least: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(series, "LEAST", least)
        ends = np.arange(1, len(sample) + 1)
        found = copies(indexed(training), ids(sample), ends - 1, ends)
    lengths = [
        max((size for size in range(len(sample) - at + 1) if sample[at : at + size] in training), default=0)
        for at in range(len(sample))
    ]
    inside = {at + step for at, size in enumerate(lengths) if size >= least for step in range(size)}
    assert found.longest == max(lengths, default=0)
    assert found.share == pytest.approx(len(inside) / max(1, len(sample)))
    assert {at for begin, end in found.passages for at in range(begin, end)} == inside
    assert all(one[1] < other[0] for one, other in pairwise(found.passages))


def test_tokens_of_several_characters_are_measured_in_characters() -> None:
    """Two words of 12 characters with a space between them are a match of 25."""
    starts, ends = np.array([0, 13, 26]), np.array([12, 25, 30])
    found = copies(indexed("ab"), ids("abc"), starts, ends)
    assert found.longest == 25
    assert found.share == pytest.approx(25 / 30)
    assert found.passages == [(0, 25)]
