from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lmbench.counts import shards
from lmbench.counts.ngrams import NgramCounts
from lmbench.counts.shards import ShardedCounts
from lmbench.model import models
from lmbench.progress import Silent
from lmbench.tokens import Tokens, Vocabulary, tokens_of


def small(documents: list[list[int]], size: int = 4) -> Tokens:
    return tokens_of(documents, Vocabulary((*(b"%d" % i for i in range(size)), b""), size))


documents = st.lists(st.lists(st.integers(0, 3), max_size=15), min_size=1, max_size=5)


@given(documents, st.integers(1, 6), st.integers(1, 20))
@settings(deadline=None, max_examples=60)
def test_shards_give_the_same_tables_to_the_bit(texts: list[list[int]], order: int, shard: int) -> None:
    tokens = small(texts)
    whole, parts = NgramCounts(tokens, order), ShardedCounts(tokens, order, shard)
    for k in range(order):
        assert torch.equal(parts.trie.tokens[k], whole.trie.tokens[k])
        assert torch.equal(parts.raw[k], whole.raw[k])
        if k < order - 1:
            assert torch.equal(parts.trie.first[k], whole.trie.first[k])
            assert torch.equal(parts.continuation[k], whole.continuation[k])
        if k:
            every = slice(0, whole.trie.size(k + 1))
            assert torch.equal(parts.suffixes(k + 1, every), whole.suffixes(k + 1, every))
    assert len(parts) == len(whole)


