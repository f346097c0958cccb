"""Muon, with the matrices of one shape orthogonalised together, in the type that the device multiplies fast."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

Coefficients = tuple[float, float, float]

JORDAN: Coefficients = (3.4445, -4.7750, 2.0315)  # Jordan et al. 2024, taken five times: the steepest at zero
# Amsel et al. 2025 (Polar Express, arXiv 2505.16932): each the best for what the one before leaves of singular values
# within 0.002 .. 1, of arguments divided by SAFETY, for rounding may leave a value above one.
SAFETY = 1.01
POLAR: tuple[Coefficients, ...] = (
    (8.343354, -24.202766, 17.594972),
    (4.070938, -2.969161, 0.547049),
    (3.677792, -2.69642, 0.516588),
    (2.754406, -2.013904, 0.441005),
)
_LEAST = 1e-7  # of a norm that is divided by


class Muon(Optimizer):
    """Momentum of each matrix, made orthogonal: p <- (1 - lr wd) p - lr 0.2 sqrt(max(rows, columns)) O(u).

    m <- 0.95 m + 0.05 g, u = 0.95 m + 0.05 g (Nesterov), O by `orthogonalised` (Jordan et al. 2024); the scale
    gives a step AdamW's usual root mean square (Liu et al. 2025, arXiv 2502.16982, equation 4). With
    `steps=(JORDAN,) * 5` the steps of `torch.optim.Muon(..., adjust_lr_fn="match_rms_adamw")` up to rounding, and the
    same state: that one takes its iterations one matrix at a time and in bfloat16 always, which a processor without
    instructions for it emulates.

    Args:
        params: matrices. Those without a gradient in a step stay as they are in it.
        lr: learning rate, a number or a tensor of one.
        weight_decay: decoupled.
        momentum: share of the momentum that is kept at each step.
        dtype: of the iterations; None: each matrix's own.
        steps: the coefficients of each iteration.

    Raises ValueError for a parameter that is no matrix.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float | Tensor,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        dtype: torch.dtype | None = None,
        steps: Sequence[Coefficients] = POLAR,
    ) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})
        self.dtype, self.steps = dtype, steps
        odd = next((p for group in self.param_groups for p in group["params"] if p.ndim != 2), None)
        if odd is not None:
            raise ValueError(f"Muon takes matrices, not a tensor of shape {tuple(odd.shape)}")

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """One step with the gradients that there are; `closure` is not supported, and None."""
        assert closure is None
        for group in self.param_groups:
            held = [p for p in group["params"] if p.grad is not None]
            if held:
                self._step(held, group["lr"], group["weight_decay"], group["momentum"])

    def _step(self, held: list[nn.Parameter], lr: float | Tensor, decay: float, momentum: float) -> None:
        grads = [p.grad for p in held if p.grad is not None]
        for p in held:
            if not self.state[p]:
                self.state[p]["momentum_buffer"] = torch.zeros_like(p)
        weights: list[Tensor] = [*held]
        buffers = [self.state[p]["momentum_buffer"] for p in held]
        torch._foreach_lerp_(buffers, grads, 1 - momentum)
        updates = torch._foreach_lerp(grads, buffers, momentum)
        torch._foreach_mul_(weights, 1 - lr * decay)
        stacks: dict[tuple[int, int], list[int]] = defaultdict(list)
        for index, p in enumerate(held):
            stacks[(min(p.shape), max(p.shape))].append(index)
        for (_, longer), members in stacks.items():
            # all of them wide: a tall matrix's transpose has the transposed result
            wide = torch.stack([_wide(updates[index]) for index in members]).to(self.dtype)
            done = orthogonalised(wide, self.steps).to(held[members[0]].dtype).mul_(-0.2 * longer**0.5 * lr)
            turned = [_like(each, held[index]) for each, index in zip(done, members, strict=True)]
            torch._foreach_add_([weights[index] for index in members], turned)


def _wide(matrix: Tensor) -> Tensor:
    return matrix if matrix.shape[0] <= matrix.shape[1] else matrix.mT


def _like(wide: Tensor, p: Tensor) -> Tensor:
    return wide if p.shape[0] <= p.shape[1] else wide.mT


def orthogonalised(stack: Tensor, steps: Sequence[Coefficients] = POLAR) -> Tensor:
    """[k, m, n], m <= n -> the same shape: each matrix with its singular values brought close to one.

    X <- a X + (b A + c A²) X with A = X X', from X of norm one, by one (a, b, c) after the other (Newton and Schulz's
    iteration with five terms). Matrices much wider than high go through A alone: with Z = a + b A + c A² the next X is
    Z X and the next A is Z A Z, so that only m x m products are made between the first and the last. That squares
    the condition, for which bfloat16 is too coarse: there the products are made with X.

    A matrix that is not finite leaves the others of its stack as they are.
    """
    X: Tensor = stack / torch.linalg.matrix_norm(stack, keepdim=True).clamp_min(_LEAST)
    if stack.shape[-1] < 2 * stack.shape[-2] or stack.dtype not in (torch.float32, torch.float64):
        for a, b, c in steps:
            A = X @ X.mT
            X = torch.baddbmm(X, torch.baddbmm(A, A, A, beta=b, alpha=c), X, beta=a)
        return X
    A = X @ X.mT
    product: Tensor | None = None  # of all Z so far; they are polynomials in one matrix, whose order does not matter
    for number, (a, b, c) in enumerate(steps):
        Z = torch.baddbmm(A, A, A, beta=b, alpha=c)
        Z.diagonal(dim1=-2, dim2=-1).add_(a)
        product = Z if product is None else Z @ product
        if number + 1 < len(steps):
            A = Z @ A @ Z
    return X if product is None else torch.bmm(product, X)
