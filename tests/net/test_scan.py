from __future__ import annotations

import pytest
import torch

from lmbench.net import _scan
from lmbench.net._scan import scan


@pytest.fixture(params=["a CPU's way", "a GPU's way"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both on this processor."""
    if request.param == "a GPU's way":
        monkeypatch.setattr(_scan, "_one_by_one", _scan._in_rounds)


def by_steps(a: torch.Tensor, b: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
    h, found = start, []
    for t in range(a.shape[1]):
        h = a[:, t] * h + b[:, t]
        found.append(h)
    return torch.stack(found, dim=1)


def random(length: int, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(length)
    a = torch.rand(2, length, 3, generator=generator, dtype=dtype)
    return (
        a,
        torch.randn(2, length, 3, generator=generator, dtype=dtype),
        torch.randn(2, 3, generator=generator, dtype=dtype),
    )


def test_worked_by_hand() -> None:
    a, b, start = torch.tensor([[[1.0], [0.5]]]), torch.tensor([[[2.0], [4.0]]]), torch.tensor([[1.0]])
    assert scan(a, b, start).flatten().tolist() == [3.0, 5.5]


@pytest.mark.parametrize("length", [1, 2, 3, 7, 64, 1000])
def test_all_places_at_once_are_those_of_the_recurrence(length: int) -> None:
    a, b, start = random(length)
    assert torch.allclose(scan(a, b, start), by_steps(a, b, start), atol=1e-5)


def test_nothing_passes_where_nothing_is_kept() -> None:
    a, b, start = random(10)
    a[:, 4] = 0.0
    changed = b.clone()
    changed[:, :4] += 1.0
    assert torch.equal(scan(a, b, start)[:, 4:], scan(a, changed, start)[:, 4:])


def test_the_gradient_is_that_of_the_recurrence() -> None:
    inputs = [x.requires_grad_() for x in random(6, torch.float64)]
    assert torch.autograd.gradcheck(scan, tuple(inputs))
    weight = torch.randn(2, 6, 3, dtype=torch.float64)
    for mine, slow in zip(
        torch.autograd.grad((scan(*inputs) * weight).sum(), inputs),  # type: ignore[arg-type]
        torch.autograd.grad((by_steps(*inputs) * weight).sum(), inputs),  # type: ignore[arg-type]
        strict=True,
    ):
        assert torch.allclose(mine, slow)
