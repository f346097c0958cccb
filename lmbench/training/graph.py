"""A whole step of training as one CUDA graph: the GPU is given a step at once and not each of its kernels."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

import torch
from torch import Tensor
from torch.optim import Optimizer

from lmbench.errors import LmbenchError
from lmbench.net.base import Net
from lmbench.training.data import Batch

_WARM = 3  # steps on a stream of their own before the capture, in which libraries choose kernels and take memory
_APART = 0.2  # of the length of a step: how far a graph's may be from the same step launch by launch, in bfloat16


class Replay(Protocol):
    """What a capture gives: `replay` computes the step again on what its tensors hold then."""

    def replay(self) -> None: ...


Step = Callable[[Batch], Tensor]
Capture = Callable[[Callable[[], None]], Replay]


def cuda_capture(work: Callable[[], None]) -> Replay:
    """The kernels that `work` launches, as a graph."""
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(_WARM):
            work()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph


class StepGraph:
    """`step` (gradient and optimisers, the mean loss returned) for batches of one shape.

    Rates must be tensors that are filled anew before each step, and nothing in `step` may wait for the GPU. Net and
    optimisers are left as they were, and so is the random generator. The graph's step is compared with the step itself
    on `batch`; raises LmbenchError where it cannot be captured or is not the same.
    """

    def __init__(
        self, step: Step, batch: Batch, seed: Callable[[], None], held: list[Tensor], capture: Capture = cuda_capture
    ) -> None:
        self.batch = Batch(batch.ids.clone(), batch.targets.clone(), _cloned(batch.documents))
        self.loss = torch.zeros((), device=batch.ids.device)
        self._seed = seed

        def work() -> None:
            self.loss.copy_(step(self.batch))

        before = [tensor.clone() for tensor in held]
        try:
            seed()
            expected_loss = step(self.batch).clone()
            expected = _difference(held, before)
            self.graph = capture(work)
            _restore(held, before)
            found_loss = self(batch)
            found = _difference(held, before)
        except RuntimeError as error:
            raise LmbenchError(f"a step cannot be captured as a CUDA graph ({str(error).splitlines()[0]})") from error
        finally:
            _restore(held, before)
        apart = float((found - expected).norm() / expected.norm().clamp_min(1e-30))
        if not (apart <= _APART and abs(float(found_loss - expected_loss)) <= 0.01 * abs(float(expected_loss))):
            raise LmbenchError(f"a step as a CUDA graph is not the step itself (apart by {apart:.2g} of its length)")

    def __call__(self, batch: Batch) -> Tensor:
        """Take the step on `batch`, on the device already or in pinned memory; returns its loss."""
        self.batch.ids.copy_(batch.ids, non_blocking=True)
        self.batch.targets.copy_(batch.targets, non_blocking=True)
        if self.batch.documents is not None and batch.documents is not None:
            self.batch.documents.copy_(batch.documents, non_blocking=True)
        self._seed()
        self.graph.replay()
        return self.loss.clone()


def tensors_of_step(net: Net, made: Iterable[Optimizer]) -> list[Tensor]:
    """All that a step changes: weights, buffers, and the optimisers' moments, which must be there already."""
    moments = [
        value
        for optimiser in made
        for state in optimiser.state.values()
        for value in state.values()
        if isinstance(value, Tensor)
    ]
    return [*(p.detach() for p in net.parameters()), *net.buffers(), *moments]


def _cloned(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.clone()


def _difference(held: list[Tensor], before: list[Tensor]) -> Tensor:
    return torch.cat([(now - then).flatten().float() for now, then in zip(held, before, strict=True)])


def _restore(held: list[Tensor], before: list[Tensor]) -> None:
    with torch.no_grad():
        for now, then in zip(held, before, strict=True):
            now.copy_(then)