@pytest.mark.parametrize("size", [300, 70_000])
def test_a_model_fitted_under_a_tiny_memory_limit_is_the_same_to_the_bit(size: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    text = small([(rng.zipf(1.3, 4000) % size).tolist(), [1, 2], (rng.zipf(1.3, 900) % size).tolist()], size)
    one = models.make("ngram(order=4)").fit(text, text.head(500), Silent())
    other = models.make("ngram(order=4, memory=0.05)").fit(text, text.head(500), Silent())
    assert np.array_equal(one.log_probs(text, Silent()), other.log_probs(text, Silent()))
    for folder, model in ((tmp_path / "one", one), (tmp_path / "other", other)):
        folder.mkdir()
        model.save(folder)
    read = [(tmp_path / name / "ngrams.safetensors").read_bytes() for name in ("one", "other")]
    assert read[0] == read[1]


def test_no_range_of_the_merge_is_larger_than_the_limit() -> None:
    """Two symbols: the windows of either are half of all, and are merged in parts all the same."""
    rng = np.random.default_rng(0)
    order, capacity = 14, 900
    rows = []
    for _ in range(7):
        windows = rng.integers(1, 3, (800, order), dtype=np.int32)
        rows.append(np.unique(windows, axis=0))
    cuts = shards._cuts(rows, capacity)
    assert cuts[0].tolist() == [0] * 7
    assert cuts[-1].tolist() == [len(part) for part in rows]
    sizes = np.diff(np.stack(cuts), axis=0).sum(axis=1)
    assert sizes.max() <= capacity
    assert sizes.min() > 0
    assert len(sizes) <= 4 * sum(map(len, rows)) / capacity
    for cut in cuts[1:-1]:  # no window is on both sides
        left = max(tuple(part[at - 1]) for part, at in zip(rows, cut, strict=True) if at)
        right = min(tuple(part[at]) for part, at in zip(rows, cut, strict=True) if at < len(part))
        assert left < right


@given(st.lists(st.lists(st.integers(0, 1), max_size=60), min_size=1, max_size=3), st.integers(1, 9))
@settings(deadline=None, max_examples=30)
def test_ngrams_cut_by_a_range_are_one_all_the_same(texts: list[list[int]], order: int) -> None:
    """A vocabulary of two and shards of nine windows: hardly a prefix that lies within one range."""
    tokens = small(texts, 2)
    whole, parts = NgramCounts(tokens, order), ShardedCounts(tokens, order, 9)
    for k in range(order):
        assert torch.equal(parts.raw[k], whole.raw[k])
        assert torch.equal(parts.trie.tokens[k], whole.trie.tokens[k])


def test_the_limit_is_what_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    text = small([[0, 1, 2, 3] * 50])
    assert isinstance(shards.count_ngrams(text, 3, "cpu", Silent(), 1000), ShardedCounts)
    assert not isinstance(shards.count_ngrams(text, 3, "cpu", Silent(), 10**9), ShardedCounts)
    monkeypatch.setattr(shards, "free_memory", lambda: 2000)
    assert isinstance(shards.count_ngrams(text, 3, "cpu", Silent()), ShardedCounts)


def failing(times: int, count: Callable[..., NgramCounts], error: Exception) -> Callable[..., NgramCounts]:
    """`count`, but for the first few times that it is called."""
    left = [error] * times

    def counted(*arguments: Any) -> NgramCounts:
        if left:
            raise left.pop()
        return count(*arguments)

    return counted


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_where_an_allocation_fails_it_is_counted_on_disk(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one piece it fails once, in shards twice: they are halved until one fits."""
    text = small([[0, 1, 2, 3] * 500])
    whole = NgramCounts(text, 3)
    monkeypatch.setattr(shards, "NgramCounts", failing(1, NgramCounts, error))
    monkeypatch.setattr(shards, "ShardedCounts", failing(2, ShardedCounts, error))
    counts = shards.count_ngrams(text, 3, "cpu", Silent())
    assert isinstance(counts, ShardedCounts)
    assert counts.note is not None
    assert counts.note.startswith("counted on disk, in 9 shards: ")
    assert "were not to be had" in counts.note
    assert all(torch.equal(*pair) for pair in zip(counts.raw, whole.raw, strict=True))
    monkeypatch.setattr(shards, "NgramCounts", failing(1, NgramCounts, RuntimeError("shapes do not match")))
    with pytest.raises(RuntimeError, match="shapes"):
        shards.count_ngrams(text, 3, "cpu", Silent())


def test_the_row_says_that_it_was_counted_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    text = small([[0, 1, 2, 3] * 50])
    spec = "ngram(order=2, smoothing=witten_bell)"
    assert models.make(spec).fit(text, text, Silent()).card.notes == []
    monkeypatch.setattr(shards, "free_memory", lambda: 20_000)
    [note] = models.make(spec).fit(text, text, Silent()).card.notes
    assert note.startswith("ngram: counted on disk, in 3 shards: counting in memory takes about 0.02 MB, and 0.01 MB")


MEASURED = """
import sys, threading
from pathlib import Path
import numpy as np
from lmbench.counts.shards import ShardedCounts, count_ngrams
from lmbench.progress import Silent
from lmbench.tokens import Tokens, Vocabulary

types = 4
vocabulary = Vocabulary((*(b"%d" % i for i in range(types)), b""), types)
ids = np.minimum(np.random.default_rng(0).geometric(0.4, 800_000) - 1, types - 1).astype(vocabulary.dtype)
text = Tokens(np.append(ids, np.array([types], vocabulary.dtype)), np.zeros(1, dtype=np.int64), vocabulary)
held = lambda: int(Path("/proc/self/status").read_text().split("RssAnon:")[1].split()[0]) / 1e3
count_ngrams(text.tail(5_000), 8, "cpu", Silent(), 100_000)  # what is imported and made once
for limit in (6, 1000):
    before, peak, stop = held(), [0.0], threading.Event()
    def watch():
        while not stop.wait(0.002):
            peak[0] = max(peak[0], held())
    watching = threading.Thread(target=watch)
    watching.start()
    counts = count_ngrams(text, 8, "cpu", Silent(), int(limit * 1e6))
    stop.set()
    watching.join()
    print(type(counts).__name__, peak[0] - before)
    del counts
"""


def test_memory_stays_within_bounds_however_few_the_tokens_are() -> None:
    """Four types, order 8: 198 MB in one piece by the estimate; 2 in 5 windows begin with one token."""
    if not Path("/proc/self/status").exists():
        pytest.skip("memory is read from /proc")
    done = subprocess.run([sys.executable, "-c", MEASURED], capture_output=True, text=True, check=True, timeout=120)
    found = dict(line.split() for line in done.stdout.splitlines())
    assert float(found["ShardedCounts"]) < 20
    assert float(found["NgramCounts"]) > 2 * float(found["ShardedCounts"])


def test_the_files_go_with_the_counts() -> None:
    counts = ShardedCounts(small([[0, 1, 2, 3] * 50]), 3, 7)
    folder = counts.scratch.folder
    assert folder.is_dir()
    del counts
    assert not folder.exists()
