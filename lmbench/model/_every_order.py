"""Kneser-Ney models of every order up to the longest, from one trie, and their whole distributions side by side.

The model of order k (Chen & Goodman 1998, section 3, interpolated and modified) takes raw counts at order k and
continuation counts below it. Continuation counts do not depend on k, so that all models share what is below their
highest order, and one walk down the trie gives all of their distributions:

    q_1(w) = the unigrams of continuation counts;  q_j(w | h) = (c_j(hw) - D) / c_j(h.) + b_j(h) q_(j-1)(w | h')
    p_k(w | h) = (r_k(hw) - D) / r_k(h.) + g_k(h) q_(k-1)(w | h')
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmbench.counts.ngrams import NgramCounts, stream
from lmbench.counts.parallel import over_chunks
from lmbench.counts.trie import Trie
from lmbench.smoothing.base import ContextSums, each_context_sums
from lmbench.smoothing.modified_kneser_ney import closed_form

CONSTANT = (0.5, 1.0, 1.5)  # where a closed form breaks down, as lmplz --discount_fallback
KNOWN = 5  # what is known of a context: ln(1 + n) of its count, of its types seen once, twice, more often; ln of the
# largest share of a type
_LEAST = 1e-6  # of a share whose logarithm is taken


@dataclass(eq=False)
class Columns:
    """The types of a vocabulary of which a text holds some: a column for each of those, and one for each of the others,
    which all models of counts give the same probability.

    `of_type`: [V] int64 the column of each type. `multiplicity`: [U] int64 types of each column.
    """

    of_type: Tensor
    multiplicity: Tensor

    @classmethod
    def of(cls, counts: Tensor) -> Columns:
        """`counts`: [V] of each type. Worked example: counts 2, 0, 1, 0 have the columns 0, 2, 1, 2, of 1, 1 and 2."""
        seen = counts > 0
        width = int(seen.sum())
        of_type = torch.where(seen, seen.cumsum(0) - 1, width)
        return cls(of_type, torch.bincount(of_type, minlength=width))

    @property
    def width(self) -> int:
        return len(self.multiplicity)

    @cached_property
    def types(self) -> Tensor:
        """[U] int64 a type of each column."""
        types = torch.arange(len(self.of_type), device=self.of_type.device)
        return torch.zeros_like(self.multiplicity).index_copy_(0, self.of_type.flip(0), types.flip(0))


@dataclass(eq=False)
class Shares:
    """What contexts of one kind give to what followed them.

    `first`: [c + 1] where the types after each of c contexts begin; `columns`, `share`: [m] the column of each, and
    (count - D) / count of the context; `rest`: [c] what the context leaves to a shorter one; `known`: [c, 5] float32.
    """

    first: Tensor
    columns: Tensor
    share: Tensor
    rest: Tensor
    known: Tensor | None

    def over(self, lower: Tensor, contexts: Tensor) -> Tensor:
        """[q, U] the distribution after each of `contexts` [q] over `lower` [q, U], that of the shorter context; -1
        stands for one that was not seen, whose distribution is the shorter one's."""
        rows = torch.nonzero(contexts >= 0).squeeze(1)
        at = contexts.index_select(0, rows).long()
        rest = torch.ones(len(contexts), dtype=lower.dtype, device=lower.device)
        rest.index_copy_(0, rows, self.rest.index_select(0, at).to(lower.dtype))
        found = lower * rest[:, None]
        begins = self.first.index_select(0, at).long()
        degrees = self.first.index_select(0, at + 1).long() - begins
        ends = degrees.cumsum(0)
        children = torch.arange(int(ends[-1]) if len(ends) else 0, device=lower.device)
        children += torch.repeat_interleave(begins - (ends - degrees), degrees)
        places = torch.repeat_interleave(rows * found.shape[1], degrees)
        places += self.columns.index_select(0, children)
        flat, share = found.view(-1), self.share.index_select(0, children).to(lower.dtype)
        flat.index_put_((places,), flat.index_select(0, places) + share)
        return found

    def of_targets(self, lower: Tensor, contexts: Tensor, children: Tensor) -> Tensor:
        """[q] the probability of one type after each context, `lower` [q] being that after the shorter one;
        `children`: [q] where the type stands in `share`, -1 where it never followed."""
        seen, follows = contexts >= 0, children >= 0
        rest = torch.where(seen, self.rest.index_select(0, contexts.clamp(min=0).long()).to(lower.dtype), 1.0)
        share = self.share.index_select(0, children.clamp(min=0).long()).to(lower.dtype) if len(self.share) else rest
        return lower * rest + torch.where(follows, share, 0.0)

    def what_is_known(self, contexts: Tensor) -> Tensor:
        """[q, 5] of each context; zeros where it was not seen."""
        assert self.known is not None
        values = self.known.index_select(0, contexts.clamp(min=0).long())
        return torch.where((contexts >= 0)[:, None], values, 0.0)


