from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lmbench.errors import LmbenchError
from lmbench.net.transformer import Transformer
from lmbench.training import checkpoint
from lmbench.training.optimiser import optimisers


def stepped(
    width: int = 16, tied: bool = False, vocabulary: int = 8
) -> tuple[Transformer, list[torch.optim.Optimizer]]:
    torch.manual_seed(0)
    net = Transformer(vocabulary, layers=1, width=width, heads=2, context=8, tied=tied)
    made = optimisers(net, 0.01, 0.1, fused=False)
    ids = torch.arange(8)[None]
    net(ids, ids.roll(1, 1)).backward()
    for optimiser in made:
        optimiser.step()
    return net, made


@pytest.mark.parametrize("tied", [False, True])
def test_weights_moments_and_state_come_back(tmp_path: Path, tied: bool) -> None:
    net, made = stepped(tied=tied)
    best = {name: tensor + 1 for name, tensor in checkpoint.tensors_of(net).items()}
    checkpoint.save(tmp_path, net, best, made, {"state": {"step": 3}})
    other, others = stepped(tied=tied)
    found = checkpoint.load(tmp_path, other, others)
    assert found is not None
    assert found[1] == {"state": {"step": 3}}
    assert all(torch.equal(found[0][name], best[name]) for name in best)
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), other.parameters(), strict=True))
    for mine, theirs in zip(made, others, strict=True):
        for a, b in zip(mine.state.values(), theirs.state.values(), strict=True):
            assert a.keys() == b.keys()
            assert all(torch.equal(a[key], b[key]) for key in a)
    assert [path.name for path in tmp_path.iterdir()] == [checkpoint.NAME]


def test_no_checkpoint_is_no_error(tmp_path: Path) -> None:
    assert checkpoint.load(tmp_path, *stepped()) is None


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    net, made = stepped()
    checkpoint.save(tmp_path, net, {}, made, {})
    path = tmp_path / checkpoint.NAME
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(LmbenchError, match=r"checkpoint\.safetensors: not a whole checkpoint"):
        checkpoint.load(tmp_path, net, made)


@pytest.mark.parametrize("other", [{"width": 32}, {"vocabulary": 9}, {"tied": True}])
def test_a_checkpoint_of_another_width_vocabulary_or_architecture_is_refused(
    tmp_path: Path, other: dict[str, int]
) -> None:
    net, made = stepped()
    checkpoint.save(tmp_path, net, {}, made, {})
    with pytest.raises(LmbenchError, match="another architecture or vocabulary"):
        checkpoint.load(tmp_path, *stepped(**other))  # type: ignore[arg-type]


def test_a_disk_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(LmbenchError, match="cannot write the checkpoint"):
        checkpoint.save(tmp_path / "file", *stepped()[:1], {}, [], {})
