"""Every n-gram of a text, of all orders, from one sort.

Sorted windows put equal n-grams side by side for every order at once, and each (k+1)-gram
under its k-gram prefix: a k-gram begins wherever a window shares fewer than k tokens with
the one before it. Counts are exact integers; all of it is torch on any device.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmbench.counts.parallel import chunks, over_chunks
from lmbench.counts.trie import Trie, narrow
from lmbench.counts.windows import Windows, sorted_windows
from lmbench.errors import LmbenchError
from lmbench.tokens import Tokens


def stream(ids: NDArray[np.integer[Any]], end_of_text: int, device: str = "cpu") -> Tensor:
    """[n + 1] int32: the end-of-text id, which is the first document's context, then the text."""
    narrow = np.empty(len(ids) + 1, dtype=np.int32)
    narrow[0] = end_of_text
    narrow[1:] = ids
    return torch.from_numpy(narrow).to(device)


class NgramCounts:
    """The n-grams of `tokens` up to `order`, with their counts and continuation counts.

    `trie` holds the n-grams; order 1 is dense: its nodes are the token ids, seen or not.
    `raw[k]`: [m] int32, how often each (k+1)-gram occurs. `continuation[k]`: [m] int32,
    N1+(. w1..wk), the number of distinct tokens each was seen after, for all but the
    highest order; an n-gram that begins a document has nothing before it and keeps its
    count (KenLM's adjusted counts).

    An n-gram begins with the end-of-text id where it stands at the beginning of a document
    (KenLM's <s>) and ends with it at the end of one (</s>); none reaches across.

    Worked example, "a b a b b": raw bigrams (a b) 2, (b a) 1, (b b) 1, (b $) 1, ($ a) 1;
    continuation of a is 2 (after b and at the beginning), of b 2, of $ 1.
    """

    def __init__(self, tokens: Tokens, order: int, device: str = "cpu") -> None:
        self.order = order
        self.end_of_text = tokens.vocabulary.end_of_text
        self.vocabulary_size = len(tokens.vocabulary)
        if len(tokens) >= (1 << 31) - 1:
            raise LmbenchError("a text of 2^31 tokens or more cannot be counted in one piece; count in shards")
        text = stream(tokens.ids, self.end_of_text, device)
        windows = sorted_windows(text, order, self.vocabulary_size, self.end_of_text)
        levels = _read(windows, order, self.vocabulary_size)
        first = [level.first for level in levels[:-1]]
        self.trie = Trie([level.tokens for level in levels], first)
        self.raw = [level.raw for level in levels]
        self.raw[0][self.end_of_text] -= 1  # the context that the first document begins with
        self.kept: list[Tensor] | None = None  # [m] bool per order, where some n-grams are to be pruned
        self.continuation = [level.continuation for level in levels[:-1]]
        for k in range(1, order - 1):
            initial = self.initial(k + 1)
            self.continuation[k][initial] = self.raw[k][initial]
        # where a window stands in the sorted list, and the node there of each order: what `suffixes` needs
        self._slots = torch.empty(len(text), dtype=torch.int32, device=device)
        if order > 2:

            def place(part: slice) -> None:
                here = torch.arange(part.start, part.stop, dtype=torch.int32, device=device)
                self._slots.index_copy_(0, windows.positions[part].long(), here)

            over_chunks(place, len(text), text.device)
        self._places = [level.places for level in levels]
        self._nodes = [level.nodes for level in levels]

    @property
    def device(self) -> torch.device:
        device: torch.device = self.raw[0].device
        return device

    def __len__(self) -> int:
        """Distinct n-grams of all orders; of order 1, the tokens that occur."""
        return int((self.raw[0] > 0).sum()) + sum(len(raw) for raw in self.raw[1:])

    def adjusted(self, order: int) -> Tensor:
        """[m] int32: what Kneser-Ney counts: `raw` at the highest order, `continuation` below it."""
        counts: Tensor = self.raw[-1] if order == self.order else self.continuation[order - 1]
        return counts

    def suffixes(self, order: int, part: slice) -> Tensor:
        """[p] int32: the node, one order below, of each k-gram of `part` without its first token (order >= 2)."""
        if order == 2:
            return self.trie.ids(2, part)
        later = self._slots.index_select(0, self._places[order - 1][part] + 1)
        return self._nodes[order - 2].index_select(0, later)

    def initial(self, order: int) -> slice:
        """The k-grams that begin a document: those under the end-of-text id."""
        start, stop = self.end_of_text, self.end_of_text + 1
        for first in self.trie.first[: order - 1]:
            start, stop = int(first[:][start]), int(first[:][stop])
        return slice(start, stop)


