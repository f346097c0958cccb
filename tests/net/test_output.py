from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lmbench.net import _output
from lmbench.net._output import linear_cross_entropy
from lmbench.net.base import FEW
from lmbench.net.transformer import Transformer


@pytest.mark.parametrize("softcap", [None, 1.5])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("rows", [1, 4, 100])  # of 21: parts with a rest, and one part
def test_loss_and_gradients_are_those_of_the_whole_logits(
    bias: bool, softcap: float | None, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_output, "_ROWS", rows)
    monkeypatch.setattr(_output, "_CHUNK", {"cpu": 1, "cuda": 1})
    torch.manual_seed(0)
    hidden = torch.randn(7, 3, 5, dtype=torch.float64, requires_grad=True)
    head = nn.Linear(5, 11, bias=bias, dtype=torch.float64)
    targets = torch.randint(11, (7, 3))
    logits = head(hidden)
    if softcap is not None:
        logits = softcap * torch.tanh(logits / softcap)
    expected = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
    found = linear_cross_entropy(hidden, head.weight, head.bias, targets, softcap)
    assert float(found.detach()) == pytest.approx(float(expected.detach()), abs=1e-12)
    wanted = [hidden, *head.parameters()]
    for ours, theirs in zip(
        torch.autograd.grad(3 * found, wanted), torch.autograd.grad(3 * expected, wanted), strict=True
    ):
        assert (ours - theirs).abs().max() < 1e-12


def test_logits_far_from_zero_do_not_overflow() -> None:
    hidden = torch.tensor([[400.0], [-400.0]], requires_grad=True)
    weight = torch.tensor([[1.0], [0.0], [-1.0]])
    found = linear_cross_entropy(hidden, weight, None, torch.tensor([1, 2]))
    assert float(found.detach()) == pytest.approx(200.0)  # 400 nats behind the first, none behind the last
    found.backward()
    assert hidden.grad is not None
    assert hidden.grad.flatten().tolist() == pytest.approx([0.5, 0.0])  # (weight 0 - weight 1) / 2, and nothing


def test_under_autocast_it_is_near_the_loss_in_float32() -> None:
    torch.manual_seed(0)
    hidden, weight = torch.randn(64, 32, requires_grad=True), torch.randn(300, 32, requires_grad=True)
    targets = torch.randint(300, (64,))
    exact = linear_cross_entropy(hidden, weight, None, targets)
    with torch.autocast("cpu", torch.bfloat16):
        near = linear_cross_entropy(hidden, weight, None, targets)
    assert near.dtype == torch.float32
    assert float(near.detach()) == pytest.approx(float(exact.detach()), rel=0.01)
    for ours, theirs in zip(
        torch.autograd.grad(near, [hidden, weight]), torch.autograd.grad(exact, [hidden, weight]), strict=True
    ):
        assert ours.dtype == torch.float32
        assert (ours - theirs).norm() < 0.02 * theirs.norm()


def test_a_net_with_many_types_has_the_loss_that_its_logits_have() -> None:
    torch.manual_seed(0)
    net = Transformer(FEW + 3, layers=1, width=16, context=8, tied=True, softcap=5.0)
    ids, targets = torch.randint(FEW, (2, 8)), torch.randint(FEW, (2, 8))
    expected = F.cross_entropy(net.logits(net.hidden(ids)).flatten(0, 1), targets.flatten())
    found = net(ids, targets)
    assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=1e-6)
    ours, theirs = (torch.autograd.grad(loss, net.embedding.weight)[0] for loss in (found, expected))
    assert torch.allclose(ours, theirs, atol=1e-6)
