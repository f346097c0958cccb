"""The n-grams as a trie in arrays: each k-gram's continuations are one sorted slice of the next level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from lmbench import files
from lmbench.counts.arrays import flatnonzero, narrow, repeated, replace_, widened
from lmbench.counts.compact import Pointer, Pointers
from lmbench.counts.directory import Directory

_WIDE = 16


@dataclass(eq=False)
class Trie:
    """`tokens[k]`: [m] last token of each (k+1)-gram, sorted under its prefix, in the form of `narrow`.
    `first[k]`: [m + 1], the slice of level k+1 that holds each node's children. Order 1 is
    dense: its nodes are the ids 0 .. V-1.

    Worked example, bigrams of V=3: `first[0] = [0, 2, 2, 3]` and the ids `[0, 2, 1]` in
    `tokens[1]` hold (0,0), (0,2) and (2,1).
    """

    tokens: list[Tensor]
    first: Sequence[Pointer]

    @property
    def order(self) -> int:
        return len(self.tokens)

    @property
    def vocabulary_size(self) -> int:
        return self.size(1)

    def size(self, order: int) -> int:
        """Nodes at one order."""
        return len(self.tokens[order - 1])

    def check(self) -> None:
        """Raises ValueError where a token is none of the vocabulary, or a node's children are no slice of the next
        level. What is read from a file is checked before any of its numbers is an index."""
        kind = self.tokens[0].dtype
        if len(self.first) < self.order - 1:
            raise ValueError(f"{len(self.first)} levels of children for {self.order} orders")
        for order in range(2, self.order + 1):
            tokens, first, size = self.tokens[order - 1], self.first[order - 2], self.size(order)
            if tokens.dtype != kind or tokens.ndim != 1:
                raise ValueError(f"tokens.{order} holds {tokens.dtype} of {tokens.ndim} dimensions")
            least = int(self.tokens[0][0])
            files.index(tokens, least + self.vocabulary_size, f"tokens.{order}", least)
            if isinstance(first, Pointers):
                first.check()
            elif first.dtype != torch.int32 or first.ndim != 1:
                raise ValueError(f"first.{order - 1} holds {first.dtype}")
            if len(first) != self.size(order - 1) + 1:
                raise ValueError(f"first.{order - 1} has {len(first):,} numbers")
            bounds = first[:]
            files.ascending(bounds, 0, size, f"first.{order - 1}")
            if int(bounds[0]) != 0 or int(bounds[-1]) != size:
                raise ValueError(f"first.{order - 1} does not hold all of the next level")

    def ids(self, order: int, part: slice) -> Tensor:
        """[p] int32: the last token of each node of `part`."""
        return widened(self.tokens[order - 1][part])

    def degrees(self, order: int) -> Tensor:
        """[m] children of each node of this order."""
        return self.first[order - 1].diff()

    def children(self, order: int, node: int) -> slice:
        """The children of a node of this order, as a slice of the next."""
        start, stop = self.first[order - 1][node : node + 2].tolist()
        return slice(start, stop)

    def parents(self, order: int, part: slice) -> Tensor:
        """[p] int64: the prefix node, one order below, of each node of this order in `part`."""
        first = self.first[order - 2][:]
        if part.stop <= part.start:
            return torch.zeros(0, dtype=torch.int64, device=first.device)
        edges = torch.tensor([part.start, part.stop - 1], dtype=first.dtype, device=first.device)
        low, high = (torch.searchsorted(first, edges, right=True) - 1).tolist()
        parents: Tensor = repeated(first[low : high + 2].clamp(part.start, part.stop).diff()) + low
        return parents

    def columns(self, order: int, part: slice) -> Tensor:
        """[k, p] int32: the tokens of the nodes of `part`, a column each, found from the last token up to the first."""
        found = [self.ids(order, part)]
        start, stop = part.start, part.stop
        if start == stop:
            return found[0].new_zeros(order, 0)
        under: Tensor | None = None  # how many of the nodes asked for lie under each node of the order just looked at
        for above in range(order - 1, 0, -1):
            first = self.first[above - 1][:]
            ends = torch.tensor([start, stop], dtype=first.dtype, device=first.device)
            low = int(torch.searchsorted(first, ends[:1], right=True)) - 1
            high = int(torch.searchsorted(first, ends[1:]))
            bounds = first[low : high + 1].clamp(start, stop)
            if under is None:
                under = bounds.diff()
            else:
                total = torch.zeros(len(under) + 1, dtype=torch.int64, device=first.device)
                torch.cumsum(under, 0, out=total[1:])
                under = total[(bounds - start).long()].diff()
            found.append(self.ids(above, slice(low, high)).repeat_interleave(under))
            start, stop = low, high
        return torch.stack(found[::-1])

    @cached_property
    def directory(self) -> Directory:
        """Made when it is first needed, unless it was loaded."""
        first = self.first[: self.order - 1]
        return Directory.of(self.tokens[1:], first, self.vocabulary_size, self.tokens[0].device)

    def child(self, order: int, nodes: Tensor, ids: Tensor) -> Tensor:
        """[q] the node, of the next order, that continues each of `nodes` with its id; -1 where there is none."""
        asked = flatnonzero(nodes >= 0)
        wanted = ids.index_select(0, asked)
        spread = self.directory.spread.index_select(0, wanted)
        at, stored = self.look_up(order, nodes.index_select(0, asked), narrow(wanted, self.vocabulary_size), spread)
        found = torch.full_like(nodes, -1)
        kept = flatnonzero(stored)
        return found.index_copy_(0, asked.index_select(0, kept), at.index_select(0, kept).to(found.dtype))

    def find(self, words: Tensor) -> Tensor:
        """[m] the node of each column of `words` [k, m], or -1.

        What a column begins with in common with the one before it is looked up once: of sorted columns, little is
        left to look up.
        """
        if words.shape[1] == 0:
            return words[0]
        differs = torch.ones(words.shape[1], dtype=torch.bool, device=words.device)
        differs[1:] = words[0, 1:] != words[0, :-1]
        heads = flatnonzero(differs)
        nodes = words[0, heads]
        for order in range(1, len(words)):
            before = torch.cumsum(differs, 0, dtype=torch.int32) - 1  # of each column, its place among the heads
            differs[1:] |= words[order, 1:] != words[order, :-1]
            heads = flatnonzero(differs)
            nodes = self.child(order, nodes[before[heads]], words[order, heads])
        return nodes[torch.cumsum(differs, 0) - 1]

    def look_up(self, order: int, nodes: Tensor, wanted: Tensor, spread: Tensor) -> tuple[Tensor, Tensor]:
        """What continues each of `nodes`, none of them missing: [q] int32 nodes of the next order, [q] bool if stored.

        `wanted`: the tokens in the form of `narrow`; `spread`: their ranks in the directory. Where
        nothing is stored the node means nothing. All are bisected at once, one gather for each halving of
        the fullest bucket, after the few that are very full have been halved down to the size of the rest.
        """
        first, below = self.first[order - 1], self.tokens[order]
        if len(below) == 0 or len(nodes) == 0:
            return torch.zeros_like(nodes), torch.zeros_like(nodes, dtype=torch.bool)
        at, end = first.index_select(0, nodes), first.index_select(0, nodes + 1)
        at, end = self.directory.bucket(order, at, end, spread)
        last = end.sub_(1)
        width = last - at
        stored = width >= 0
        widest = int(width.max())
        if widest >= _WIDE:
            wide = flatnonzero(width >= _WIDE)
            ends = last.index_select(0, wide)
            begins = _narrow_down(below, at.index_select(0, wide), ends, wanted.index_select(0, wide), widest, _WIDE)
            at.index_copy_(0, wide, begins)
            last = torch.minimum(last, at + (_WIDE - 1), out=last)
        at.clamp_(max=len(below) - 1)
        at = _narrow_down(below, at, last.clamp_(min=0), wanted, min(widest, _WIDE - 1), 1)
        stored &= below.index_select(0, at) == wanted
        return at, stored

    def match(self, text: Tensor, order: int | None = None) -> list[Tensor]:
        """The node of every window of a text: `match[k][i]`, [n - k], is that of `text[i : i + k + 1]`, or -1.

        `text`: [n] token ids; `order`: of the longest windows, None: that of the trie. A window inside which a
        document ends has no node, since no such n-gram was counted.
        """
        nodes = [text]
        for k in range(1, order or self.order):
            nodes.append(self.child(k, nodes[-1][:-1], text[k:]))
        return nodes


def _narrow_down(values: Tensor, at: Tensor, last: Tensor, wanted: Tensor, widest: int, until: int) -> Tensor:
    """[q] the last place from `at` to `last` whose value is not above `wanted`, or `at`; to within `until` places.

    `widest`: the largest last - at. Overwrites `at`.
    """
    step = 1 << max(0, widest).bit_length() >> 1
    while step >= until:
        probe = at + step
        torch.minimum(probe, last, out=probe)
        replace_(at, probe, values.index_select(0, probe) <= wanted)
        step >>= 1
    return at
