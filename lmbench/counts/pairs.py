"""Pairs of tokens at a distance: the sparse table of (u, w), w standing d tokens after u."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmbench.counts.arrays import narrow, repeated, widened
from lmbench.counts.ngrams import stream
from lmbench.counts.sums import slice_sums
from lmbench.counts.trie import Trie
from lmbench.tokens import Tokens


@dataclass(eq=False)
class PairTable:
    """p_d(w | u) for one distance d, discounted and interpolated with the unigrams, as ratios to them.

        p_d(w | u) / p(w) = (c_d(u, w) - D) / (c_d(u .) p(w)) + gamma_d(u)   where the pair was seen
                          = gamma_d(u) = D N1+(u .) / c_d(u .)               where it was not

    `trie`: two levels, u and under it the w seen after it. `log_seen`: [m] float64, the ln of
    a seen pair's ratio above its context's; `log_gamma`: [V] float64, ln gamma, 0 for a u
    that never stands there. Adding both up to ln p(w) gives ln p_d(w | u).
    """

    trie: Trie
    log_seen: Tensor
    log_gamma: Tensor

    def log_ratio(self, contexts: Tensor, targets: Tensor) -> Tensor:
        """[q] float64: ln p_d(w | u) - ln p(w) of pairs of ids; a context of -1 says nothing: 0."""
        return self.log_ratio_at(contexts, self.nodes(contexts, targets))

    def nodes(self, contexts: Tensor, targets: Tensor) -> Tensor:
        """[q] int32: the node of each pair of ids, -1 where it was not seen."""
        return self.trie.child(1, contexts, targets)

    def log_ratio_at(self, contexts: Tensor, nodes: Tensor) -> Tensor:
        """`log_ratio` of pairs whose nodes are known; a node of -1 was not seen."""
        seen = torch.where(nodes >= 0, self.log_seen[nodes.clamp(min=0)], 0.0) if len(self.log_seen) else 0.0
        return torch.where(contexts >= 0, self.log_gamma[contexts.clamp(min=0)] + seen, 0.0)

    def degrees(self, contexts: Tensor) -> Tensor:
        """[q] how many w were seen after each u; 0 for a context of -1."""
        first = self.trie.first[0][:]
        inside = contexts.clamp(min=0)
        return torch.where(contexts >= 0, first[inside + 1] - first[inside], 0)

    def entries(self, contexts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """All seen pairs of a batch of contexts: rows of the batch, ids, and `log_seen`, each [sum of degrees]."""
        degrees = self.degrees(contexts)
        rows = repeated(degrees)
        begins = self.trie.first[0][:][contexts.clamp(min=0)] - (degrees.cumsum(0) - degrees)
        at = begins[rows] + torch.arange(len(rows), device=rows.device)
        return rows, widened(self.trie.tokens[1][at]).long(), self.log_seen[at]

    @classmethod
    def of(cls, trie: Trie, counts: Tensor, unigram: Tensor, discount: float) -> Self:
        """The table of `counts`, [m] of any number type: where they are not whole, one below D gives all of itself."""
        first = trie.first[0][:]
        counts = counts.double()
        taken = counts.clamp(max=discount)
        total, left = slice_sums(counts, first), slice_sums(taken, first)
        gamma = torch.where(left > 0, left / total, 1.0)
        context, token = trie.parents(2, slice(0, len(counts))), trie.ids(2, slice(None)).long()
        divisor = (total[context] * unigram[token]).clamp(min=torch.finfo(torch.float64).tiny)
        ratio = (counts - taken) / divisor + gamma[context]
        return cls(trie, ratio.log() - gamma[context].log(), gamma.log())


def count_pairs(text: Tensor, end_of_text: int, distance: int, vocabulary_size: int) -> tuple[Trie, Tensor, Tensor]:
    """The pairs of a `stream` ([n + 1]) that lie in one document: their trie, [m] int64 counts, and [n] int32 nodes.

    The nodes are those of the pairs that end at each position of the text; -1 where the document has not begun
    `distance` tokens before.
    """
    size = vocabulary_size
    left, right = text[:-distance].long(), text[distance:].long()
    # a document ends between the two where an end of text stands after the first and before the second
    ends = torch.cumsum(text == end_of_text, 0)
    together = ends[:-distance] == (ends - (text == end_of_text).to(ends.dtype))[distance:]
    keys, found, counts = torch.unique((left * size + right)[together], return_inverse=True, return_counts=True)
    first = torch.searchsorted(keys, torch.arange(size + 1, device=text.device) * size).to(torch.int32)
    trie = Trie([narrow(torch.arange(size, device=text.device), size), narrow(keys % size, size)], [first])
    nodes = torch.full((len(text) - 1,), -1, dtype=torch.int32, device=text.device)
    nodes[distance - 1 :][together] = found.to(torch.int32)
    return trie, counts, nodes


def unigrams(tokens: Tokens) -> Tensor:
    """[V] float64: relative frequencies with half a count for each id of the vocabulary (none is zero)."""
    counts = torch.from_numpy(tokens.counts).double() + 0.5
    return counts / counts.sum()


def window_contexts(windows: NDArray[np.integer[Any]], end_of_text: int, distance: int, device: str = "cpu") -> Tensor:
    """[q, distance] int32: the ids 1, 2, ... tokens before the end of each window [q, N]; -1 before the window, and
    before the last end of text that it holds."""
    text = torch.from_numpy(np.ascontiguousarray(windows, dtype=np.int32)).to(device)
    contexts = torch.full((len(text), distance), -1, dtype=torch.int32, device=device)
    inside = torch.ones(len(text), dtype=torch.bool, device=device)
    for d in range(1, min(distance, text.shape[1]) + 1):
        before = text[:, text.shape[1] - d]
        contexts[:, d - 1] = torch.where(inside, before, -1)
        inside = inside & (before != end_of_text)
    return contexts


def contexts_of(ids: NDArray[np.integer[Any]], end_of_text: int, distance: int, device: str = "cpu") -> Tensor:
    """[n, distance] int32: the ids 1, 2, ... tokens before each position in its document; -1 before its beginning.

    The end-of-text id that a document begins with counts as its first token's predecessor.
    """
    text = stream(ids, end_of_text, device)
    n = len(text) - 1
    contexts = torch.full((n, distance), -1, dtype=torch.int32, device=device)
    inside = torch.ones(n, dtype=torch.bool, device=device)
    for d in range(1, min(distance, n) + 1):
        before = text[: n + 1 - d]
        inside = inside[len(inside) - len(before) :]
        contexts[d - 1 :, d - 1] = torch.where(inside, before, -1)
        inside = inside & (before != end_of_text)
    return contexts
