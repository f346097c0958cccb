"""The linear recurrence h[t] = a[t] h[t-1] + b[t], for all places at once."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor


def scan(a: Tensor, b: Tensor, start: Tensor) -> Tensor:
    """[B, T, C] of h, from a and b [B, T, C] and h before the first place, [B, C].

    On a CPU place by place. On a GPU in log2 T rounds (Hillis & Steele 1986; for recurrences Kogge & Stone 1973): after
    the round of distance d, place t holds the composition of the maps h -> a h + b of the last 2 d places. The gradient
    is the same recurrence run backwards. With a in 0 .. 1 no term grows, so that float32 loses nothing against going
    place by place; the logarithms of Heinsen 2023 and Feng et al. 2024 are not needed.

    a = (1, 0.5), b = (2, 4), start 1: h = (3, 5.5).
    """
    first = b[:, :1] + a[:, :1] * start[:, None]
    found: Tensor = _Scan.apply(a, torch.cat([first, b[:, 1:]], dim=1))  # type: ignore[no-untyped-call]
    return found


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        h = _compose(a, b)
        ctx.save_for_backward(a, h)
        return h

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        a, h = ctx.saved_tensors
        later = torch.cat([a[:, 1:], torch.zeros_like(a[:, :1])], dim=1)  # dh[t] = gradient[t] + a[t+1] dh[t+1]
        dh = _compose(later.flip(1), gradient.flip(1)).flip(1)
        before = torch.cat([torch.zeros_like(h[:, :1]), h[:, :-1]], dim=1)
        return dh * before, dh


def _compose(a: Tensor, b: Tensor) -> Tensor:
    """h from a and b [B, T, C], where h before the first place is zero."""
    return _one_by_one(a, b) if a.device.type == "cpu" else _in_rounds(a, b)


def _one_by_one(a: Tensor, b: Tensor) -> Tensor:
    h = torch.empty_like(b)
    places = list(zip(a.unbind(1), b.unbind(1), h.unbind(1), strict=True))
    places[0][2].copy_(places[0][1])
    for (_, _, before), (keep, add, now) in pairwise(places):
        torch.addcmul(add, keep, before, out=now)
    return h


def _in_rounds(a: Tensor, b: Tensor) -> Tensor:
    distance, length = 1, a.shape[1]
    while distance < length:
        b = torch.cat([b[:, :distance], torch.addcmul(b[:, distance:], a[:, distance:], b[:, :-distance])], dim=1)
        a = torch.cat([a[:, :distance], a[:, distance:] * a[:, :-distance]], dim=1)
        distance *= 2
    return b
