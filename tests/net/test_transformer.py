from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from lmbench.errors import UsageError
from lmbench.net.base import Setting, build
from lmbench.net.transformer import Transformer, relu_squared, rotate, rotations


def made(**options: Any) -> Transformer:
    """A small one whose outputs do not start at zero, so that every part of it counts."""
    torch.manual_seed(0)
    net = Transformer(11, **{"layers": 2, "width": 16, "heads": 2, "context": 12, **options})
    for p in net.parameters():
        torch.nn.init.normal_(p, std=0.5)
    return net.eval()


def test_gpt2_has_its_published_parameters() -> None:
    with torch.device("meta"):
        net, _ = build(Transformer, Setting(50_257, 10**9), {"preset": "gpt2"})
    assert net.costs(1024)["parameters"] == 124_439_808
    names = {name for name, _ in net.named_parameters()}
    assert "blocks.0.attention.q.bias" in names
    assert "norm.bias" in names
    assert "head.weight" not in names  # tied


def test_gpt2_is_the_function_that_transformers_computes() -> None:
    transformers = pytest.importorskip("transformers", reason="the reference implementation of GPT-2 is not installed")
    config = transformers.GPT2Config(vocab_size=11, n_positions=12, n_embd=16, n_layer=2, n_head=2)
    torch.manual_seed(0)
    theirs = transformers.GPT2LMHeadModel(config).eval()
    ours = made(preset="gpt2", position="learned", tied=True, convolution=1)
    names = {"embedding.weight": "wte.weight", "positions.weight": "wpe.weight"}
    names |= {"norm.weight": "ln_f.weight", "norm.bias": "ln_f.bias"}
    parts = {"norm1": "ln_1", "norm2": "ln_2", "attention.out": "attn.c_proj"}
    parts |= {"mlp.up": "mlp.c_fc", "mlp.out": "mlp.c_proj"}
    for layer in range(2):
        for mine, other in parts.items():
            for kind in ("weight", "bias"):
                names[f"blocks.{layer}.{mine}.{kind}"] = f"h.{layer}.{other}.{kind}"
        for mine in "qkv":
            for kind in ("weight", "bias"):
                names[f"blocks.{layer}.attention.{mine}.{kind}"] = f"h.{layer}.attn.c_attn.{mine}.{kind}"
    state = theirs.transformer.state_dict()
    for layer in range(2):
        for kind in ("weight", "bias"):
            fused = state[f"h.{layer}.attn.c_attn.{kind}"].chunk(3, dim=-1)
            state |= {f"h.{layer}.attn.c_attn.{mine}.{kind}": part for mine, part in zip("qkv", fused, strict=True)}
    with torch.no_grad():
        for name, p in ours.named_parameters():
            value = state[names[name]]
            p.copy_(value.T if "c_" in names[name] and name.endswith("weight") else value)
    ids = torch.randint(11, (3, 12))
    assert torch.allclose(ours.logits(ours.hidden(ids)), theirs(ids).logits, atol=1e-5)


@pytest.mark.parametrize("options", [{"position": "learned"}, {"position": "none"}, {"preset": "gpt2"}])
def test_a_document_in_a_row_of_several_is_read_as_if_it_stood_alone(options: dict[str, Any]) -> None:
    net = made(**options)
    ids = torch.randint(11, (2, 12))
    documents = torch.tensor([[0] * 5 + [1] * 7, [0] * 3 + [1] * 6 + [2] * 3])
    together = net.hidden(ids, documents)
    assert torch.allclose(together[0, 5:], net.hidden(ids[:1, 5:])[0], atol=1e-5)
    assert torch.allclose(together[1, 3:9], net.hidden(ids[1:, 3:9])[0], atol=1e-5)
    assert not torch.allclose(together[1, 3:9], net.hidden(ids)[1, 3:9], atol=1e-3)


@pytest.mark.parametrize("options", [{"position": "learned"}, {"softcap": 5.0}, {"tied": True}])
def test_the_future_is_not_seen_and_the_past_is(options: dict[str, Any]) -> None:
    net = made(**options)
    ids = torch.randint(11, (1, 12))
    changed = ids.clone()
    changed[0, 6] = (changed[0, 6] + 1) % 11
    before, after = net.logits(net.hidden(ids)), net.logits(net.hidden(changed))
    assert torch.allclose(before[0, :6], after[0, :6], atol=1e-6)
    assert all(not torch.allclose(before[0, at], after[0, at], atol=1e-4) for at in range(6, 12))


def test_order_is_seen_by_rotation_and_not_without_positions() -> None:
    ids = torch.tensor([[1, 2, 3, 4]])
    swapped = torch.tensor([[2, 1, 3, 4]])
    for position, sees in (("rope", True), ("learned", True), ("none", False)):
        net = made(position=position, layers=1, convolution=1)
        same = torch.allclose(net.hidden(ids)[0, -1], net.hidden(swapped)[0, -1], atol=1e-5)
        assert same != sees


def test_a_rotated_product_depends_on_the_distance_alone() -> None:
    torch.manual_seed(0)
    rotation = rotations(20, 8)
    q, k = torch.randn(8), torch.randn(8)
    turned_q, turned_k = (rotate(x.expand(1, 20, 1, 8), rotation)[0, :, 0] for x in (q, k))
    products = turned_q @ turned_k.T  # (20, 20)
    for distance in range(5):
        along = products.diagonal(-distance)
        assert torch.allclose(along, along[0].expand_as(along), atol=1e-4)
    assert products[0, 0] == pytest.approx(float(q @ k), abs=1e-4)


def test_it_starts_as_the_uniform_distribution_of_a_bigram() -> None:
    torch.manual_seed(0)
    net = Transformer(11, layers=2, width=16, context=8, convolution=1).eval()
    ids = torch.tensor([[1, 2, 3], [4, 5, 3]])
    hidden = net.hidden(ids)
    assert torch.equal(hidden[0, -1], hidden[1, -1])  # every block adds nothing yet


def test_logits_stay_within_the_softcap() -> None:
    net = made(softcap=3.0)
    logits = net.logits(100 * net.hidden(torch.randint(11, (1, 12))))
    assert 2.9 < float(logits.detach().abs().max()) <= 3.0


def test_relu_squared_and_its_gradient() -> None:
    x = torch.tensor([-2.0, -0.5, 0.0, 0.5, 3.0], dtype=torch.float64, requires_grad=True)
    assert torch.equal(relu_squared(x), F.relu(x).square())
    assert torch.autograd.gradcheck(relu_squared, (x + 0.01,))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 30, "heads": 4}, "width 30 is not a multiple of heads 4"),
        ({"width": 6, "heads": 2}, "even width per head"),
        ({"layers": 0}, "layers"),
        ({"dropout": 1.5}, "dropout"),
        ({"context": 0}, "context"),
        ({"softcap": 0.0}, "softcap"),
    ],
)
def test_sizes_that_make_no_net_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Transformer(11, **options)
