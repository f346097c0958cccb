"""Every n-gram of a text, of all orders, from one sort.

Sorted windows put equal n-grams side by side for every order at once, and each (k+1)-gram
under its k-gram prefix: a k-gram begins wherever a window shares fewer than k tokens with
the one before it. Counts are exact integers; all of it is torch on any device.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmbench.counts.arrays import flatnonzero, narrow
from lmbench.counts.parallel import chunks, over_chunks, over_parts
from lmbench.counts.trie import Trie
from lmbench.counts.windows import Windows, sorted_windows
from lmbench.errors import LmbenchError
from lmbench.tokens import Tokens

MAX_ORDER = 32
MOST_TOKENS = (1 << 31) - (1 << 22)  # counts, nodes and places are 32-bit numbers, with room to step beyond the last


def stream(ids: NDArray[np.integer[Any]], end_of_text: int, device: str = "cpu") -> Tensor:
    """[n + 1] int32: the end-of-text id, which is the first document's context, then the text."""
    text = np.empty(len(ids) + 1, dtype=np.int32)
    text[0] = end_of_text
    text[1:] = ids
    return torch.from_numpy(text).to(device)


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
        self.unknown, self.unknown_types = tokens.vocabulary.unknown, tokens.vocabulary.unknown_types
        if len(tokens) > MOST_TOKENS:
            raise LmbenchError(
                f"ngram: a text of {len(tokens):,} tokens; {MOST_TOKENS:,} can be counted: give less text"
            )
        text = stream(tokens.ids, self.end_of_text, device)
        windows = sorted_windows(text, order, self.vocabulary_size, self.end_of_text)
        levels = _read(windows, order, self.vocabulary_size)
        first = [level.first for level in levels[:-1]]
        self.trie = Trie([level.tokens for level in levels], first)
        self.raw = [level.raw for level in levels]
        self.raw[0][self.end_of_text] -= 1  # the context that the first document begins with
        self.kept: list[Tensor] | None = None  # [m] bool per order, where some n-grams are to be pruned
        self.note: str | None = None  # what the table should say of how they were counted
        self.continuation = [level.continuation for level in levels[:-1]]
        self._keep_initial()
        # where a window stands in the sorted list, and the node there of each order: what `suffixes` needs
        self._slots = torch.empty(len(text), dtype=torch.int32, device=device)
        if order > 2:

            def place(part: slice) -> None:
                here = torch.arange(part.start, part.stop, dtype=torch.int32, device=device)
                self._slots.index_copy_(0, windows.positions[part].long(), here)

            over_chunks(place, len(text), text.device)
        self._places = [level.places for level in levels]
        self._nodes = [level.nodes for level in levels]

    def _keep_initial(self) -> None:
        """N-grams that begin a document have no left neighbours: their continuation count is their count."""
        for k in range(1, self.order - 1):
            initial = self.initial(k + 1)
            self.continuation[k][initial] = self.raw[k][initial]

    @property
    def device(self) -> torch.device:
        device: torch.device = self.raw[0].device
        return device

    def __len__(self) -> int:
        """Distinct n-grams of all orders; of order 1, the tokens that occur."""
        return int((self.raw[0] > 0).sum()) + sum(len(raw) for raw in self.raw[1:])

    @property
    def types(self) -> Tensor:
        """[V] float64: as how many types each token counts where all types are equally likely: 1, but for the unknown
        token its `unknown_types`."""
        types = torch.ones(self.vocabulary_size, dtype=torch.float64, device=self.device)
        if self.unknown is not None:
            types[self.unknown] = self.unknown_types
        return types

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
    """One order of the n-grams, of which every chunk of the sorted windows fills in its own.

    `starts`: [chunks + 1] how many n-grams begin before each chunk. `tokens`, `places` (a position of the text where
    each occurs), `raw`, `continuation`: [m]. `first`: [m + 1]. `nodes`: [n] the node of this order at each sorted
    window, where a longer n-gram's suffix may be looked up there (`linked`). `carried`: [chunks, 2] what a chunk adds
    to `raw` and `continuation` of the last n-gram before it.
    """

    def __init__(
        self, order: int, starts: NDArray[np.int64], windows: Windows, vocabulary_size: int, linked: bool
    ) -> None:
        self.order = order
        self.starts: list[int] = starts.tolist()
        self.size = size = self.starts[-1]
        empty = torch.empty(0, dtype=torch.int32, device=windows.text.device)
        self.tokens = narrow(empty, vocabulary_size).new_empty(size)
        self.places, self.raw, self.continuation = (empty.new_empty(size) for _ in range(3))
        self.first = empty.new_empty(size + 1)
        self.nodes = empty.new_empty(len(windows.text) if linked else 0)
        self.carried = torch.zeros(len(starts) - 1, 2, dtype=torch.int32, device=empty.device)

    def close(self, above: int) -> None:
        """Add what was carried over; `above`: n-grams of the next order."""
        self.first[self.size] = above
        for start, (raw, neighbours) in zip(self.starts, self.carried.tolist(), strict=False):
            if raw or neighbours:
                self.raw[start - 1] += raw
                self.continuation[start - 1] += neighbours


