"""What a smoothing is, and the recursion that every interpolated one shares.

A smoothing works in two steps: `choose` its settings (discounts, weights, strengths), on
the counts or on a validation text, and `estimate` a back-off model from counts with those
settings. Most smoothings say only what a seen n-gram keeps of its count, what its context
divides by, and what share the context gives to the next lower order; `interpolate` does the rest:

    p(w | h) = (c(hw) - D(c(hw))) / divisor(h) + gamma(h) p(w | h')
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from lmbench.counts.backoff import BackoffModel
from lmbench.counts.ngrams import NgramCounts
from lmbench.counts.parallel import chunks, over_chunks
from lmbench.counts.pruning import select
from lmbench.counts.sums import slice_sums
from lmbench.counts.trie import Trie
from lmbench.progress import Progress, Task
from lmbench.tokens import Tokens

Settings = dict[str, Any]


@dataclass
class Choice:
    """The settings a smoothing arrived at (JSON values), and what the report should say of them."""

    settings: Settings = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


class Smoothing(Protocol):
    """`normalised`: False for a score that is not a distribution; `smoothed`: False where p may be zero."""

    normalised: bool
    smoothed: bool

    def choose(self, counts: NgramCounts, valid: Tokens) -> Choice:
        """The settings, chosen on `counts` or so as to maximise the likelihood of `valid`."""

    def estimate(self, counts: NgramCounts, settings: Settings, progress: Progress) -> BackoffModel:
        """Probabilities and back-off weights from `counts`, with settings that `choose` returned."""


@runtime_checkable
class CutsOff(Protocol):
    """A smoothing that leaves out n-grams of few counts by itself: `cutoffs` names one of `counts.pruning.PRESETS`."""

    cutoffs: str | None


@dataclass
class Order:
    """What an interpolated smoothing says of one order k.

    `amounts`: [m] int32, the count of each k-gram. `divisors`: [c] whole or float64, `gammas`: [c] float64,
    of each context of k-1 tokens (one for k = 1); `interpolate` overwrites the gammas. `discounts`: D for counts
    0, 1, 2, and 3 or more.
    """

    amounts: Tensor
    divisors: Tensor
    gammas: Tensor
    discounts: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)


def interpolate(
    counts: NgramCounts, orders: list[Order], progress: Progress, base: float | None = None
) -> BackoffModel:
    """The back-off model of p(w | h) = (c(hw) - D) / divisor(h) + gamma(h) p(w | h'); `base`: below order 1, None: 1/V.

    V counts the unknown token as its `unknown_types`, which is what lmplz does with --vocab_pad: 1/V for all others.

    A context without continuations gives everything: the caller sets its gamma to 1.
    """
    trie = counts.trie
    types = counts.types
    lower = types / types.sum() if base is None else torch.full_like(types, base)
    columns: list[Tensor] = []
    with progress.task("probabilities", sum(len(order.amounts) for order in orders)) as task:
        for k, order in enumerate(orders, 1):
            if counts.kept and k > 1:
                _pass_on(order, counts.kept[k - 1], trie, k)
            discounts = torch.tensor(order.discounts, dtype=torch.float64, device=counts.device)
            probs = torch.empty(len(order.amounts), dtype=torch.float64, device=counts.device)
            over_chunks(partial(_fill_in, counts, k, order, discounts, lower, probs, task), len(probs), counts.device)
            lower = probs
            columns.append(probs)
    log_probs = [_logarithms(probs) for probs in columns]
    log_backoffs = [_logarithms(order.gammas) for order in orders[1:]]
    model = BackoffModel(trie, log_probs, log_backoffs, counts.end_of_text)
    return select(model, counts.kept) if counts.kept else model


def _fill_in(
    counts: NgramCounts,
    k: int,
    order: Order,
    discounts: Tensor,
    lower: Tensor,
    probs: Tensor,
    task: Task,
    part: slice,
) -> None:
    """Probabilities of one chunk of the k-grams; `lower`: those of the order below."""
    amounts = order.amounts[part]
    kept = amounts - discounts.index_select(0, amounts.clamp(max=3))
    if k == 1:
        probs[part] = kept / order.divisors + order.gammas * lower[part]
    else:
        context = counts.trie.parents(k, part)
        below = lower.index_select(0, counts.suffixes(k, part))
        kept /= order.divisors.index_select(0, context)
        below *= order.gammas.index_select(0, context)
        torch.add(kept, below, out=probs[part])
    task.advance(len(amounts))


def _logarithms(values: Tensor) -> Tensor:
    """ln of each value, in place."""
    over_chunks(lambda part: values[part].log_(), len(values), values.device)
    return values


def _pass_on(order: Order, kept: Tensor, trie: Trie, k: int) -> None:
    """Give what the pruned n-grams of order k would have kept to the order below (KenLM's pruning)."""
    for part in chunks(len(kept), kept.device):
        pruned = torch.nonzero(~kept[part]).squeeze(1)
        amounts = order.amounts[part][pruned]
        context = trie.parents(k, part)[pruned]
        discounts = torch.tensor(order.discounts, dtype=torch.float64, device=kept.device)
        share = (amounts - discounts[amounts.clamp(max=3)]) / order.divisors[context]
        contexts, sizes = torch.unique_consecutive(context, return_counts=True)
        given = slice_sums(share, torch.nn.functional.pad(sizes.cumsum(0), (1, 0)))
        order.gammas.index_copy_(0, contexts, order.gammas[contexts] + given)


@dataclass
class ContextSums:
    """Of each context of k-grams, [c]: the sum of its continuations' counts, and how many are 1, 2, 3 or more."""

    total: Tensor
    one: Tensor
    two: Tensor
    more: Tensor

    @property
    def types(self) -> Tensor:
        """[c] distinct continuations, N1+(h .)."""
        return self.one + self.two + self.more


def context_sums(trie: Trie, order: int, amounts: Tensor) -> ContextSums:
    """Exact sums over each context's continuations of `order` (order 1: one context, all tokens that occur)."""
    size = 1 if order == 1 else trie.size(order - 1)
    columns = [torch.empty(size, dtype=torch.int32, device=amounts.device) for _ in range(4)]

    def keep(part: slice, sums: ContextSums) -> None:
        for column, values in zip(columns, (sums.total, sums.one, sums.two, sums.more), strict=True):
            column[part] = values

    each_context_sums(trie, order, amounts, keep)
    return ContextSums(*columns)


def each_context_sums(trie: Trie, order: int, amounts: Tensor, use: Callable[[slice, ContextSums], None]) -> None:
    """Call `use` with the sums of one chunk of contexts after another, several at a time; see `context_sums`.

    `amounts = [1, 2, 3]` under contexts with the children `first = [0, 2, 2, 3]` have the totals `[3, 0, 3]`.
    The sums are counts of tokens of a text shorter than 2^31.
    """
    if order == 1:
        numbers = [amounts.sum(), (amounts == 1).sum(), (amounts == 2).sum(), (amounts > 2).sum()]
        use(slice(0, 1), ContextSums(*(number.reshape(1).to(torch.int32) for number in numbers)))
        return
    first = trie.first[order - 2]

    def add(part: slice) -> None:
        bounds = first[part.start : part.stop + 1]
        start, stop = bounds[[0, -1]].tolist()
        inside = amounts[start:stop]
        bounds = bounds - start
        total, one, two = (_segments(values, bounds) for values in (inside, inside == 1, inside == 2))
        use(part, ContextSums(total, one, two, bounds.diff() - one - two))

    over_chunks(add, len(first) - 1, amounts.device)


def segment_counts(values: Tensor, first: Tensor, equal: int) -> Tensor:
    """[m] int32: how many of `values` are `equal` in each of the slices first[i] : first[i+1]; exact.

    `values = [1, 2, 1]`, `first = [0, 2, 2, 3]` and 1 gives `[1, 0, 1]`.
    """
    sums = torch.empty(len(first) - 1, dtype=torch.int32, device=values.device)

    def add(part: slice) -> None:
        bounds = first[part.start : part.stop + 1]
        start, stop = bounds[[0, -1]].tolist()
        sums[part] = _segments(values[start:stop] == equal, bounds - start)

    over_chunks(add, len(sums), values.device)
    return sums


def _segments(values: Tensor, bounds: Tensor) -> Tensor:
    """[m] int32: sums of `values` over the slices bounds[i] : bounds[i+1], of which the first begins at 0."""
    running = torch.zeros(len(values) + 1, dtype=torch.int32, device=values.device)
    torch.cumsum(values, 0, dtype=torch.int32, out=running[1:])
    return running.index_select(0, bounds).diff()


def counts_of_counts(amounts: Tensor, most: int) -> list[int]:
    """[n_1 .. n_most]: how many of the counts are 1, 2, ...; `[1, 1, 2, 4]` to 3 gives `[2, 1, 0]`."""

    def count(part: slice) -> Tensor:
        some = amounts[part]
        return torch.stack([(some == number).sum() for number in range(1, most + 1)])

    found = over_chunks(count, len(amounts), amounts.device)
    return torch.stack(found).sum(0).tolist() if found else [0] * most


def fixed_order(counts: NgramCounts, alpha: float, progress: Progress) -> BackoffModel:
    """The back-off model of p(w | h) = (c(hw) + alpha) / (c(h.) + alpha V), h having exactly n-1 tokens.

    In the form of a back-off model: the lower orders, uniform, only pass on what the
    highest leaves. A document's beginning is a shorter context, and as much one as any.
    """
    size = counts.types.sum()
    orders = []
    for order, amounts in enumerate(counts.raw, 1):
        sums = context_sums(counts.trie, order, amounts)
        divisors = sums.total.double() + alpha * size
        gammas = alpha * size / divisors
        if order < counts.order:
            full = torch.zeros(len(sums.total), dtype=torch.bool, device=counts.device)
            if order > 1:
                full[counts.initial(order - 1)] = True
            amounts = amounts * (full if order == 1 else full[counts.trie.parents(order, slice(0, len(amounts)))])
            gammas = torch.where(full, gammas, 1.0)
        orders.append(Order(amounts, divisors, gammas))
    return interpolate(counts, orders, progress)
