from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from lmbench.errors import LmbenchError
from lmbench.net.transformer import Transformer
from lmbench.training import checkpoint
from lmbench.training.optimiser import optimisers
from lmbench.training.state import State


def stepped(
    width: int = 16, tied: bool = False, vocabulary: int = 8
) -> tuple[Transformer, list[torch.optim.Optimizer]]:
    torch.manual_seed(0)
    net = Transformer(vocabulary, layers=1, width=width, heads=2, context=8, tied=tied)
    made = optimisers(net, 0.01, 0.1)
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
    with pytest.raises(LmbenchError, match=r"checkpoint\.safetensors: not a whole saved checkpoint"):
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


def copied(net: Transformer) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in checkpoint.tensors_of(net).items()}


def rewritten(folder: Path, change: Callable[[dict[str, torch.Tensor]], None], state: str = "{}") -> None:
    """The checkpoint in `folder`, its tensors changed."""
    path = folder / checkpoint.NAME
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 (not a dict)
    change(tensors)
    save_file(tensors, path, {"state": state})


def test_an_optimiser_of_another_version_is_named(tmp_path: Path) -> None:
    net, made = stepped()
    checkpoint.save(tmp_path, net, copied(net), made, {})
    adam = [torch.optim.SGD([{"params": [p]} for p in net.parameters()], lr=0.1) for _ in made]
    with pytest.raises(LmbenchError, match=r"checkpoint\.safetensors: .*moments"):
        checkpoint.load(tmp_path, net, list(adam))
    checkpoint.load(tmp_path, net, made)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("optimiser.0.first.momentum_buffer", torch.zeros(1), "no parameter"),
        ("optimiser.0.99.momentum_buffer", torch.zeros(1), "no parameter"),
        ("optimiser.0.-1.momentum_buffer", torch.zeros(1), "no parameter"),
        ("optimiser.0.0.momentum_buffer", torch.zeros(1), "another shape"),
        ("optimiser.1.0.exp_avg", torch.zeros(1, 1), "another shape"),
        ("optimiser.1.0.step", torch.zeros(3), "another shape"),
        ("optimiser.1.0.step", torch.tensor(-1.0), "below zero"),
        ("optimiser.1.0.exp_avg_sq", -1, "below zero"),
        ("optimiser.1.0.exp_avg", torch.nan, "no number"),
        ("optimiser.1.0.exp_avg", None, "another version"),
        ("net.embedding.weight", torch.inf, "no number"),
        ("best.embedding.weight", torch.zeros(2, 2), "another net's"),
        ("best.embedding.weight", None, "another net's"),
    ],
)
def test_moments_and_weights_are_held_against_the_parameters(
    name: str, value: torch.Tensor | float | None, said: str, tmp_path: Path
) -> None:
    net, made = stepped()
    checkpoint.save(tmp_path, net, copied(net), made, {})

    def change(tensors: dict[str, torch.Tensor]) -> None:
        if value is None:
            del tensors[name]
        elif isinstance(value, torch.Tensor):
            tensors[name] = value
        else:
            tensors[name].fill_(value)

    rewritten(tmp_path, change)
    with pytest.raises(LmbenchError, match=rf"checkpoint\.safetensors: not a whole saved checkpoint \(.*{said}"):
        checkpoint.load(tmp_path, net, made)


def test_the_header_of_a_checkpoint_is_bounded(tmp_path: Path) -> None:
    net, made = stepped()
    checkpoint.save(tmp_path, net, copied(net), made, {})
    path = tmp_path / checkpoint.NAME
    data = path.read_bytes()
    for size in (len(data), 1 << 62):
        path.write_bytes(size.to_bytes(8, "little") + data[8:])
        with pytest.raises(LmbenchError, match=r"not a whole saved checkpoint \(cut"):
            checkpoint.load(tmp_path, net, made)
    path.write_bytes(data)
    rewritten(tmp_path, lambda tensors: None, "[" * 100 + "]" * 100)
    with pytest.raises(LmbenchError, match="nested more than"):
        checkpoint.load(tmp_path, net, made)


def test_a_checkpoint_is_read_in_its_own_folder(tmp_path: Path) -> None:
    net, made = stepped()
    checkpoint.save(tmp_path / "elsewhere", net, copied(net), made, {})
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / checkpoint.NAME).symlink_to(tmp_path / "elsewhere" / checkpoint.NAME)
    with pytest.raises(LmbenchError, match="leads out of"):
        checkpoint.load(tmp_path / "run", net, made)


@pytest.mark.parametrize(
    "change",
    [
        {"step": -1}, {"step": 1.5}, {"tokens": "x"}, {"best": "x"}, {"seconds": math.nan}, {"seconds": -1.0},
        {"done": 1}, {"losses": [None]}, {"losses": {"a": 1}}, {"decay_begin": 2.0}, {"decay_end": 0.5},
        {"curve": [{"tokens": 1}]}, {"curve": [1]}, {"notes": [1]},
        {"curve": [{"tokens": "x", "seconds": 1, "flops": 1, "train": 1, "valid": 1}]},
    ],
)  # fmt: skip
def test_the_state_of_a_training_is_numbers_of_its_kind(change: dict[str, object]) -> None:
    point = {"tokens": 1, "seconds": 0.5, "flops": 1e20, "train": None, "valid": 2.0}
    sound = asdict(State(step=3, losses=[1.0], best=2.5, curve=[point], decay_begin=0.8, notes=["a"]))
    assert asdict(State.read(sound)) == sound
    with pytest.raises(ValueError, match=r".+"):
        State.read(sound | change)


@pytest.mark.parametrize("tied", [False, True])
def test_the_output_layer_has_a_rate_of_its_own(tied: bool) -> None:
    net, _ = stepped(tied=tied)
    made = optimisers(net, 0.01, 0.1, head_rate=0.5)
    rates = {id(p): group["base"] for each in made for group in each.param_groups for p in group["params"]}
    assert rates[id(net.head.weight)] == 0.005
    assert rates[id(net.embedding.weight)] == pytest.approx(0.005 if tied else 0.03)
    assert rates[id(net.blocks[0].mlp.up.weight)] == 0.01


def test_only_what_is_trained_has_an_optimiser() -> None:
    net, _ = stepped()
    net.embedding.weight.requires_grad_(False)
    net.blocks[0].mlp.up.weight.requires_grad_(False)
    held = [p for each in optimisers(net, 0.01, 0.1) for group in each.param_groups for p in group["params"]]
    assert {id(p) for p in held} == {id(p) for p in net.parameters() if p.requires_grad}
