"""Counting a text whose tables do not fit in memory: in shards, sorted, kept on disk and merged.

Each shard's distinct windows go to disk, sorted, with their counts. The merge reads all
shards one range of first tokens at a time, so that no n-gram's windows are ever apart, and
appends to the tables' files, which are then memory-mapped. The integers are the same as
those counted in one piece.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmbench.counts.arrays import narrow
from lmbench.counts.ngrams import NgramCounts, stream
from lmbench.counts.parallel import chunks
from lmbench.counts.trie import Trie
from lmbench.counts.windows import KEY_BITS, sorted_windows
from lmbench.errors import LmbenchError
from lmbench.progress import Progress, Task
from lmbench.tokens import Tokens

Rows = NDArray[np.int32]
_MOST_TOKENS = (1 << 31) - 2  # counts, nodes and places are 32-bit numbers


def count_ngrams(tokens: Tokens, order: int, device: str, progress: Progress, memory: int | None = None) -> NgramCounts:
    """Count in one piece where `memory` bytes suffice (None: half of what is free), else in shards on disk."""
    with progress.task(f"counting to order {order}", len(tokens)) as task:
        allowed = _MOST_TOKENS * _bytes_per_token(order)
        if memory is not None:
            allowed = min(allowed, memory)
        elif device == "cpu":
            allowed = min(allowed, free_memory() // 2)
        if device != "cpu" or len(tokens) * _bytes_per_token(order) <= allowed:
            counts = NgramCounts(tokens, order, device)
            task.advance(len(tokens))
            return counts
        shard = max(1, allowed // _bytes_per_token(order))
        return ShardedCounts(tokens, order, shard, task)


def free_memory() -> int:
    """Bytes of memory that can be had now: as Linux tells, else half of all, else 8 GB."""
    try:
        table = Path("/proc/meminfo").read_text(encoding="ascii")
        return int(table.split("MemAvailable:")[1].split()[0]) * 1024
    except (OSError, IndexError, ValueError):
        names = getattr(os, "sysconf_names", {})
        known = "SC_PHYS_PAGES" in names
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2 if known else 8 << 30


def _bytes_per_token(order: int) -> int:
    """About what counting in one piece needs: sort keys, places and permutation, and the tables."""
    return 56 + 18 * order


class ShardedCounts(NgramCounts):
    """What `NgramCounts` is, from shards of `shard` tokens; its tables are memory-mapped files of its own."""

    def __init__(self, tokens: Tokens, order: int, shard: int, task: Task | None = None) -> None:
        self.order = order
        self.end_of_text = tokens.vocabulary.end_of_text
        self.vocabulary_size = len(tokens.vocabulary)
        self.kept = None
        folder = Path(tempfile.mkdtemp(prefix="lmbench-counts-"))
        self.remove = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)  # gone with this object
        self.folder = folder
        shards = []
        for number, start in enumerate(range(0, len(tokens) + 1, shard)):
            stop = min(start + shard, len(tokens) + 1)
            shards.append(_write_shard(folder / str(number), tokens, start, stop, order))
            if task:
                task.advance(stop - start)
        files = _TableFiles(folder, order, narrow(torch.zeros(0), self.vocabulary_size).numpy().dtype)
        for rows, counts in _merged(shards, shard, self.vocabulary_size):
            files.append(rows, counts)
        columns, self.raw, first = files.close(self.vocabulary_size)
        self.trie = Trie(columns, first)
        self.raw[0][self.end_of_text] -= 1
        self._suffix_nodes = self._find_suffixes(folder)
        self.continuation = [
            torch.bincount(self._suffix_nodes[k], minlength=self.trie.size(k + 1)).to(torch.int32)
            for k in range(order - 1)
        ]
        for k in range(1, order - 1):
            initial = self.initial(k + 1)
            self.continuation[k][initial] = self.raw[k][initial]

    def suffixes(self, order: int, part: slice) -> Tensor:
        return self._suffix_nodes[order - 2][part]

    def _find_suffixes(self, folder: Path) -> list[Tensor]:
        """Of each order from 2 on, [m] int32: the node of each n-gram without its first token, by looking it up."""
        found: list[Tensor] = []
        for order in range(2, self.order + 1):
            column = _empty(folder / f"suffixes.{order}", self.trie.size(order))
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
    np.save(folder / "rows.npy", rows[heads].numpy())
    np.save(folder / "counts.npy", counts.to(torch.int32).numpy())
    return folder


def _merged(shards: list[Path], capacity: int, vocabulary_size: int) -> Iterator[tuple[Rows, NDArray[np.int64]]]:
    """All shards' windows in order, range by range of first tokens, about `capacity` at a time."""
    rows = [np.load(folder / "rows.npy", mmap_mode="r") for folder in shards]
    counts = [np.load(folder / "counts.npy", mmap_mode="r") for folder in shards]
    ids = np.arange(vocabulary_size + 2, dtype=np.int32)
    bounds = np.stack([np.searchsorted(shard[:, 0], ids) for shard in rows])  # [shards, V + 2]
    total = bounds.sum(axis=0)
    low = 1
    while low <= vocabulary_size:
        high = max(low + 1, int(np.searchsorted(total, total[low] + capacity, side="right")) - 1)
        high = min(high, vocabulary_size + 1)
        slices = [slice(int(bound[low]), int(bound[high])) for bound in bounds]
        if any(part.stop > part.start for part in slices):
            some = np.concatenate([shard[part] for shard, part in zip(rows, slices, strict=True)])
            number = np.concatenate([shard[part] for shard, part in zip(counts, slices, strict=True)])
            yield _combined(some, number.astype(np.int64), vocabulary_size)
        low = high


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
    """The tables of all orders, appended to file by file as sorted windows come in."""

    def __init__(self, folder: Path, order: int, kind: np.dtype[Any]) -> None:
        self.folder = folder
        self.order = order
        self.kind = kind
        self.sizes = [0] * order
        self.files: dict[str, BinaryIO] = {}
        for k in range(1, order + 1):
            for column in ("tokens", "raw", "first"):
                self.files[f"{column}.{k}"] = (folder / f"{column}.{k}").open("wb")

    def append(self, rows: Rows, counts: NDArray[np.int64]) -> None:
        """Windows whose first tokens all come after those appended so far."""
        new = np.ones(len(rows), dtype=bool)
        heads_above = np.zeros(0, dtype=np.int64)
        for k in range(1, self.order + 1):
            # a k-gram begins where any of the first k tokens changes, and is there at all
            changed = np.ones(len(rows), dtype=bool)
            changed[1:] = rows[1:, k - 1] != rows[:-1, k - 1]
            new = changed if k == 1 else new | changed
            present = rows[:, k - 1] > 0
            heads = np.flatnonzero(new & present)
            groups = np.cumsum(new & present) - 1
            sums = np.bincount(groups[present], weights=counts[present], minlength=len(heads))
            tokens = torch.from_numpy(rows[heads, k - 1] - 1)
            size = (1 << 16) if self.kind == np.int16 else (1 << 32)
            self.files[f"tokens.{k}"].write(narrow(tokens, size).numpy().tobytes())
            self.files[f"raw.{k}"].write(sums.astype(np.int32).tobytes())
            if k > 1:
                first = np.searchsorted(heads, heads_above) + self.sizes[k - 1]
                self.files[f"first.{k - 1}"].write(first.astype(np.int32).tobytes())
            self.sizes[k - 1] += len(heads)
            if self.sizes[k - 1] > _MOST_TOKENS:
                raise LmbenchError(f"there are over 2^31 {k}-grams: take a lower order or less text")
            heads_above = heads

    def close(self, vocabulary_size: int) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """Tokens, raw counts and pointers of each order, memory-mapped; order 1 made dense."""
        for k in range(1, self.order):
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


def _empty(path: Path, size: int) -> Tensor:
    """[size] int32 in a new memory-mapped file."""
    if size == 0:
        return torch.zeros(0, dtype=torch.int32)
    return torch.from_numpy(np.memmap(path, dtype=np.int32, mode="w+", shape=(size,)))
