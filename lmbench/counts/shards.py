"""Counting a text whose tables do not fit in memory: in shards, sorted, kept on disk and merged.

Each shard's distinct windows go to disk, sorted, with their counts. The merge reads all
shards one range of windows at a time, cut anywhere between two that differ, and appends to the
tables' files, which are then memory-mapped. The integers are the same as those counted in one
piece. Files are where Python's `tempfile` puts them: TMPDIR says where.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmbench import machine
from lmbench.counts.arrays import narrow
from lmbench.counts.ngrams import MOST_TOKENS, NgramCounts, stream
from lmbench.counts.parallel import chunks
from lmbench.counts.trie import Trie
from lmbench.counts.windows import KEY_BITS, sorted_windows
from lmbench.disk import Scratch, save_array
from lmbench.errors import LmbenchError
from lmbench.memory import free_memory
from lmbench.progress import Progress, Task
from lmbench.tokens import Tokens

Rows = NDArray[np.int32]
_MOST_SHARDS = 1000  # each is two files, mapped together in the end


def count_ngrams(tokens: Tokens, order: int, device: str, progress: Progress, memory: int | None = None) -> NgramCounts:
    """Count in one piece where `memory` bytes suffice (None: half of what is free), else in shards on disk.

    What is needed is estimated before anything is allocated. Where an allocation fails all the same, on a GPU or
    beside other processes, the text is counted on disk too, in shards half as large as long as one of them fails. The
    `note` of the counts says so.
    """
    needed = len(tokens) * _bytes_per_token(order)
    with progress.task(f"counting to order {order}", len(tokens)) as task:
        allowed = (_free(device) // 2) if memory is None else memory
        why = f"counting in memory takes about {_megabytes(needed)}, and {_megabytes(allowed)} were "
        why += "to be had" if memory is None else "allowed"
        if len(tokens) > MOST_TOKENS or needed <= allowed:
            try:
                counts = NgramCounts(tokens, order, device)
                task.advance(len(tokens))
                return counts
            except (MemoryError, RuntimeError) as error:
                if not machine.out_of_memory(error):
                    raise
            why = f"counting in memory takes about {_megabytes(needed)}, which were not to be had"
            allowed = min(allowed, needed, free_memory()) // 2
        elif memory is None:
            allowed = min(allowed, free_memory() // 2)
        return _on_disk(tokens, order, allowed, why, task)


def _on_disk(tokens: Tokens, order: int, allowed: int, why: str, task: Task) -> NgramCounts:
    least = len(tokens) // _most_shards(len(tokens), order) + 1
    shard = max(least, allowed // _bytes_per_token(order))
    while True:
        try:
            counts = ShardedCounts(tokens, order, shard, task)
        except (MemoryError, RuntimeError) as error:
            if not machine.out_of_memory(error) or shard == least:
                raise
            shard = max(least, shard // 2)
        else:
            counts.note = (
                f"counted on disk, in {-(-(len(tokens) + 1) // shard):,} shards: {why}; the counts are the same"
            )
            return counts


def _most_shards(size: int, order: int) -> int:
    """So many that the sample that the merge cuts by, 2 rows for each pair of shards, takes no more than one shard."""
    sampled = 6 * (4 * order + 8)  # bytes: two rows, sorted and copied
    return max(1, min(_MOST_SHARDS, int((size * _bytes_per_token(order) / sampled) ** (1 / 3))))


def _free(device: str) -> int:
    return free_memory() if device == "cpu" else int(torch.cuda.mem_get_info()[0])


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB" if size >= 10_000_000 else f"{size / 1e6:,.2f} MB"


def _bytes_per_token(order: int) -> int:
    """About what counting in one piece needs: sort keys, places and permutation, and the tables."""
    return 56 + 24 * order


class ShardedCounts(NgramCounts):
    """What `NgramCounts` is, from shards of `shard` tokens; its tables are memory-mapped files of its own."""

    def __init__(self, tokens: Tokens, order: int, shard: int, task: Task | None = None) -> None:
        self.order = order
        self.end_of_text = tokens.vocabulary.end_of_text
        self.vocabulary_size = len(tokens.vocabulary)
        self.unknown, self.unknown_types = tokens.vocabulary.unknown, tokens.vocabulary.unknown_types
        self.kept, self.note = None, None
        self.scratch = Scratch("counting on disk")
        with self.scratch.writing():
            self._count(tokens, shard, task)
            self._suffix_nodes = self._find_suffixes()
            self.continuation = [self._continuations(k) for k in range(1, order)]
        self._keep_initial()

    def _count(self, tokens: Tokens, shard: int, task: Task | None) -> None:
        folder, size = self.scratch.folder, len(tokens) + 1
        shards = []
        for number, start in enumerate(range(0, size, shard)):
            stop = min(start + shard, size)
            shards.append(_write_shard(folder / str(number), tokens, start, stop, self.order))
            if task:
                task.advance(stop - start)
        files = _TableFiles(folder, self.order, narrow(torch.zeros(0), self.vocabulary_size).numpy().dtype)
        for rows, counts in _merged(shards, shard, self.vocabulary_size):
            files.append(rows, counts)
        for done in shards:
            shutil.rmtree(done)
        columns, self.raw, first = files.close(self.vocabulary_size)
        self.trie = Trie(columns, first)
        self.raw[0][self.end_of_text] -= 1

    def suffixes(self, order: int, part: slice) -> Tensor:
        return self._suffix_nodes[order - 2][part]

    def _continuations(self, order: int) -> Tensor:
        """[m] int32: how many longer n-grams each k-gram ends."""
        column = torch.from_numpy(self.scratch.array(f"continuation.{order}", np.int32, self.trie.size(order)))
        longer = self._suffix_nodes[order - 1]
        for part in chunks(len(longer), longer.device):
            column.index_add_(0, longer[part], torch.ones(part.stop - part.start, dtype=torch.int32))
        return column

    def _find_suffixes(self) -> list[Tensor]:
        """Of each order from 2 on, [m] int32: the node of each n-gram without its first token, by looking it up."""
        found: list[Tensor] = []
        for order in range(2, self.order + 1):
            column = torch.from_numpy(self.scratch.array(f"suffixes.{order}", np.int32, self.trie.size(order)))
            for part in chunks(len(column), column.device):
                ids = self.trie.ids(order, part)
                if order == 2:
                    column[part] = ids
                else:
                    shorter = found[-1][self.trie.parents(order, part)]
                    column[part] = self.trie.child(order - 2, shorter, ids)
            found.append(column)
        return found


def _write_shard(folder: Path, tokens: Tokens, start: int, stop: int, order: int) -> Path:
    """The distinct windows that begin at positions start .. stop-1 of the stream, sorted, and their counts."""
    end = tokens.vocabulary.end_of_text
    # position p of the stream is token p-1; a window needs order-1 tokens beyond its own
    text = stream(tokens.ids[max(0, start - 1) : stop - 1 + order - 1], end)
    if start > 0:
        text = text[1:]
    windows = sorted_windows(text, order, len(tokens.vocabulary), end)
    positions = windows.positions[windows.positions < stop - start].long()
    reach = windows.lengths[positions]
    rows = torch.zeros(len(positions), order, dtype=torch.int32)
    for offset in range(order):
        token = text[(positions + offset).clamp(max=len(text) - 1)] + 1
        rows[:, offset] = token * (reach > offset)
    new = torch.ones(len(rows), dtype=torch.bool)
    new[1:] = (rows[1:] != rows[:-1]).any(1)
    heads = torch.nonzero(new).squeeze(1)
    counts = torch.cat([heads, heads.new_tensor([len(rows)])]).diff()
    folder.mkdir()
    save_array(folder / "rows.npy", rows[heads].numpy())
    save_array(folder / "counts.npy", counts.to(torch.int32).numpy())
    return folder


def _merged(shards: list[Path], capacity: int, vocabulary_size: int) -> Iterator[tuple[Rows, NDArray[np.int64]]]:
    """All shards' windows in order, in ranges of no more than `capacity`, or of twice as many as there are shards."""
    rows = [np.load(folder / "rows.npy", mmap_mode="r") for folder in shards]
    counts = [np.load(folder / "counts.npy", mmap_mode="r") for folder in shards]
    for edges in pairwise(_cuts(rows, max(capacity, 2 * len(shards)))):
        slices = [slice(low, high) for low, high in zip(*(edge.tolist() for edge in edges), strict=True)]
        some = np.concatenate([shard[part] for shard, part in zip(rows, slices, strict=True)])
        number = np.concatenate([shard[part] for shard, part in zip(counts, slices, strict=True)])
        yield _combined(some, number.astype(np.int64), vocabulary_size)


