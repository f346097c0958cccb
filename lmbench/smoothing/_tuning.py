"""Settings that maximise the likelihood of a validation text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmbench.counts.ngrams import NgramCounts, stream
from lmbench.smoothing.base import context_sums
from lmbench.tokens import Tokens


@dataclass
class Observed:
    """What each of v validation tokens meets at each of n orders.

    `seen`: [n, v] the (adjusted) count of the n-gram that ends there, 0 where it is new.
    `sums`: [n, 4, v] of its context: the sum of its continuations' counts, and how many
    of them are 1, 2, and 3 or more; all 0 where the context is new.
    `base`: [v] float64, what each has where all types are equally likely.
    """

    seen: Tensor
    sums: Tensor
    base: Tensor

    def log_likelihood(self, discounts: Tensor) -> Tensor:
        """Mean ln p of the tokens under interpolated discounts [n, 3]; differentiable."""
        probs = self.base
        zero = torch.zeros(1, dtype=torch.float64)
        for seen, (total, *numbers), row in zip(self.seen, self.sums, discounts, strict=True):
            table = torch.cat([zero, row])
            kept = seen - table[seen.clamp(max=3)]
            spent = sum(discount * number for discount, number in zip(row, numbers, strict=True))
            known = total > 0
            divisor = torch.where(known, total, 1)
            probs = torch.where(known, (kept + spent * probs) / divisor, probs)
        return probs.log().mean()


def maximise(observed: Observed, start: Tensor, free: list[int], tied: bool = False) -> Tensor:
    """[n, 3] discounts: those of the orders in `free` (1-based) at the validation likelihood's maximum.

    L-BFGS-B within 0 < D_i < i; the likelihood is smooth and in practice unimodal.
    `tied`: one discount for all counts of an order, below 1.
    """
    rows = torch.tensor([order - 1 for order in free])
    edge = 1e-4
    limits = (1,) if tied else (1, 2, 3)
    highest = torch.tensor([i - edge for i in limits], dtype=torch.float64)

    def with_free(discounts: Tensor) -> Tensor:
        return start.index_put((rows,), discounts.expand(-1, 3))

    first = torch.minimum(start[rows, : len(limits)].clamp(min=edge), highest)
    bounds = [(edge, i - edge) for _ in free for i in limits]
    return with_free(minimised(lambda trial: -observed.log_likelihood(with_free(trial)), first, bounds, maxiter=60))


def minimised(
    loss: Callable[[Tensor], Tensor], start: Tensor, bounds: list[tuple[float, float]] | None = None, **options: Any
) -> Tensor:
    """Where `loss`, which is differentiable, is least, from `start` on (float64, of any shape): L-BFGS-B."""
    from scipy.optimize import minimize

    def value(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        trial = torch.from_numpy(values.reshape(start.shape).copy()).requires_grad_()
        found = loss(trial)
        (gradient,) = torch.autograd.grad(found, trial)
        return float(found.detach()), gradient.numpy().ravel()

    settings: Any = {"method": "L-BFGS-B", "bounds": bounds, "options": options}
    result = minimize(value, start.numpy().ravel(), jac=True, **settings)
    return torch.from_numpy(np.asarray(result.x, dtype=np.float64).reshape(start.shape))


def observe(counts: NgramCounts, amounts: list[Tensor], valid: Tokens) -> Observed:
    """What the tables say of each validation token at each order; `amounts`: each order's counts, raw or adjusted."""
    text = stream(valid.ids, counts.end_of_text, str(counts.device))
    nodes = counts.trie.match(text)
    size = len(text) - 1
    seen = torch.zeros(counts.order, size, dtype=torch.int64)
    sums = torch.zeros(counts.order, 4, size, dtype=torch.int64)
    for order in range(1, counts.order + 1):
        found = context_sums(counts.trie, order, amounts[order - 1])
        context = text.new_zeros(size) if order == 1 else nodes[order - 2][:-1]
        node = nodes[order - 1][1:] if order == 1 else nodes[order - 1]
        if len(node) == 0 or len(amounts[order - 1]) == 0:
            continue
        seen[order - 1, -len(node) :] = torch.where(node >= 0, amounts[order - 1][node.clamp(min=0)], 0)
        for row, value in enumerate((found.total, found.one, found.two, found.more)):
            sums[order - 1, row, -len(node) :] = torch.where(context >= 0, value[context.clamp(min=0)], 0)
    types = counts.types
    return Observed(seen, sums, (types / types.sum())[text[1:].long()])
