"""Modified Kneser-Ney: three discounts per order, lower orders from continuation counts."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from lmbench.counts.ngrams import NgramCounts, stream
from lmbench.progress import Progress
from lmbench.smoothing.base import Smoothed, interpolate, segment_sum
from lmbench.smoothing._tuning import Observed, maximise
from lmbench.tokens import Tokens

__all__ = ["KneserNey"]

_CONSTANT = (0.5, 1.0, 1.5)
_TUNING_TOKENS = 400_000


class KneserNey:
    """Modified Kneser-Ney, interpolated: three discounts per order, lower orders from continuation counts.

    Chen & Goodman 1998, equations 26 to 29, the method of KenLM's `lmplz` and of SRILM's
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
        discounts: closed (tuned only where the closed form breaks down) or tuned (every order, by validation likelihood)
        fallback: what to do where the closed form breaks down: tuned, or constant (0.5, 1, 1.5: lmplz --discount_fallback)
    """

    normalised = True
    smoothed = True

    def __init__(
        self, discounts: Literal["closed", "tuned"] = "closed", fallback: Literal["tuned", "constant"] = "tuned"
    ) -> None:
        self.discounts = discounts
        self.fallback = fallback

    def estimate(self, counts: NgramCounts, valid: Tokens, progress: Progress) -> Smoothed:
        with progress.task("smoothing", counts.order + 1) as task:
            adjusted = []
            for order in range(1, counts.order + 1):
                adjusted.append(counts.adjusted(order))
                task.advance()
            discounts, chosen, notes = self._discounts(counts, adjusted, valid)
            model = _model(counts, adjusted, discounts)
            task.advance()
        settings: dict[str, Any] = {"discounts": discounts.tolist(), "discounts_chosen": chosen}
        return Smoothed(model, settings, notes)

    def _discounts(
        self, counts: NgramCounts, adjusted: list[Tensor], valid: Tokens
    ) -> tuple[Tensor, list[str], list[str]]:
        """[n, 3] discounts, how each order's were chosen, and notes for the report."""
        closed = [closed_form(order) for order in adjusted]
        chosen = ["closed" if form is not None and self.discounts == "closed" else "tuned" for form in closed]
        start = torch.tensor([list(form or _CONSTANT) for form in closed], dtype=torch.float64)
        broken = [str(order) for order, form in enumerate(closed, 1) if form is None]
        free = [order for order, how in enumerate(chosen, 1) if how == "tuned"]
        if not free:
            return start, chosen, []
        what = f"Kneser-Ney discounts of order {', '.join(broken)}: no closed form on these counts" if broken else ""
        if self.discounts == "closed" and self.fallback == "constant":
            chosen = ["constant" if how == "tuned" else how for how in chosen]
            return start, chosen, [f"{what}; 0.5, 1, 1.5 used instead"]
        if len(valid) == 0:
            chosen = ["constant" if form is None else "closed" for form in closed]
            return start, chosen, [f"{what}; no validation text to tune on, 0.5, 1, 1.5 used instead"] if broken else []
        tuned = maximise(_observe(counts, adjusted, valid.head(_TUNING_TOKENS)), start, free)
        return tuned, chosen, [f"{what}; tuned on validation"] if broken else []


def closed_form(adjusted: Tensor) -> tuple[float, float, float] | None:
    """D1, D2, D3+ of one order from its adjusted counts, or None where the formula gives none in 0 <= D_i <= i."""
    n1, n2, n3, n4 = (int((adjusted == count).sum()) for count in (1, 2, 3, 4))
    if not (n1 and n2 and n3):
        return None
    share = n1 / (n1 + 2 * n2)
    found = tuple(i - (i + 1) * share * after / at for i, at, after in ((1, n1, n2), (2, n2, n3), (3, n3, n4)))
    if not all(0 <= discount <= i for i, discount in enumerate(found, 1)):
        return None
    return found[0], found[1], found[2]


def _model(counts: NgramCounts, adjusted: list[Tensor], discounts: Tensor) -> Any:
    """The back-off model for given discounts."""
    device = counts.device
    alphas, gammas = [], []
    for order in range(1, counts.order + 1):
        amount = adjusted[order - 1]
        table = torch.cat([torch.zeros(1, dtype=torch.float64), discounts[order - 1]]).to(device)
        total, one, two, more = _context_sums(counts, order, amount)
        spent = table[1] * one + table[2] * two + table[3] * more
        # a context without continuations gives everything to the order below
        gamma = torch.where(total > 0, spent / total, 1.0)
        kept = amount.to(torch.float64) - table[amount.clamp(max=3)]
        divisor = total if order == 1 else total.repeat_interleave(counts.trie.degrees(order - 1))
        alphas.append(kept / divisor)
        gammas.append(gamma)
    base = torch.tensor([1.0 / counts.vocabulary_size], dtype=torch.float64, device=device)
    return interpolate(counts, alphas, gammas, base)


def _context_sums(counts: NgramCounts, order: int, amount: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of each context of `order`-grams: the sum of adjusted counts, and how many are 1, 2, and 3 or more."""
    bounds = amount.new_tensor([0, len(amount)]) if order == 1 else counts.trie.first[order - 2]
    packed = segment_sum((amount == 1).to(torch.int64) + ((amount == 2).to(torch.int64) << 32), bounds)
    one, two = packed & 0xFFFFFFFF, packed >> 32
    present = segment_sum((amount > 0).to(torch.int64), bounds) if order == 1 else bounds.diff()
    return segment_sum(amount, bounds), one, two, present - one - two


def _observe(counts: NgramCounts, adjusted: list[Tensor], valid: Tokens) -> Observed:
    """What the tables say of each validation token at each order."""
    text = stream(valid.ids, counts.end_of_text, str(counts.device))
    nodes = counts.trie.match(text)
    size = len(text) - 1
    seen = torch.zeros(counts.order, size, dtype=torch.int64)
    sums = torch.zeros(counts.order, 4, size, dtype=torch.int64)
    for order in range(1, counts.order + 1):
        if order > len(text) - 1 and order > 1:
            break
        node = nodes[order - 1][1:] if order == 1 else nodes[order - 1]
        start = max(0, order - 2)
        seen[order - 1, start:] = torch.where(node >= 0, adjusted[order - 1][node.clamp(min=0)], 0).cpu() if len(
            adjusted[order - 1]
        ) else 0
        context = torch.zeros(size, dtype=torch.int64) if order == 1 else nodes[order - 2][:-1]
        for row, value in enumerate(_context_sums(counts, order, adjusted[order - 1])):
            sums[order - 1, row, start:] = torch.where(context >= 0, value[context.clamp(min=0)], 0).cpu()
    return Observed(seen, sums, counts.vocabulary_size)
