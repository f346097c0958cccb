"""Look-ups in slices of every width, against a plain dictionary."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lmbench.counts import parallel
from lmbench.counts.arrays import narrow
from lmbench.counts.directory import Directory, _parts
from lmbench.counts.trie import Trie


def bigrams(rows: list[list[int]], vocabulary_size: int) -> Trie:
    """A trie whose bigrams are, for each first token, these second ones."""
    rows = rows + [[]] * (vocabulary_size - len(rows))
    ids = [narrow(torch.arange(vocabulary_size), vocabulary_size)]
    ids.append(narrow(torch.tensor([token for row in rows for token in row], dtype=torch.int32), vocabulary_size))
    first = torch.tensor(np.cumsum([0, *map(len, rows)]), dtype=torch.int32)
    return Trie(ids, [first])


def assert_finds_all(trie: Trie, rows: list[list[int]], nodes: list[int], tokens: list[int]) -> None:
    places = {}
    for node, row in enumerate(rows):
        for token in row:
            places[node, token] = len(places)
    found = trie.child(1, torch.tensor(nodes), torch.tensor(tokens))
    assert found.tolist() == [places.get(pair, -1) for pair in zip(nodes, tokens, strict=True)]


def test_buckets_by_hand() -> None:
    """16 children of token 0, evenly spread, in two buckets; 3 of token 1, too few for one."""
    trie = bigrams([list(range(16)), [2, 3, 9]], 16)
    directory = trie.directory
    assert directory.starts[0].tolist() == [0, 8, 19, 19]  # the 17th entry is nobody's
    at, end = directory.bucket(
        1, torch.tensor([0, 16], dtype=torch.int32), torch.tensor([16, 19], dtype=torch.int32), directory.spread[[9, 9]]
    )
    assert (at.tolist(), end.tolist()) == ([8, 16], [16, 19])


@pytest.mark.parametrize("vocabulary_size", [1000, 70_000])
@pytest.mark.parametrize("skewed", [False, True])
def test_slices_of_every_width(vocabulary_size: int, skewed: bool) -> None:
    """Widths from 0 to 900; `skewed`: each row's tokens close together, so that buckets are far from even."""
    generator = np.random.default_rng(0)
    rows = []
    for width in [0, 1, 2, 7, 8, 9, 15, 16, 17, 64, 0, 0, 255, 900, 3, 31]:
        among = np.arange(width) if skewed else generator.choice(vocabulary_size, width, replace=False)
        rows.append(sorted(among.tolist()))
    trie = bigrams(rows, vocabulary_size)
    asked = generator.integers(len(rows), size=5_000)
    tokens = generator.integers(1000 if skewed else vocabulary_size, size=5_000)
    for place in range(0, len(tokens), 2):  # every other one is there
        row = rows[asked[place]]
        tokens[place] = row[tokens[place] % len(row)] if row else tokens[place]
    assert_finds_all(trie, rows, asked.tolist(), tokens.tolist())


def test_a_level_is_filled_in_by_parts_of_few_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node's children are not cut, and what is filled in is the same."""
    generator = np.random.default_rng(1)
    widths = generator.integers(0, 60, size=300) * (generator.random(300) < 0.5)
    trie = bigrams([sorted(generator.choice(1000, width, replace=False).tolist()) for width in widths], 1000)
    whole = trie.directory.starts[0]
    monkeypatch.setattr(parallel, "CPU_CHUNK", 100)
    begins, parts = trie.first[0].tolist(), _parts(trie.first[0], trie.size(2))
    assert [node for part in parts for node in range(part.start, part.stop)] == list(range(1000))
    assert max(begins[part.stop] - begins[part.start] for part in parts) < 100 + 60
    assert torch.equal(Directory.of(trie.tokens[1:], trie.first, 1000, torch.device("cpu")).starts[0], whole)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sets(st.integers(0, 40), max_size=41), min_size=1, max_size=6))
def test_any_slices(sets: list[set[int]]) -> None:
    rows = [sorted(some) for some in sets]
    pairs = [(node, token) for node in range(len(rows)) for token in range(41)]
    assert_finds_all(bigrams(rows, 41), rows, *(list(column) for column in zip(*pairs, strict=True)))


def test_missing_nodes_have_no_children() -> None:
    assert bigrams([[0, 1]], 2).child(1, torch.tensor([-1, 0, -1]), torch.tensor([0, 1, 1])).tolist() == [-1, 1, -1]


def test_ranks_ascend_with_the_ids() -> None:
    directory = Directory.of(
        [torch.tensor([3, 3, 0, 2], dtype=torch.int32)], [torch.tensor([0, 4, 4, 4, 4])], 4, torch.device("cpu")
    )
    assert directory.spread.tolist() == [0, 8192, 8192, 16384]


def test_an_order_1_trie_has_ranks_and_no_buckets() -> None:
    directory = Trie([narrow(torch.arange(3), 3)], []).directory
    assert (directory.spread.tolist(), directory.starts) == ([0, 10922, 21845], [])
