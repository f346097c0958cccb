"""The n-grams as a trie in arrays: each k-gram's continuations are one sorted slice of the next level."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(eq=False)
class Trie:
    """`tokens[k]`: [m] last token of each (k+1)-gram, sorted under its prefix; `tokens[0]` is 0 .. V-1.
    `first[k]`: [m + 1], the slice of level k+1 that holds each node's children.

    Worked example, bigrams of V=3: `first[0] = [0, 2, 2, 3]`, `tokens[1] = [0, 2, 1]` holds
    (0,0), (0,2) and (2,1).
    """

    tokens: list[Tensor]
    first: list[Tensor]

    @property
    def order(self) -> int:
        return len(self.tokens)

    def size(self, order: int) -> int:
        """Nodes at one order."""
        return len(self.tokens[order - 1])

    def degrees(self, order: int) -> Tensor:
        """[m] children of each node of this order."""
        return self.first[order - 1].diff()

    def parents(self, order: int, part: slice) -> Tensor:
        """[p] int64: the prefix node, one order below, of each node of this order in `part`."""
        first = self.first[order - 2]
        nodes = torch.arange(part.start, part.stop, dtype=first.dtype, device=first.device)
        return torch.searchsorted(first, nodes, right=True) - 1

    def child(self, order: int, nodes: Tensor, tokens: Tensor) -> Tensor:
        """[q] the node, of the next order, that continues each of `nodes` with its token; -1 where there is none.

        A binary search in all slices at once: one gather for each halving of the widest slice.
        """
        first, below = self.first[order - 1], self.tokens[order]
        found = torch.full_like(nodes, -1)
        if len(below) == 0:
            return found
        known = nodes >= 0
        inside = nodes.clamp(min=0)
        at = first[inside]
        last = first[inside + 1] - 1
        asked = torch.nonzero(known & (last >= at)).squeeze(1)
        if len(asked) == 0:
            return found
        at, last, wanted = at[asked], last[asked], tokens[asked]
        step = 1 << int((last - at).max()).bit_length()
        while step:
            probe = torch.minimum(at + step, last)
            at = torch.where(below[probe] <= wanted, probe, at)
            step >>= 1
        found[asked] = torch.where(below[at] == wanted, at, -1).to(found.dtype)
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
