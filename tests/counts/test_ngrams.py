from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import Gram, continuations, grams

from lmbench.counts import grouping, ngrams, parallel, windows
from lmbench.counts.ngrams import NgramCounts, stream
from lmbench.tokens import Tokens, Vocabulary, tokens_of


def small(documents: list[list[int]], size: int = 4) -> Tokens:
    return tokens_of(documents, Vocabulary((*tuple(b"%d" % i for i in range(size)), b""), size))


def spelled(counts: NgramCounts, order: int) -> list[Gram]:
    """Every n-gram of one order, read back from the trie."""
    found: list[Gram] = [(token,) for token in range(counts.vocabulary_size)]
    for k in range(1, order):
        parents = counts.trie.parents(k + 1, slice(0, counts.trie.size(k + 1))).tolist()
        tokens = counts.trie.ids(k + 1, slice(None)).tolist()
        found = [(*found[parent], token) for parent, token in zip(parents, tokens, strict=True)]
    return found


documents = st.lists(st.lists(st.integers(0, 3), max_size=12), min_size=1, max_size=5)


def check(text: Tokens, order: int) -> None:
    counts = NgramCounts(text, order)
    raw = grams(text, order)
    adjusted = continuations(raw, text.vocabulary.end_of_text)
    for k in range(1, order + 1):
        names = spelled(counts, k)
        assert names == sorted(names)
        assert {n: c for n, c in zip(names, counts.raw[k - 1].tolist(), strict=True) if c} == dict(raw[k - 1])
        if k < order:
            found = dict(zip(names, counts.continuation[k - 1].tolist(), strict=True))
            assert {name: count for name, count in found.items() if count} == {
                name: count for name, count in adjusted[k - 1].items() if count
            }
        if k > 1:
            below = spelled(counts, k - 1)
            suffixes = counts.suffixes(k, slice(0, len(names))).tolist()
            assert [below[node] for node in suffixes] == [name[1:] for name in names]
    assert len(counts) == sum(map(len, raw))


@given(documents, st.integers(1, 7))
def test_counts_are_those_of_the_obvious_way(texts: list[list[int]], order: int) -> None:
    check(small(texts), order)


