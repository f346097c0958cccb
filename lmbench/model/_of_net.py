"""What the models that hold a net have in common, whoever trained it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from lmbench.errors import UsageError
from lmbench.net.base import Net
from lmbench.runtime import Runtime
from lmbench.tokens import Tokens, Vocabulary
from lmbench.training.evaluation import Windows, log_probs, stride_of
from lmbench.training.options import Training

N = TypeVar("N", bound=Net)


class OfNet(Generic[N]):
    """A model whose figures are those of a net, which is there once it is fitted or loaded."""

    training: Training
    runtime: Runtime
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

    def piece_log_probs(self, pieces: Sequence[NDArray[np.integer[Any]]]) -> list[NDArray[np.float64]]:
        """Of each piece, [k] ids, [k - 1] nats: ln p of all but the first, given what stands before it there; a
        net that carries a state begins each piece without one. Raises UsageError for a piece of more than `row` + 1."""
        lengths = np.array([len(piece) for piece in pieces], dtype=np.int64)
        if len(lengths) and int(lengths.max()) > self.net.row + 1:
            raise UsageError(
                f"windows of {int(lengths.max()) - 1:,} tokens are more than the {self.net.row:,} this model reads "
                "at once"
            )
        ids = np.concatenate([np.zeros(0, dtype=np.int64), *pieces]).astype(np.uint32)
        starts = np.cumsum(lengths) - lengths
        text = Tokens(ids, np.zeros(1, dtype=np.int64), Vocabulary((b"",) * self.net.vocabulary, 0))
        none = np.zeros_like(starts)
        windows = Windows(starts + 1, lengths - 1, none, none.astype(np.bool_))
        found = log_probs(self.net, text, windows, self.runtime.device)
        return [found[start + 1 : start + length] for start, length in zip(starts, lengths, strict=True)]
