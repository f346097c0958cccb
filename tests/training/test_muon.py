from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lmbench.training.muon import JORDAN, POLAR, SAFETY, Coefficients, Muon, orthogonalised

SHAPES = [(5, 7), (7, 5), (6, 6), (1, 4), (4, 1), (3, 12), (12, 3), (5, 7)]


def one_at_a_time(matrix: Tensor, steps: tuple[Coefficients, ...]) -> Tensor:
    """The definition, without stacks and without the Gram matrix: X <- a X + b X X' X + c X X' X X' X."""
    X = matrix / matrix.norm()
    for a, b, c in steps:
        X = a * X + b * X @ X.T @ X + c * X @ X.T @ X @ X.T @ X
    return X


@pytest.mark.parametrize("steps", [POLAR, (JORDAN,) * 5])
@pytest.mark.parametrize("shape", [(4, 6, 6), (3, 5, 9), (3, 4, 16), (2, 1, 8)])
def test_a_stack_is_orthogonalised_as_each_matrix_by_itself(
    shape: tuple[int, ...], steps: tuple[Coefficients, ...]
) -> None:
    stack = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    expected = torch.stack([one_at_a_time(matrix, steps) for matrix in stack])
    assert (orthogonalised(stack, steps) - expected).abs().max() < 1e-12


def test_singular_values_come_close_to_one_and_singular_vectors_stay() -> None:
    generator = torch.Generator().manual_seed(2)
    left = torch.linalg.qr(torch.randn(8, 8, dtype=torch.float64, generator=generator))[0]
    right = torch.linalg.qr(torch.randn(20, 8, dtype=torch.float64, generator=generator))[0]
    values = torch.logspace(-1.5, 0, 8, dtype=torch.float64)
    matrix = left @ torch.diag(values) @ right.T
    found = left.T @ orthogonalised(matrix[None])[0] @ right
    assert (found.diagonal() - 1).abs().max() < 1 / 3
    assert (found - torch.diag(found.diagonal())).abs().max() < 1e-9


def test_steps_equal_those_taken_one_matrix_at_a_time_in_float64() -> None:
    generator = torch.Generator().manual_seed(3)
    together = [nn.Parameter(torch.randn(shape, dtype=torch.float64, generator=generator)) for shape in SHAPES]
    alone = [p.detach().clone() for p in together]
    momenta = [torch.zeros_like(p) for p in alone]
    made = Muon(together, lr=0.02, weight_decay=0.3)
    for number in range(3):
        for index, p in enumerate(together):
            p.grad = torch.randn(p.shape, dtype=torch.float64, generator=generator)
            if number == 1 and index == 2:  # without a gradient in this step, it and its momentum stay
                p.grad = None
                continue
            momenta[index] = 0.95 * momenta[index] + 0.05 * p.grad
            update = 0.95 * momenta[index] + 0.05 * p.grad
            scale = 0.02 * 0.2 * max(p.shape) ** 0.5
            alone[index] = alone[index] * (1 - 0.02 * 0.3) - scale * one_at_a_time(update, POLAR)
        made.step()
    assert all((p - q).abs().max() < 1e-12 for p, q in zip(together, alone, strict=True))


def test_with_its_iterations_it_is_torchs_muon_within_the_rounding_of_bfloat16() -> None:
    generator = torch.Generator().manual_seed(4)
    ours = [nn.Parameter(torch.randn(shape, generator=generator)) for shape in SHAPES]
    theirs = [nn.Parameter(p.detach().clone()) for p in ours]
    made = Muon(ours, lr=0.02, weight_decay=0.1, steps=(JORDAN,) * 5)
    other = torch.optim.Muon(theirs, lr=0.02, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    before = [p.detach().clone() for p in ours]
    for p, q in zip(ours, theirs, strict=True):
        p.grad = torch.randn(p.shape, generator=generator)
        q.grad = p.grad.clone()
    made.step()
    other.step()
    for p, q, start in zip(ours, theirs, before, strict=True):
        assert (p - q).norm() < 0.04 * (q - start).norm()  # bfloat16 has 8 bits: 0.004 in each of ten products


def test_what_is_not_finite_in_one_matrix_leaves_the_others_of_its_stack_alone() -> None:
    stack = torch.randn(3, 4, 16, generator=torch.Generator().manual_seed(5))
    alone = orthogonalised(stack)
    stack[1, 0, 0] = float("nan")
    found = orthogonalised(stack)
    assert torch.equal(found[0], alone[0])
    assert torch.equal(found[2], alone[2])
    assert found[1].isnan().any()


def test_a_zero_gradient_moves_nothing_but_by_decay() -> None:
    p = nn.Parameter(torch.ones(3, 4))
    p.grad = torch.zeros(3, 4)
    Muon([p], lr=0.1, weight_decay=0.5).step()
    assert torch.allclose(p, torch.full((3, 4), 0.95))


def test_a_learning_rate_may_be_a_tensor_that_is_read_at_each_step() -> None:
    made, others = [], []
    rate = torch.tensor(0.0)
    for lr, kept in ((rate, made), (0.02, others)):
        p = nn.Parameter(torch.arange(12.0).view(3, 4))
        p.grad = torch.ones(3, 4)
        kept += [p, Muon([p], lr=lr, weight_decay=0.1)]
    rate.fill_(0.02)
    made[1].step()
    others[1].step()
    assert torch.allclose(made[0], others[0])


def test_only_matrices() -> None:
    with pytest.raises(ValueError, match=r"not a tensor of shape \(3,\)"):
        Muon([nn.Parameter(torch.zeros(3))], lr=0.1)


def best_quintic(low: float, high: float) -> np.ndarray:
    """[3] the odd polynomial a x + b x³ + c x⁵ that is closest to one on low .. high, by exchange (Remez)."""
    inner = np.array([(3 * low + high) / 4, (low + 3 * high) / 4])
    for _ in range(100):
        x = np.array([low, *inner, high])
        a, b, c, _ = np.linalg.solve(np.stack([x, x**3, x**5, [1, -1, 1, -1]], axis=1), np.ones(4))
        inner = np.sqrt((-3 * b + np.array([-1, 1]) * np.sqrt(9 * b * b - 20 * a * c)) / (10 * c))
    return np.array([a, b, c])


def test_its_polynomials_are_the_best_one_after_another() -> None:
    low, high = 0.002, 1.0
    for step in POLAR:
        best = best_quintic(low, high)
        assert np.array(step) * [SAFETY, SAFETY**3, SAFETY**5] == pytest.approx(best, rel=1e-4)
        low = float(best @ [low, low**3, low**5])
        high = 2 - low