@given(documents, st.integers(1, 9), st.sampled_from([3, 6, 10, 17]), st.sampled_from([1, 2, 5]))
@settings(deadline=None)
def test_short_keys_and_small_chunks_change_nothing(
    texts: list[list[int]], order: int, key_bits: int, width: int
) -> None:
    """Forces the sort to go on over many rounds, and every chunk boundary to be crossed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows, "KEY_BITS", key_bits)
        narrow = lambda size, device: [slice(at, min(at + width, size)) for at in range(0, size, width)]  # noqa: E731
        for module in (parallel, windows, ngrams):
            patch.setattr(module, "chunks", narrow)
        check(small(texts), order)


def test_the_example_of_the_docstring() -> None:
    counts = NgramCounts(tokens_of([[0, 1, 0, 1, 1]], Vocabulary((b"a", b"b", b""), 2)), 2)
    assert dict(zip(spelled(counts, 2), counts.raw[1].tolist(), strict=True)) == {
        (0, 1): 2,
        (1, 0): 1,
        (1, 1): 1,
        (1, 2): 1,
        (2, 0): 1,
    }
    assert counts.continuation[0].tolist() == [2, 2, 1]


@pytest.mark.parametrize("text", [[0] * 100, list(range(100)), [0, 1] * 50, []])
def test_one_symbol_all_distinct_and_periodic(text: list[int]) -> None:
    check(small([text], 101), 12)


def test_a_large_vocabulary_needs_several_keys() -> None:
    rng = np.random.default_rng(0)
    text = rng.integers(0, 60, 400) * 1_000
    check(small([text.tolist()], 60_000), 8)


@given(documents, documents, st.integers(1, 6))
def test_match_finds_exactly_the_ngrams_that_were_counted(
    train: list[list[int]], test: list[list[int]], order: int
) -> None:
    counts = NgramCounts(small(train), order)
    text = stream(small(test).ids, 4)
    nodes = counts.trie.match(text)
    for k in range(1, order + 1):
        known = {name: node for node, name in enumerate(spelled(counts, k))}
        expected = [known.get(tuple(text[at : at + k].tolist()), -1) for at in range(len(text) - k + 1)]
        assert nodes[k - 1].tolist() == expected


@given(documents, st.integers(1, 6), st.data())
def test_ngrams_are_spelled_and_found_again(train: list[list[int]], order: int, data: st.DataObject) -> None:
    """Whole orders and parts of them; in any other order of columns; and what was not counted is not found."""
    counts = NgramCounts(small(train, 5), order)
    trie, last = counts.trie, data.draw(st.integers(1, order))
    every = trie.columns(last, slice(0, trie.size(last)))
    assert [tuple(column) for column in every.T.tolist()] == spelled(counts, last)
    low, high = sorted(data.draw(st.integers(0, trie.size(last))) for _ in range(2))
    assert torch.equal(trie.columns(last, slice(low, high)), every[:, low:high])
    shuffled = torch.randperm(every.shape[1], generator=torch.Generator().manual_seed(low))
    assert torch.equal(trie.find(every[:, shuffled]).long(), shuffled)
    if last > 1 and every.shape[1]:
        absent = every.clone()
        absent[0] = 4  # which no document has
        assert (trie.find(absent) == -1).all()


def test_windows_example_of_the_docstring() -> None:
    text = torch.tensor([2, 0, 1, 0, 1, 1, 2], dtype=torch.int32)
    found = windows.sorted_windows(text, 2, 3, 2)
    assert [text[at : at + 2].tolist() for at in found.positions.tolist()] == [
        [0, 1], [0, 1], [1, 0], [1, 1], [1, 2], [2], [2, 0]
    ]  # fmt: skip
    assert found.shared.tolist() == [0, 2, 0, 1, 1, 0, 1]


@pytest.mark.parametrize("vocabulary_size", [3, 40, 70_000])
def test_the_same_in_many_small_pieces_on_several_threads(
    vocabulary_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chunks in which no n-gram begins, parts of one token, n-grams over several chunks; short documents and long."""
    generator = np.random.default_rng(vocabulary_size)
    words = (generator.zipf(1.3, 6_000) % (vocabulary_size - 1)).tolist()
    cuts = np.sort(generator.integers(0, 3_000, 300)).tolist()
    texts = [words[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(words)], strict=True)]
    texts[-1][100:1_100] = [1] * 1_000
    ids = [token for text in texts for token in [*text, vocabulary_size - 1]]
    tokens = Tokens(
        np.array(ids, dtype=np.uint32),
        np.cumsum([0, *(len(text) + 1 for text in texts[:-1])]),
        Vocabulary(tuple(b"%d" % token for token in range(vocabulary_size)), vocabulary_size - 1),
    )
    whole = NgramCounts(tokens, 7)
    monkeypatch.setattr(parallel, "CPU_CHUNK", 50)
    monkeypatch.setattr(grouping, "_LEAST", 20)
    monkeypatch.setattr(parallel, "_workers", 3)
    pieces = NgramCounts(tokens, 7)
    for order in range(1, 8):
        assert torch.equal(whole.trie.tokens[order - 1], pieces.trie.tokens[order - 1])
        assert torch.equal(whole.raw[order - 1], pieces.raw[order - 1])
        if order < 7:
            assert torch.equal(whole.trie.first[order - 1], pieces.trie.first[order - 1])
            assert torch.equal(whole.continuation[order - 1], pieces.continuation[order - 1])
        if order > 1:
            every = slice(0, whole.trie.size(order))
            assert torch.equal(whole.suffixes(order, every), pieces.suffixes(order, every))
