"""What is needed to go on after a crash, in one safetensors file that is replaced in one stroke."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torch.optim import Optimizer

from lmbench import machine
from lmbench.disk import save_tensors
from lmbench.errors import LmbenchError
from lmbench.net.base import Net

NAME = "checkpoint.safetensors"


def tensors_of(net: Net) -> dict[str, Tensor]:
    """Every trained tensor under its name, a shared one once."""
    return {name: p.detach() for name, p in net.named_parameters()}


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
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            state = json.loads(file.metadata()["state"])
        if check is not None:
            check(state)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise LmbenchError(f"{path}: not a whole checkpoint ({error}); remove it to train from the start") from error
    put(net, _under("net.", tensors), path)
    for number, optimiser in enumerate(made):
        content = optimiser.state_dict()
        try:
            for name, tensor in _under(f"optimiser.{number}.", tensors).items():
                index, key = name.split(".", 1)
                content["state"].setdefault(int(index), {})[key] = tensor
            optimiser.load_state_dict(content)
        except (KeyError, ValueError, RuntimeError) as error:
            raise LmbenchError(f"{path}: another version's optimiser ({error}); remove it to train anew") from error
    return _under("best.", tensors), state


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
