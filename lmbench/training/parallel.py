"""Several processes that train one net: `torchrun --nproc-per-node N -m lmbench ...`.

Every process holds the whole net and reads its share of each batch's rows; gradients are summed over all of them, so
that N processes take the same steps as one does, up to rounding and to what dropout draws. What depends on a clock or
a key (seconds spent, Ctrl-C) or decides when to stop (the validation loss) is said by the first process and believed
by the others. Where one fails, all do.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from lmbench import machine
from lmbench.errors import LmbenchError

_COLLECTIVE: ContextVar[bool] = ContextVar("collective", default=True)
_PATIENCE = timedelta(days=30)  # the others wait while the first process fits n-grams and scores


@dataclass(frozen=True)
class World:
    """This process's place among all of them; alone, nothing is ever exchanged."""

    rank: int = 0
    size: int = 1

    def share(self, rows: int) -> range:
        """The rows of a batch that this process takes; a later process may have none."""
        return range(self.rank * rows // self.size, (self.rank + 1) * rows // self.size)

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace each gradient by its sum over all processes, in one exchange; frozen parameters have none."""
        if self.size == 1:
            return
        held = [p for p in parameters if p.requires_grad]
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

    def agree(self, values: list[float]) -> list[float]:
        """The numbers of the first process. They go from CPU to CPU, so that no GPU is waited for."""
        if self.size == 1:
            return values
        said = torch.tensor(values, dtype=torch.float64)
        dist.broadcast(said, 0)
        return said.tolist()

    @contextmanager
    def agreed(self) -> Iterator[None]:
        """What fails in one process fails in all of them, with what that one says, so that none waits for one that is
        gone. Within the block nothing may be exchanged.

        Raises LmbenchError in all others, and there whatever it was; LmbenchError too where that is not the first.
        """
        failure: Exception | None = None
        try:
            yield
        except Exception as error:
            if self.size == 1:
                raise
            failure = error
        if self.size == 1:
            return
        failed = torch.tensor([0 if failure is None else self.rank + 1])
        dist.all_reduce(failed, op=dist.ReduceOp.MAX)
        if not failed:
            return
        speaker = int(failed) - 1
        kind = "" if isinstance(failure, LmbenchError) else f"{type(failure).__name__}: "
        said = self.tell({"message": f"{kind}{failure}"}, speaker)
        if failure is not None and not self.rank:
            raise failure
        raise LmbenchError(f"process {speaker}: {said and said['message']}") from failure

    def tell(self, message: dict[str, Any] | None, speaker: int = 0) -> dict[str, Any] | None:
        """What one process, the first, says to all, JSON values; the others' own `message` is not looked at."""
        if self.size == 1:
            return message
        said = torch.frombuffer(bytearray(json.dumps(message).encode()), dtype=torch.uint8)
        length = torch.tensor([len(said)])
        dist.broadcast(length, speaker)
        if self.rank != speaker:
            said = torch.empty(int(length), dtype=torch.uint8)
        dist.broadcast(said, speaker)
        heard: dict[str, Any] | None = json.loads(bytes(said.tolist()))
        return heard


@contextmanager
def collective(whether: bool) -> Iterator[None]:
    """Whether what is trained within the block is trained by all processes together, or by this one for itself."""
    before = _COLLECTIVE.set(whether)
    try:
        yield
    finally:
        _COLLECTIVE.reset(before)


@contextmanager
def joined() -> Iterator[World]:
    """The world that torchrun's environment variables describe, until the end of the block; else this process alone.

    Each process takes the GPU of its number on its machine. Raises LmbenchError where there are fewer GPUs than
    processes.
    """
    if machine.launch().size == 1 or not dist.is_available() or not _COLLECTIVE.get():
        yield World()
        return
    ours = not dist.is_initialized()
    if ours:
        gpus = _take_gpu()
        dist.init_process_group("cpu:gloo,cuda:nccl" if gpus else "gloo", timeout=_PATIENCE)
    try:
        yield World(dist.get_rank(), dist.get_world_size())
    finally:
        if ours:
            dist.destroy_process_group()


def _take_gpu() -> bool:
    """Make `cuda` mean this process's own GPU; whether there are any."""
    if not torch.cuda.is_available() or not dist.is_nccl_available():
        return False
    place, there = machine.launch().local_rank, torch.cuda.device_count()
    if place >= there:
        raise LmbenchError(f"more processes than the {there} GPUs here: give torchrun --nproc-per-node {there}")
    torch.cuda.set_device(place)
    return True
