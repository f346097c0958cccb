"""Several processes that train one net: `torchrun --nproc-per-node N -m lmbench ...`.

Every process holds the whole net and reads its share of each batch's rows; gradients are summed over all of them, so
that N processes take the same steps as one does, up to rounding. What depends on a clock or a key (seconds spent,
Ctrl-C) or decides when to stop (the validation loss) is said by the first process and believed by the others.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn


@dataclass(frozen=True)
class World:
    """This process's place among all of them; alone, nothing is ever exchanged."""

    rank: int = 0
    size: int = 1

    def share(self, rows: int) -> range:
        """The rows of a batch that this process takes; a later process may have none."""
        return range(self.rank * rows // self.size, (self.rank + 1) * rows // self.size)

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace each gradient by its sum over all processes, in one exchange."""
        if self.size == 1:
            return
        held = list(parameters)
        flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in held])
        dist.all_reduce(flat)
        at = 0
        for p in held:
            p.grad = flat[at : at + p.numel()].view_as(p)
            at += p.numel()

    def sum(self, value: Tensor) -> Tensor:
        """The sum of a tensor over all processes."""
        if self.size > 1:
            dist.all_reduce(value)
        return value

    def agree(self, values: list[float], device: str) -> list[float]:
        """The numbers of the first process."""
        if self.size == 1:
            return values
        said = torch.tensor(values, dtype=torch.float64, device=device)
        dist.broadcast(said, 0)
        return said.tolist()


@contextmanager
def joined(device: str) -> Iterator[World]:
    """The world that torchrun's environment variables describe, until the end of the block; else this process alone."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or not dist.is_available():
        yield World()
        return
    ours = not dist.is_initialized()
    if ours:
        dist.init_process_group("nccl" if device == "cuda" else "gloo")
    try:
        yield World(dist.get_rank(), dist.get_world_size())
    finally:
        if ours:
            dist.destroy_process_group()