class _Level:
    """One order of the n-grams, filled in chunk by chunk as the sorted windows go by.

    `tokens`, `raw`, `continuation`, `places` (a position of the text where each occurs): [m].
    `first`: [m + 1]. `nodes`: [n] the node of this order at each sorted window.
    The totals run over all windows so far; an n-gram's own count is the difference to the next.
    """

    def __init__(self, order: int, capacity: int, vocabulary_size: int, device: torch.device) -> None:
        # as large as can be needed: on a processor, pages that are never touched cost nothing
        empty = [torch.empty(capacity + 1, dtype=torch.int32, device=device) for _ in range(4)]
        self.order = order
        self.size = 0
        self.raw, self.continuation, self.places, self.first = empty
        self.tokens = narrow(torch.empty(0, dtype=torch.int32, device=device), vocabulary_size).new_empty(capacity)
        self.nodes = torch.empty(0, dtype=torch.int32, device=device)
        self.windows = 0
        self.neighbours = 0

    def trim(self, below: int) -> None:
        """Cut the arrays to size and turn running totals into counts; `below`: nodes one order up."""
        self.raw[self.size], self.continuation[self.size], self.first[self.size] = self.windows, self.neighbours, below
        self.tokens, self.places = self.tokens[: self.size], self.places[: self.size]
        self.raw = self.raw[: self.size + 1].diff()
        self.continuation = self.continuation[: self.size + 1].diff()
        self.first = self.first[: self.size + 1]
        if self.first.device.type != "cpu":
            self.tokens, self.places, self.first = self.tokens.clone(), self.places.clone(), self.first.clone()


def _read(windows: Windows, order: int, vocabulary_size: int) -> list[_Level]:
    """The levels of all orders, in one pass over the sorted windows."""
    size = len(windows.text)
    device = windows.text.device
    levels = [_Level(k, vocabulary_size if k == 1 else size, vocabulary_size, device) for k in range(1, order + 1)]
    for level in levels[1:-1]:
        level.nodes = torch.empty(size, dtype=torch.int32, device=device)
    before = _shared_before(windows)
    for slots in chunks(size, device):
        picked: list[Tensor] = []
        shared, preceding = windows.shared[slots], before[slots]
        all_whole = windows.all_reach(order, slots)
        for level in levels:
            whole = None if all_whole else windows.reaches(level.order, slots)
            begins = shared < level.order if whole is None else (shared < level.order) & whole
            heads = torch.nonzero(begins).squeeze(1)
            here = slice(level.size, level.size + len(heads))
            level.tokens[here] = narrow(windows.token(level.order - 1, slots, heads), vocabulary_size)
            level.places[here] = windows.positions[slots].index_select(0, heads)
            if whole is None:
                level.raw[here] = heads + level.windows
                level.windows += len(shared)
            else:
                level.raw[here], level.windows = _running(whole, heads, level.windows)
            if level.order < order:
                new_neighbour = preceding <= level.order if whole is None else (preceding <= level.order) & whole
                level.continuation[here], level.neighbours = _running(new_neighbour, heads, level.neighbours)
            if level.order > 1:
                nodes = torch.cumsum(begins, 0, dtype=torch.int32)
                nodes += level.size - 1
                if level.order < order:
                    level.nodes[slots] = nodes
                above = levels[level.order - 2]
                parents = picked[-1]
                children = nodes.index_select(0, parents) + 1 - begins.index_select(0, parents).to(torch.int32)
                above.first[above.size - len(parents) : above.size] = children
            level.size += len(heads)
            picked.append(heads)
    for level, next_level in zip(levels, [*levels[1:], None], strict=True):
        level.trim(next_level.size if next_level else 0)
    _make_dense(levels[0], vocabulary_size)
    return levels


def _running(flags: Tensor, heads: Tensor, total: int) -> tuple[Tensor, int]:
    """The running total of `flags` just before each head, and after the last flag."""
    running = torch.cumsum(flags, 0, dtype=torch.int32)
    before = running.index_select(0, heads) - flags.index_select(0, heads).to(torch.int32) + total
    return before, total + int(running[-1])


def _make_dense(level: _Level, vocabulary_size: int) -> None:
    """Order 1, from the tokens that occur to all of the vocabulary; `first` of an absent one is an empty slice."""
    every = torch.arange(vocabulary_size + 1, dtype=torch.int32, device=level.raw.device)
    sorted_ids = Trie([level.tokens], []).ids(1, slice(None))
    present = sorted_ids.long()
    for name in ("raw", "continuation"):
        dense = torch.zeros(vocabulary_size, dtype=torch.int32, device=present.device)
        dense[present] = getattr(level, name)
        setattr(level, name, dense)
    level.first = level.first[torch.searchsorted(sorted_ids, every)]
    level.tokens = narrow(every[:-1], vocabulary_size)


def _shared_before(windows: Windows) -> Tensor:
    """[n] uint8, in sorted order: `shared` of the window one position earlier in the text.

    A (k+1)-gram is new where its window shares k tokens or fewer with the one sorted
    before it; seen from the window one later, that is a new left neighbour of the k-gram.
    The text's first position has nothing before it.
    """
    by_position = torch.empty(len(windows.shared) + 1, dtype=torch.uint8, device=windows.shared.device)
    by_position[0] = 255
    later = by_position[1:]
    before = torch.empty_like(windows.shared)

    def scatter(part: slice) -> None:
        later.index_copy_(0, windows.positions[part].long(), windows.shared[part])

    def gather(part: slice) -> None:
        before[part] = by_position.index_select(0, windows.positions[part])

    over_chunks(scatter, len(before), before.device)
    over_chunks(gather, len(before), before.device)
    return before
