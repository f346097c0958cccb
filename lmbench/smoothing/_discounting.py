"""Smoothings that take one amount off every count: absolute discounting and the original Kneser-Ney."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lmbench.counts.backoff import BackoffModel
from lmbench.counts.ngrams import NgramCounts
from lmbench.errors import UsageError
from lmbench.progress import Progress
from lmbench.smoothing._tuning import maximise, observe
from lmbench.smoothing.base import Choice, Order, Settings, context_sums, counts_of_counts, interpolate
from lmbench.tokens import Tokens

TUNING_TOKENS = 400_000


def leaving_one_out(amounts: Tensor) -> float | None:
    """D = n1 / (n1 + 2 n2), the leaving-one-out optimum's bound; None where there are no n1 or no n2.

    Ney, Essen & Kneser 1994. `[1, 1, 2, 5]` gives 2 / (2 + 2) = 0.5.
    """
    once, twice = counts_of_counts(amounts, 2)
    return once / (once + 2 * twice) if once and twice else None


@dataclass
class OneDiscount:
    """p(w | h) = max(c - D, 0) / c(h.) + D N1+(h.) / c(h.) p(w | h'), with one D per order.

    `amounts`: the counts of each order, raw or adjusted, lowest order first. `name`: for the notes.
    """

    name: str
    discount: float | None
    adjusted: bool

    def __post_init__(self) -> None:
        if self.discount is not None and not 0 < self.discount < 1:
            raise UsageError(f"{self.name}: discount must lie between 0 and 1, not {self.discount}")

    def amounts(self, counts: NgramCounts) -> list[Tensor]:
        return [counts.adjusted(order) for order in range(1, counts.order + 1)] if self.adjusted else counts.raw

    def choose(self, counts: NgramCounts, valid: Tokens) -> Choice:
        if self.discount is not None:
            return Choice({"discounts": [self.discount] * counts.order})
        amounts = self.amounts(counts)
        closed = [leaving_one_out(order) for order in amounts]
        broken = [order for order, form in enumerate(closed, 1) if form is None]
        start = torch.tensor([[form or 0.5] * 3 for form in closed], dtype=torch.float64)
        if not broken:
            return Choice({"discounts": start[:, 0].tolist()})
        which = ", ".join(map(str, broken))
        if len(valid) == 0:
            note = f"{self.name} discounts of order {which} set to 0.5: these counts have no closed form"
        else:
            start = maximise(observe(counts, amounts, valid.head(TUNING_TOKENS)), start, broken, tied=True)
            note = f"{self.name} discounts of order {which} tuned on validation: these counts have no closed form"
        return Choice({"discounts": start[:, 0].tolist()}, [note])

    def estimate(self, counts: NgramCounts, settings: Settings, progress: Progress) -> BackoffModel:
        orders = []
        for order, (amounts, discount) in enumerate(zip(self.amounts(counts), settings["discounts"], strict=True), 1):
            sums = context_sums(counts.trie, order, amounts)
            gammas = torch.where(sums.total > 0, discount * sums.types.double() / sums.total, 1.0)
            orders.append(Order(amounts, sums.total, gammas, (0.0, discount, discount, discount)))
        return interpolate(counts, orders, progress)