def _read(windows: Windows, order: int, vocabulary_size: int) -> list[_Level]:
    """The levels of all orders: what begins in each chunk of the sorted windows is counted, then filled in."""
    size, device = len(windows.text), windows.text.device
    before = _shared_before(windows)
    parts = chunks(size, device)
    begun = np.stack(over_chunks(partial(_begun, windows, order), size, device))  # [chunks, order]
    starts = np.concatenate([np.zeros_like(begun[:1]), np.cumsum(begun, axis=0)])
    levels = [_Level(k, starts[:, k - 1], windows, vocabulary_size, 1 < k < order) for k in range(1, order + 1)]
    numbers = {part.start: number for number, part in enumerate(parts)}
    fill = partial(_fill, windows, before, levels, vocabulary_size)
    over_parts(lambda part: fill(numbers[part.start], part), parts, device)
    for level, above in zip(levels, [level.size for level in levels[1:]] + [0], strict=True):
        level.close(above)
    _make_dense(levels[0], vocabulary_size)
    return levels


def _begun(windows: Windows, order: int, slots: slice) -> NDArray[np.int64]:
    """[order] n-grams of each order that begin at the windows of one chunk."""
    width = order + 1
    pairs = windows.shared[slots].to(torch.int32) * width + windows.reach(slots)
    table = torch.bincount(pairs, minlength=width * width).view(width, width).cpu().numpy()  # by shared and reach
    return np.array([table[:k, k:].sum() for k in range(1, order + 1)])


def _fill(
    windows: Windows, before: Tensor, levels: list[_Level], vocabulary_size: int, chunk: int, slots: slice
) -> None:
    """Put down what the windows of one chunk have of every level."""
    shared, preceding, reach = windows.shared[slots], before[slots], windows.reach(slots)
    all_whole = bool((reach >= len(levels)).all())
    parents: Tensor | None = None
    for level in levels:
        begun = level.starts[chunk]
        whole = None if all_whole else reach >= level.order
        begins = shared < level.order if whole is None else (shared < level.order) & whole
        heads = flatnonzero(begins).to(torch.int32)
        here = slice(begun, begun + len(heads))
        level.tokens[here] = narrow(windows.token(level.order - 1, slots, heads), vocabulary_size)
        torch.index_select(windows.positions[slots], 0, heads, out=level.places[here])
        _spread(whole, heads, len(shared), level.raw[here], level.carried[chunk, 0])
        if level.order < len(levels):
            new = preceding <= level.order if whole is None else (preceding <= level.order) & whole
            _spread(new, heads, len(shared), level.continuation[here], level.carried[chunk, 1])
        nodes = torch.cumsum(begins, 0, dtype=torch.int32)
        nodes += begun - 1
        if len(level.nodes):
            level.nodes[slots] = nodes
        if parents is not None:
            below = levels[level.order - 2]
            start = below.starts[chunk]
            children = torch.index_select(nodes, 0, parents, out=below.first[start : start + len(parents)])
            children += 1
            children -= begins.index_select(0, parents).to(torch.int32)
        parents = heads


def _spread(flags: Tensor | None, heads: Tensor, size: int, counts: Tensor, carried: Tensor) -> None:
    """Put into `counts` how many of `size` flags (None: all set) are set from each head to the next, [h] int32.

    Those before the first head are put into `carried`, for the n-gram that began in an earlier chunk.
    """
    if flags is None:
        totals = torch.cat([heads, heads.new_tensor([size])])
    else:
        running = torch.zeros(size + 1, dtype=torch.int32, device=heads.device)
        torch.cumsum(flags, 0, dtype=torch.int32, out=running[1:])
        totals = torch.cat([running.index_select(0, heads), running[-1:]])
    torch.sub(totals[1:], totals[:-1], out=counts)
    carried.copy_(totals[0])


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
