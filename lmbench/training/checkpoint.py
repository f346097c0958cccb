"""What is needed to go on after a crash, in one safetensors file that is replaced in one stroke."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor
from torch.optim import Optimizer

from lmbench import files, machine
from lmbench.disk import save_tensors
from lmbench.errors import LmbenchError
from lmbench.net.base import Net
from lmbench.training.optimiser import MOMENTS

NAME = "checkpoint.safetensors"
_REMEDY = "remove it to train from the start"
_HEADER = 1 << 26  # bytes: the state has the loss of each step since the last validation
_COUNT, _SQUARES = "step", "exp_avg_sq"


def tensors_of(net: Net) -> dict[str, Tensor]:
    """Every trained tensor under its name, a shared one once."""
    return {name: p.detach() for name, p in net.named_parameters()}


def copied(net: Net) -> dict[str, Tensor]:
    """Every trained tensor as it is now."""
    return {name: tensor.clone() for name, tensor in tensors_of(net).items()}


def all_finite(net: Net) -> bool:
    """Whether no weight is infinite or NaN."""
    return all(bool(tensor.isfinite().all()) for tensor in tensors_of(net).values())


def put(net: Net, tensors: dict[str, Tensor], source: Path | str) -> None:
    """Copy `tensors` into the net. Raises LmbenchError naming `source` where they are another net's."""
    own = tensors_of(net)
    if own.keys() != tensors.keys() or any(own[name].shape != tensors[name].shape for name in own):
        raise LmbenchError(f"{source}: these are the weights of another architecture or vocabulary")
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(tensors[name])


def save(folder: Path, net: Net, best: dict[str, Tensor], made: list[Optimizer], state: dict[str, Any]) -> None:
    """Write the net, its best weights so far, the optimisers and `state` (JSON values) to `folder`/checkpoint."""
    tensors = {f"net.{name}": tensor for name, tensor in tensors_of(net).items()}
    tensors |= {f"best.{name}": tensor for name, tensor in best.items()}
    for number, optimiser in enumerate(made):
        for index, moments in optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{number}.{index}.{key}": value for key, value in moments.items()}
    tensors = {name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}
    partial = folder / f"{NAME}.{os.getpid()}.partial"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_tensors(partial, tensors, metadata={"state": json.dumps(state)})
        partial.replace(folder / NAME)
    except (OSError, SafetensorError) as error:
        raise LmbenchError(f"{folder / NAME}: cannot write the checkpoint: {machine.reason(error)}") from error
    finally:
        if partial.exists():
            partial.unlink()


def load(
    folder: Path, net: Net, made: list[Optimizer], check: Callable[[dict[str, Any]], None] | None = None
) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Put the checkpoint in `folder` into the net and the optimisers; its best weights and its state.

    None where there is no checkpoint. `check` sees its state before anything is changed, and raises LmbenchError where
    it will not have it. Raises LmbenchError naming the file where it is damaged or another net's.
    """
    path = folder / NAME
    if not (path.exists() or path.is_symlink()):
        return None
    with files.whole(path, "checkpoint", _REMEDY):
        metadata = files.tensor_header(path, _HEADER)[1]
        tensors = files.read_tensors(path, most=_HEADER)
        state = files.parse_json(files.field(metadata, "state", str).encode("utf-8"), _HEADER)
        if check is not None:
            check(state)
        for name, tensor in tensors.items():
            if not bool(tensor.isfinite().all()):
                raise ValueError(f"{name} has what is no number")
    put(net, _under("net.", tensors), path)
    with files.whole(path, "checkpoint", _REMEDY):
        for number, optimiser in enumerate(made):
            content = optimiser.state_dict()
            content["state"] = _moments(optimiser, _under(f"optimiser.{number}.", tensors))
            optimiser.load_state_dict(content)
        best = _under("best.", tensors)
        own = tensors_of(net)
        if best.keys() != own.keys() or any(best[name].shape != own[name].shape for name in own):
            raise ValueError("its best weights are another net's")
    return best, state


def _moments(optimiser: Optimizer, tensors: dict[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    """The moments of each parameter by its number. Raises ValueError where they are not those of `optimiser`, which has
    for each parameter of which it has any: those of its kind, of the parameter's shape."""
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    found: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        number, _, key = name.partition(".")
        if not number.isdecimal() or int(number) >= len(parameters):
            raise ValueError(f"moments of no parameter, {name}: another version's optimiser")
        if tensor.shape != (() if key == _COUNT else parameters[int(number)].shape):
            raise ValueError(f"the moments {name} are of another shape than their parameter")
        if key in (_COUNT, _SQUARES) and float(tensor.min()) < 0:
            raise ValueError(f"the moments {name} are below zero")
        found.setdefault(int(number), {})[key] = tensor
    expected = MOMENTS.get(type(optimiser), frozenset())
    if any(moments.keys() != expected for moments in found.values()):
        raise ValueError("its moments are another version's optimiser's")
    return found


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