@dataclass(eq=False)
class EveryOrder:
    """`columns`: of the distributions. `top1`, `low1`: [U] p_1 and q_1. `top`, `low`: of orders 2 to K, the lower ones
    to K - 1, whose contexts are nodes of the trie."""

    trie: Trie
    end_of_text: int
    columns: Columns
    top1: Tensor
    low1: Tensor
    top: list[Shares]
    low: list[Shares]

    @property
    def order(self) -> int:
        return len(self.top) + 1

    @classmethod
    def of(cls, counts: NgramCounts, dtype: torch.dtype, columns: Columns | None = None) -> EveryOrder:
        """All orders of `counts`; `dtype`: of the shares; `columns`: of a longer text, None: of this one."""
        columns = columns or Columns.of(counts.raw[0])
        uniform = counts.types / counts.types.sum()
        ones = []
        for amounts in (counts.raw[0], counts.continuation[0] if counts.order > 1 else counts.raw[0]):
            probs = torch.zeros(columns.width, dtype=torch.float64, device=counts.device)
            probs[columns.of_type] = _unigrams(amounts, uniform)  # of types that were not seen all are the same
            ones.append(probs.to(dtype))
        top, low = [], []
        for order in range(2, counts.order + 1):
            ids = counts.trie.ids(order, slice(None))
            of_children = columns.of_type.index_select(0, ids.long()).int()
            first = counts.trie.first[order - 2][:]
            top.append(Shares(first, of_children, *_shares(counts.trie, order, counts.raw[order - 1], dtype, True)))
            if order < counts.order:
                made = _shares(counts.trie, order, counts.continuation[order - 1], dtype, False)
                low.append(Shares(first, of_children, *made))
        return cls(counts.trie, counts.end_of_text, columns, ones[0], ones[1], top, low)

    def contexts(self, ids: NDArray[np.integer[Any]]) -> Tensor:
        """[K - 1, n + 1] int32: the node of the last j tokens before each id, and after the last, or -1; row j - 1."""
        text = stream(ids, self.end_of_text, str(self.top1.device))
        found = torch.full((self.order - 1, len(text)), -1, dtype=torch.int32, device=text.device)
        if self.order > 1:
            for j, nodes in enumerate(self.trie.match(text, self.order - 1)[: len(text)], 1):
                found[j - 1, j - 1 :] = nodes
                if j > 1:  # what ends with an end of text begins a document, whose context that alone is
                    found[j - 1][text == self.end_of_text] = -1
        return found

    def distributions(self, contexts: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """[q, K, U]: p_1 to p_K after each context, `contexts` [K - 1, q] as `contexts` gives them."""
        size = contexts.shape[1]
        found = torch.empty(size, self.order, self.columns.width, dtype=dtype, device=contexts.device)
        found[:, 0] = self.top1
        lower = self.low1.to(dtype).expand(size, -1)
        for place, (top, nodes) in enumerate(zip(self.top, contexts, strict=True)):
            found[:, place + 1] = top.over(lower, nodes)
            if place < len(self.low):
                lower = self.low[place].over(lower, nodes)
        return found

    def of_targets(self, contexts: Tensor, targets: Tensor) -> Tensor:
        """[q, K] float64: p_1 to p_K of each of `targets` [q] (ids)."""
        columns = self.columns.of_type.index_select(0, targets.long())
        lower = self.low1.double().index_select(0, columns)
        found = [self.top1.double().index_select(0, columns)]
        for order, (top, nodes) in enumerate(zip(self.top, contexts, strict=True), 2):
            children = self.trie.child(order - 1, nodes, targets.to(nodes.dtype))
            found.append(top.of_targets(lower, nodes, children))
            if order - 2 < len(self.low):
                lower = self.low[order - 2].of_targets(lower, nodes, children)
        return torch.stack(found, 1)


def _unigrams(amounts: Tensor, uniform: Tensor) -> Tensor:
    """[V] float64: modified Kneser-Ney's order 1, interpolated with `uniform`."""
    discounts = torch.tensor((0.0, *(closed_form(amounts) or CONSTANT)), dtype=torch.float64, device=amounts.device)
    spent = discounts[amounts.clamp(max=3).long()]
    return (amounts - spent + spent.sum() * uniform) / amounts.sum()


def _shares(
    trie: Trie, order: int, amounts: Tensor, dtype: torch.dtype, with_known: bool
) -> tuple[Tensor, Tensor, Tensor | None]:
    """What each n-gram of `order` keeps, [m], what each context leaves, [c], and what is known of each, [c, 5]."""
    device = amounts.device
    d = torch.tensor((0.0, *(closed_form(amounts) or CONSTANT)), dtype=torch.float64, device=device)
    contexts = trie.size(order - 1)
    rest, totals = (torch.empty(contexts, dtype=torch.float64, device=device) for _ in range(2))
    known = torch.zeros(contexts, KNOWN, device=device) if with_known else None

    def fill(part: slice, sums: ContextSums) -> None:
        spent = d[1] * sums.one.double() + d[2] * sums.two.double() + d[3] * sums.more.double()
        childless = sums.total == 0
        totals[part] = sums.total.double() + childless
        rest[part] = (spent + childless) / totals[part]
        if known is not None:
            columns = (sums.total, sums.one, sums.two, sums.more)
            known[part, : KNOWN - 1] = torch.stack([column.float().log1p() for column in columns], 1)

    each_context_sums(trie, order, amounts, fill)
    shares = torch.empty(len(amounts), dtype=dtype, device=device)

    def share(part: slice) -> None:
        kept = amounts[part] - d[amounts[part].clamp(max=3).long()]
        shares[part] = (kept / totals[trie.parents(order, part)]).to(dtype)

    over_chunks(share, len(amounts), device)
    if known is not None and len(shares):
        largest = torch.segment_reduce(
            shares.float(), "max", lengths=trie.first[order - 2][:].diff().long(), initial=_LEAST
        )
        known[:, KNOWN - 1] = torch.where(known[:, 0] > 0, largest.log(), 0.0)
    return shares, rest.to(dtype), known
