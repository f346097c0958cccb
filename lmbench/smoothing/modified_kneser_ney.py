"""Modified Kneser-Ney: three discounts per order, lower orders from continuation counts."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from lmbench.counts.backoff import BackoffModel
from lmbench.counts.ngrams import NgramCounts
from lmbench.counts.trie import Trie
from lmbench.progress import Progress
from lmbench.smoothing._discounting import TUNING_TOKENS
from lmbench.smoothing._tuning import maximise, observe
from lmbench.smoothing.base import (
    Choice,
    ContextSums,
    Order,
    Settings,
    counts_of_counts,
    each_context_sums,
    interpolate,
)
from lmbench.tokens import Tokens

__all__ = ["ModifiedKneserNey"]

_CONSTANT = (0.5, 1.0, 1.5)


class ModifiedKneserNey:
    """Modified Kneser-Ney, interpolated: three discounts per order, lower orders from continuation counts.

    Chen & Goodman 1998, section 3 (closed-form discounts: equation 26), the method of KenLM's `lmplz` and of SRILM's
    `-kndiscount -interpolate`:

        p(w | h) = (a(hw) - D(a(hw))) / a(h.) + gamma(h) p(w | h')
        gamma(h) = (D1 N1(h.) + D2 N2(h.) + D3 N3+(h.)) / a(h.)

    where a is the count at the highest order and the number of distinct left neighbours
    below it, and the unigrams are interpolated with 1/V. In closed form, with n_i the
    n-grams of that order for which a = i: Y = n1 / (n1 + 2 n2), D_i = i - (i+1) Y n_(i+1) / n_i.
    Worked example: n1..n4 = 4, 2, 1, 1 gives Y = 1/2, D1 = 1/2, D2 = 5/4, D3 = 1.

    Where an order has too few counts for the closed form (a small or closed vocabulary:
    characters, bytes, parts of speech) it is undefined or out of range; that order's
    discounts are then tuned on validation, and the report says so.

    Args:
        discounts: closed (where the closed form does not break down) or tuned (every order, by validation likelihood)
        fallback: where the closed form breaks down: tuned, or constant (0.5, 1, 1.5, as lmplz --discount_fallback)
    """

    normalised = True
    smoothed = True

    def __init__(
        self, discounts: Literal["closed", "tuned"] = "closed", fallback: Literal["tuned", "constant"] = "tuned"
    ) -> None:
        self.discounts = discounts
        self.fallback = fallback

    def choose(self, counts: NgramCounts, valid: Tokens) -> Choice:
        closed = [closed_form(counts.adjusted(order)) for order in range(1, counts.order + 1)]
        chosen = ["closed" if form is not None and self.discounts == "closed" else "tuned" for form in closed]
        discounts = [list(form or _CONSTANT) for form in closed]
        free = [order for order, how in enumerate(chosen, 1) if how == "tuned"]
        broken = [order for order, form in enumerate(closed, 1) if form is None]
        constant = len(valid) == 0 or (self.fallback == "constant" and self.discounts == "closed")
        if free and not constant:
            amounts = [counts.adjusted(order) for order in range(1, counts.order + 1)]
            observed = observe(counts, amounts, valid.head(TUNING_TOKENS))
            discounts = maximise(observed, torch.tensor(discounts, dtype=torch.float64), free).tolist()
        if constant:
            chosen = ["closed" if form is not None else "constant" for form in closed]
        notes = []
        if broken:
            how = "set to 0.5, 1, 1.5" if constant else "tuned on validation"
            which = ", ".join(str(order) for order in broken)
            notes.append(f"Kneser-Ney discounts of order {which} {how}: these counts have no closed form")
        if constant and self.discounts == "tuned":
            notes.append("Kneser-Ney discounts not tuned: there is no validation text")
        return Choice({"discounts": discounts, "discounts_chosen": chosen}, notes)

    def estimate(self, counts: NgramCounts, settings: Settings, progress: Progress) -> BackoffModel:
        orders = []
        for order, (d1, d2, d3) in enumerate(settings["discounts"], 1):
            amounts = counts.adjusted(order)
            totals, gammas = _contexts(counts.trie, order, amounts, (d1, d2, d3))
            orders.append(Order(amounts, totals, gammas, (0.0, d1, d2, d3)))
        return interpolate(counts, orders, progress)


def _contexts(trie: Trie, order: int, amounts: Tensor, discounts: tuple[float, float, float]) -> tuple[Tensor, Tensor]:
    """[c] int32 a(h.) and [c] float64 gamma(h) of each context; 1 where it has no continuation."""
    size = 1 if order == 1 else trie.size(order - 1)
    totals = torch.empty(size, dtype=torch.int32, device=amounts.device)
    gammas = torch.empty(size, dtype=torch.float64, device=amounts.device)
    d1, d2, d3 = discounts

    def fill(part: slice, sums: ContextSums) -> None:
        spent = d1 * sums.one.double() + d2 * sums.two.double() + d3 * sums.more.double()
        # without continuations nothing is spent: the sum of two flags in place of 0 / 0
        childless = sums.total == 0
        totals[part] = sums.total
        gammas[part] = (spent + childless) / (sums.total + childless.int())

    each_context_sums(trie, order, amounts, fill)
    return totals, gammas


def closed_form(adjusted: Tensor) -> tuple[float, float, float] | None:
    """D1, D2, D3+ of one order from its adjusted counts, or None where the formula gives none in 0 < D_i <= i."""
    n1, n2, n3, n4 = counts_of_counts(adjusted, 4)
    if not (n1 and n2 and n3):
        return None
    share = n1 / (n1 + 2 * n2)
    found = tuple(i - (i + 1) * share * after / at for i, at, after in ((1, n1, n2), (2, n2, n3), (3, n3, n4)))
    if not all(0 < discount <= i for i, discount in enumerate(found, 1)):
        return None
    return found[0], found[1], found[2]
