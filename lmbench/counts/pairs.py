"""Pairs of tokens at a distance: the sparse table of (u, w), w standing d tokens after u."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmbench.counts.ngrams import stream
from lmbench.counts.trie import Trie, narrow
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
        known = contexts >= 0
        inside = contexts.clamp(min=0)
        node = self.trie.child(1, contexts, targets)
        seen = torch.where(node >= 0, self.log_seen[node.clamp(min=0)], 0.0) if len(self.log_seen) else 0.0
        return torch.where(known, self.log_gamma[inside] + seen, 0.0)

    def entries(self, contexts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """All seen pairs of a batch of contexts: rows of the batch, ids, and `log_seen`, each [sum of degrees]."""
        first = self.trie.first[0][:]
        inside = contexts.clamp(min=0)
        degrees = torch.where(contexts >= 0, first[inside + 1] - first[inside], 0)
        rows = torch.repeat_interleave(degrees)
        offsets = torch.arange(len(rows)) - (degrees.cumsum(0) - degrees)[rows]
        at = first[inside][rows] + offsets
        return rows, self.trie.ids(2, slice(None))[at].long(), self.log_seen[at]

    @classmethod
    def count(cls, text: Tensor, end_of_text: int, distance: int, unigram: Tensor) -> Self:
        """Count the pairs of a `stream` ([n + 1]) that lie in one document; `unigram`: [V] probabilities."""
        size = len(unigram)
        left, right = text[:-distance].long(), text[distance:].long()
        # a document ends between the two where an end of text stands after the first and before the second
        ends = torch.cumsum(text == end_of_text, 0)
        together = ends[:-distance] == (ends - (text == end_of_text).to(ends.dtype))[distance:]
        keys, counts = torch.unique((left * size + right)[together], return_counts=True)
        first = torch.searchsorted(keys, torch.arange(size + 1) * size).to(torch.int32)
        total = torch.zeros(size, dtype=torch.float64).index_add_(0, keys // size, counts.double())
        once, twice = int((counts == 1).sum()), int((counts == 2).sum())
        discount = once / (once + 2 * twice) if once and twice else 0.5
        gamma = torch.where(total > 0, discount * first.diff().double() / total, 1.0)
        context, token = keys // size, keys % size
        ratio = (counts.double() - discount) / (total[context] * unigram[token]) + gamma[context]
        vocabulary = narrow(torch.arange(size), size)
        trie = Trie([vocabulary, narrow(token, size)], [first])
        return cls(trie, ratio.log() - gamma[context].log(), gamma.log())


def unigrams(tokens: Tokens) -> Tensor:
    """[V] float64: relative frequencies with half a count for each id of the vocabulary (none is zero)."""
    counts = torch.from_numpy(tokens.counts).double() + 0.5
    return counts / counts.sum()


def contexts_of(ids: NDArray[np.integer[Any]], end_of_text: int, distance: int) -> Tensor:
    """[n, distance] int32: the ids 1, 2, ... tokens before each position in its document; -1 before its beginning.

    The end-of-text id that a document begins with counts as its first token's predecessor.
    """
    text = stream(ids, end_of_text)
    n = len(text) - 1
    contexts = torch.full((n, distance), -1, dtype=torch.int32)
    inside = torch.ones(n, dtype=torch.bool)
    for d in range(1, min(distance, n) + 1):
        before = text[: n + 1 - d]
        inside = inside[len(inside) - len(before) :]
        contexts[d - 1 :, d - 1] = torch.where(inside, before, -1)
        inside = inside & (before != end_of_text)
    return contexts
