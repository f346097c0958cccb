"""Cross-entropy from the vectors before the output layer, without the logits of a whole batch in memory."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_CHUNK = {"cpu": 1 << 18, "cuda": 1 << 27}  # logits made at a time: what stays in a cache
_ROWS = 128  # at the least: with fewer, reading the output matrix takes longer than multiplying by it


def linear_cross_entropy(
    hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, softcap: float | None = None
) -> Tensor:
    """Mean cross-entropy in nats, float32 or float64: of softmax(hidden weight' + bias) at `targets`.

    `hidden`: [..., C], `weight`: [V, C], `bias`: [V], `targets`: [...] int64. `softcap` bounds the logits z smoothly,
    to softcap tanh(z / softcap). The gradient is p - 1(target), so that it is made beside the loss while a part of the
    logits is at hand, and no logits are kept for it (Wijmans et al. 2024, arXiv 2411.09009, on why that matters for
    large vocabularies). Under autocast the products are in its type and the soft-max in float32.
    """
    found: Tensor = _LinearCrossEntropy.apply(
        hidden.reshape(-1, hidden.shape[-1]), weight, bias, targets.reshape(-1), softcap
    )  # type: ignore[no-untyped-call]
    return found


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, softcap: float | None
    ) -> Tensor:
        device = hidden.device.type
        to = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype
        exact = torch.float64 if weight.dtype == torch.float64 else torch.float32
        for_hidden, for_weight, for_bias = ctx.needs_input_grad[:3]
        with torch.autocast(device, enabled=False):
            matrix = weight.to(to)
            total = torch.zeros((), dtype=exact, device=hidden.device)
            d_hidden = torch.empty_like(hidden) if for_hidden else None
            d_weight = torch.zeros_like(weight, dtype=exact) if for_weight else None
            d_bias = torch.zeros_like(bias, dtype=exact) if for_bias and bias is not None else None
            rows = min(len(hidden), max(_ROWS, _CHUNK.get(device, _CHUNK["cuda"]) // len(weight)))
            room = torch.empty(rows, len(weight), dtype=to, device=hidden.device)
            for start in range(0, len(hidden), rows):
                part = hidden[start : start + rows].to(to)
                at = targets[start : start + rows, None]
                scores = torch.mm(part, matrix.T, out=room[: len(part)]).to(exact)
                if bias is not None:
                    scores += bias
                if softcap is not None:
                    scores = scores.div_(softcap).tanh_()
                    slope = 1 - scores * scores
                    scores *= softcap
                expected = scores.gather(1, at)
                shift = scores.amax(1, keepdim=True)
                weights = scores.sub_(shift).exp_()
                sums = weights.sum(1, keepdim=True)
                total += (sums.log() + shift - expected).sum()
                if d_hidden is None and d_weight is None and d_bias is None:
                    continue
                gradient = weights.mul_(1 / sums).scatter_add_(1, at, weights.new_full((), -1.0).expand_as(at))
                if softcap is not None:
                    gradient *= slope
                if d_bias is not None:
                    d_bias += gradient.sum(0)
                gradient = gradient.to(to)
                if d_hidden is not None:
                    d_hidden[start : start + rows] = gradient @ matrix
                if d_weight is not None and d_weight.dtype == to:
                    d_weight.addmm_(gradient.T, part)
                elif d_weight is not None:
                    d_weight += gradient.T @ part
            count = max(1, len(hidden))
            ctx.save_for_backward(d_hidden, d_weight, d_bias)
            ctx.count, ctx.types = count, (weight.dtype, None if bias is None else bias.dtype)
            return total / count

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        d_hidden, d_weight, d_bias = ctx.saved_tensors
        scale = gradient / ctx.count
        return (
            None if d_hidden is None else d_hidden * scale,
            None if d_weight is None else (d_weight * scale).to(ctx.types[0]),
            None if d_bias is None else (d_bias * scale).to(ctx.types[1]),
            None,
            None,
        )
