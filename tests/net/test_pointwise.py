from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from lmbench.net._pointwise import relu_squared, rms_norm, rotate, rotations


def of_float64(*shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)


def test_gradients_are_those_of_finite_differences() -> None:
    turning = rotations(5, 4).double()
    assert torch.autograd.gradcheck(rms_norm, (of_float64(3, 5),))
    assert torch.autograd.gradcheck(relu_squared, (of_float64(3, 5),))
    assert torch.autograd.gradcheck(lambda x: rotate(x, turning), (of_float64(2, 5, 3, 4),))


def test_values_are_those_of_the_definitions() -> None:
    x = of_float64(3, 5)
    assert torch.allclose(rms_norm(x), F.rms_norm(x, (5,), eps=torch.finfo(torch.float32).eps), atol=1e-12)
    assert torch.equal(relu_squared(x), F.relu(x).square())
    assert rms_norm(torch.zeros(2, 4)).eq(0).all()


def test_a_pair_turns_by_its_positions_angle() -> None:
    turned = rotate(torch.tensor([1.0, 0.0]).view(1, 1, 1, 2).repeat(1, 3, 1, 1), rotations(3, 2))
    for position in range(3):
        assert turned[0, position, 0].tolist() == pytest.approx([math.cos(position), math.sin(position)])
