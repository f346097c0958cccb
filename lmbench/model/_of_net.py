"""What the models that hold a net have in common, whoever trained it."""

from __future__ import annotations

from typing import Generic, TypeVar

from lmbench.net.base import Net
from lmbench.training.evaluation import stride_of
from lmbench.training.options import Training

N = TypeVar("N", bound=Net)


class OfNet(Generic[N]):
    """A model whose figures are those of a net, which is there once it is fitted or loaded."""

    training: Training
    _net: N | None = None

    @property
    def net(self) -> N:
        if self._net is None:
            raise RuntimeError("a net is fitted or loaded before it is asked")
        return self._net

    @property
    def stride(self) -> int | None:
        """How far the window slides; None where a state is carried through each document."""
        return stride_of(self.net, self.training.stride)
