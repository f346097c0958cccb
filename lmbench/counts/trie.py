"""The n-grams as a trie in arrays: each k-gram's continuations are one sorted slice of the next level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lmbench.counts.compact import Pointer

_BIAS = 1 << 15
_WIDE = 64


def narrow(ids: Tensor, vocabulary_size: int) -> Tensor:
    """Token ids as the trie keeps them: int16, shifted by -32768 so that order is kept, if all ids fit; else int32."""
    if vocabulary_size > 1 << 16:
        return ids.to(torch.int32)
    return (ids.to(torch.int32) - _BIAS).to(torch.int16)


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

    def ids(self, order: int, part: slice) -> Tensor:
        """[p] int32: the last token of each node of `part`."""
        kept = self.tokens[order - 1][part]
        ids = kept.to(torch.int32)
        return ids + _BIAS if kept.dtype == torch.int16 else ids

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

    def child(self, order: int, nodes: Tensor, ids: Tensor) -> Tensor:
        """[q] the node, of the next order, that continues each of `nodes` with its id; -1 where there is none.

        A binary search in all slices at once: one gather for each halving of the widest
        slice, the few wide ones by themselves until they are no wider than the rest.
        """
        first, below = self.first[order - 1], self.tokens[order]
        found = torch.full_like(nodes, -1)
        asked = torch.nonzero(nodes >= 0).squeeze(1)
        if len(asked) == 0 or len(below) == 0:
            return found
        inside = nodes.index_select(0, asked)
        at = first.index_select(0, inside)
        last = first.index_select(0, inside + 1) - 1
        some = last >= at
        if not bool(some.all()):
            asked, at, last = asked[some], at[some], last[some]
        wanted = narrow(ids.index_select(0, asked), self.vocabulary_size)
        wide = torch.nonzero(last - at >= _WIDE).squeeze(1)
        if len(wide):
            at[wide] = _narrow_down(below, at[wide], last[wide], wanted[wide], _WIDE)
        at = _narrow_down(below, at, torch.minimum(last, at + (_WIDE - 1)), wanted, 1)
        found[asked] = torch.where(below.index_select(0, at) == wanted, at, -1).to(found.dtype)
        return found

    def match(self, text: Tensor) -> list[Tensor]:
        """The node of every window of a text: `match[k][i]`, [n - k], is that of `text[i : i + k + 1]`, or -1.

        `text`: [n] token ids. A window inside which a document ends has no node, since
        no such n-gram was counted.
        """
        nodes = [text]
        for order in range(1, self.order):
            nodes.append(self.child(order, nodes[-1][:-1], text[order:]))
        return nodes


def repeated(times: Tensor) -> Tensor:
    """[sum] int64: each index i, `times[i]` times; `[2, 0, 1]` gives `[0, 0, 2]`."""
    if times.device.type == "cpu":
        return torch.from_numpy(np.repeat(np.arange(len(times)), times.numpy()))
    return torch.repeat_interleave(times)


def _narrow_down(values: Tensor, at: Tensor, last: Tensor, wanted: Tensor, until: int) -> Tensor:
    """[q] the last place from `at` to `last` whose value is not above `wanted`, or `at`; to within `until` places."""
    if len(at) == 0:
        return at
    step = 1 << int((last - at).max()).bit_length()
    while step >= until:
        probe = torch.minimum(at + step, last)
        at = torch.where(values.index_select(0, probe) <= wanted, probe, at)
        step >>= 1
    return at