def _cuts(rows: list[Rows], capacity: int) -> list[NDArray[np.int64]]:
    """[shards] each: where every shard is cut, the same windows on the same side, its beginning and end included.

    Every `step`-th row of each shard is a sample. From one sample to the t-th after it, in their common order, lie
    at most t + (number of shards) times `step` rows (sorting by regular sampling, Shi & Schaeffer 1992).
    """
    step = max(1, capacity // (2 * len(rows)))
    samples = np.concatenate([shard[::step] for shard in rows])
    samples = samples[np.lexsort(samples.T[::-1])]
    chosen = samples[:: max(1, capacity // step - len(rows))]
    below = np.stack([_rows_below(shard, chosen) for shard in rows], axis=1)  # [cuts, shards]
    end = np.array([len(shard) for shard in rows])
    return [cut for cut, then in pairwise([*below, end]) if (cut != then).any()] + [end]


def _rows_below(rows: Rows, wanted: Rows) -> NDArray[np.int64]:
    """[q] how many of the sorted `rows` come before each of `wanted`, by bisection."""
    low, high = np.zeros(len(wanted), dtype=np.int64), np.full(len(wanted), len(rows))
    while (going := np.flatnonzero(low < high)).size:
        middle = (low[going] + high[going]) // 2
        here, there = rows[middle], wanted[going]
        at = (here != there).argmax(axis=1)[:, None]  # the first token that differs; 0 where none does
        less = (np.take_along_axis(here, at, 1) < np.take_along_axis(there, at, 1))[:, 0]
        low[going[less]] = middle[less] + 1
        high[going[~less]] = middle[~less]
    return low


def _combined(rows: Rows, counts: NDArray[np.int64], vocabulary_size: int) -> tuple[Rows, NDArray[np.int64]]:
    """The distinct rows, sorted, and the sums of their counts."""
    bits = int(vocabulary_size).bit_length()
    width = max(1, KEY_BITS // bits)
    keys = []
    for start in range(0, rows.shape[1], width):
        key = np.zeros(len(rows), dtype=np.int64)
        for column in rows[:, start : start + width].T:
            key = (key << bits) | column
        keys.append(key)
    order = np.lexsort(keys[::-1])
    rows = rows[order]
    new = np.ones(len(rows), dtype=bool)
    new[1:] = (rows[1:] != rows[:-1]).any(axis=1)
    heads = np.flatnonzero(new)
    return rows[heads], np.add.reduceat(counts[order], heads)


class _TableFiles:
    """The tables of all orders, appended to file by file as sorted windows come in.

    `last`: the last window so far. `open`: the count so far of its prefix of each order, which may go on; 0 for none.
    """

    def __init__(self, folder: Path, order: int, kind: np.dtype[Any]) -> None:
        self.folder = folder
        self.order = order
        self.kind = kind
        self.sizes = [0] * order
        self.last = np.full(order, -1, dtype=np.int32)
        self.open = [0] * order
        self.files: dict[str, BinaryIO] = {}
        for k in range(1, order + 1):
            for column in ("tokens", "raw", "first"):
                self.files[f"{column}.{k}"] = (folder / f"{column}.{k}").open("wb")

    def append(self, rows: Rows, counts: NDArray[np.int64]) -> None:
        """Windows which all come after those appended so far."""
        before = np.concatenate([self.last[None], rows[:-1]])
        self.last = rows[-1].copy()
        new = np.zeros(len(rows), dtype=bool)
        heads_above = np.zeros(0, dtype=np.int64)
        for k in range(1, self.order + 1):
            # a k-gram begins where any of the first k tokens changes, and is there at all
            new |= rows[:, k - 1] != before[:, k - 1]
            present = rows[:, k - 1] > 0
            heads = np.flatnonzero(new & present)
            groups = np.cumsum(new & present)  # 0: it is the last one appended before
            sums = np.bincount(groups[present], weights=counts[present], minlength=len(heads) + 1).astype(np.int64)
            sums[0] += self.open[k - 1]
            if len(heads):
                self._write_counts(k, sums[:-1] if self.sizes[k - 1] else sums[1:-1])
            self.open[k - 1] = int(sums[-1])
            tokens = torch.from_numpy(rows[heads, k - 1] - 1)
            size = (1 << 16) if self.kind == np.int16 else (1 << 32)
            self.files[f"tokens.{k}"].write(narrow(tokens, size).numpy().tobytes())
            if k > 1:
                first = np.searchsorted(heads, heads_above) + self.sizes[k - 1]
                self.files[f"first.{k - 1}"].write(first.astype(np.int32).tobytes())
            self.sizes[k - 1] += len(heads)
            if self.sizes[k - 1] > MOST_TOKENS:
                raise LmbenchError(f"there are over 2^31 {k}-grams: take a lower order or less text")
            heads_above = heads

    def _write_counts(self, k: int, counts: NDArray[np.int64]) -> None:
        self.files[f"raw.{k}"].write(counts.astype(np.int32).tobytes())

    def close(self, vocabulary_size: int) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """Tokens, raw counts and pointers of each order, memory-mapped; order 1 made dense."""
        for k in range(1, self.order + 1):
            if self.sizes[k - 1]:
                self._write_counts(k, np.array([self.open[k - 1]]))
            if k < self.order:
                self.files[f"first.{k}"].write(np.int32(self.sizes[k]).tobytes())
        for file in self.files.values():
            file.close()
        tokens = [self._mapped(f"tokens.{k}", self.kind) for k in range(1, self.order + 1)]
        raw = [self._mapped(f"raw.{k}", np.dtype(np.int32)) for k in range(1, self.order + 1)]
        first = [self._mapped(f"first.{k}", np.dtype(np.int32)) for k in range(1, self.order)]
        present = Trie([tokens[0]], []).ids(1, slice(None))
        every = torch.arange(vocabulary_size + 1, dtype=torch.int32)
        dense = torch.zeros(vocabulary_size, dtype=torch.int32)
        dense[present.long()] = raw[0]
        raw[0], tokens[0] = dense, narrow(every[:-1], vocabulary_size)
        if first:
            first[0] = first[0][torch.searchsorted(present, every)]
        return tokens, raw, first

    def _mapped(self, name: str, kind: np.dtype[Any]) -> Tensor:
        path = self.folder / name
        if path.stat().st_size == 0:
            return torch.from_numpy(np.zeros(0, dtype=kind))
        return torch.from_numpy(np.memmap(path, dtype=kind, mode="r+"))
