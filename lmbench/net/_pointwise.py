"""What a transformer does between its matrix products. On a CPU each is few passes over memory, forward and backward; a
GPU has kernels for them, or torch.compile fuses them there."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

_EPSILON = torch.finfo(torch.float32).eps


def rms_norm(x: Tensor) -> Tensor:
    """x / sqrt(mean(x²) + epsilon) over the last dimension (Zhang & Sennrich 2019), without a gain."""
    if x.device.type != "cpu":
        return F.rms_norm(x, x.shape[-1:])
    normed: Tensor = _RMSNorm.apply(x)  # type: ignore[no-untyped-call]
    return normed


class _RMSNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=_exact(x))
        scale = (norm * norm / x.shape[-1] + _EPSILON).rsqrt_().to(x.dtype)
        y: Tensor = x * scale
        ctx.save_for_backward(y, scale)
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        y, scale = ctx.saved_tensors
        along = (gradient * y).sum(-1, keepdim=True)
        return torch.addcmul(gradient, y, along, value=-1 / y.shape[-1]).mul_(scale)


def _exact(x: Tensor) -> torch.dtype:
    return torch.float64 if x.dtype == torch.float64 else torch.float32


def relu_squared(x: Tensor) -> Tensor:
    """max(x, 0)² (So et al. 2021)."""
    if x.device.type != "cpu":
        return F.relu(x).square()
    squared: Tensor = _ReluSquared.apply(x)  # type: ignore[no-untyped-call]
    return squared


class _ReluSquared(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        relu = x.relu()
        ctx.save_for_backward(relu)
        return relu * relu

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (relu,) = ctx.saved_tensors
        return torch.addcmul(relu.new_zeros(()), gradient, relu, value=2)


def rotations(length: int, width: int, base: float = 10_000.0) -> Tensor:
    """[2, T, 1, width]: cosine and sine of position x frequency (Su et al. 2021, equation 15), each frequency twice,
    its sine first negative."""
    frequency = base ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    angle = torch.arange(length, dtype=torch.float64)[:, None] * frequency
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([torch.cat([cos, cos], 1), torch.cat([-sin, sin], 1)])[:, :, None].float()


def rotate(x: Tensor, rotation: Tensor) -> Tensor:
    """Turn each pair (x[i], x[i + width / 2]) of the last dimension by its position's angle; x: (B, T, nh, hs)."""
    cos, sin = rotation[0], rotation[1]
    if x.device.type != "cpu":
        return x * cos + _swapped(x) * sin
    turned: Tensor = _Rotation.apply(x, cos, sin)  # type: ignore[no-untyped-call]
    return turned


class _Rotation(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.save_for_backward(cos, sin)
        return (_swapped(x) * sin).addcmul_(x, cos)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        cos, sin = ctx.saved_tensors
        return (_swapped(gradient) * sin).neg_().addcmul_(gradient, cos), None, None


def _swapped(x: Tensor) -> Tensor:
    """The second half of the last dimension, then the first."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat([b, a], dim=-1)
