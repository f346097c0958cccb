"""Which tokens a step trains on: a pure function of the seed and the step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmbench.tokens import Tokens


@dataclass(frozen=True)
class Batch:
    """`ids` [B, T] are what the net reads, `targets` [B, T] what follows each of them, int64; `documents` [B, T]
    tells documents apart within a row, None where every row lies within one."""

    ids: Tensor
    targets: Tensor
    documents: Tensor | None

    def part(self, start: int, end: int) -> Batch:
        """Rows `start` to `end`."""
        documents = None if self.documents is None else self.documents[start:end]
        return Batch(self.ids[start:end], self.targets[start:end], documents)

    def to(self, device: str) -> Batch:
        """On `device`; from pinned memory to a GPU, without waiting for the copy."""
        if device == "cpu":
            return self
        documents = None if self.documents is None else self.documents.to(device, non_blocking=True)
        return Batch(self.ids.to(device, non_blocking=True), self.targets.to(device, non_blocking=True), documents)

    def pin(self) -> Batch:
        """In page-locked memory, from which a GPU copies while it computes."""
        documents = None if self.documents is None else self.documents.pin_memory()
        return Batch(self.ids.pin_memory(), self.targets.pin_memory(), documents)


def read_rows(tokens: Tokens, starts: NDArray[np.integer[Any]], length: int) -> Batch:
    """Rows of `length` targets from each of `starts` on: what is read is one place behind what is to be predicted,
    and a document's first token is predicted from the end-of-text id.

    ids `a b $ c $` (documents 0 and 3), start 1, length 3: reads `a b $`, predicts `b $ c`, documents `0 0 1`.
    Only the rows are read, so memory-mapped ids stay on disk.
    """
    targets = np.stack([tokens.ids[start : start + length] for start in starts]).astype(np.int64)
    ids = np.empty_like(targets)
    ids[:, 1:] = targets[:, :-1]
    ids[:, 0] = [tokens.ids[start - 1] if start else 0 for start in starts]
    low = np.searchsorted(tokens.documents, starts, side="left")
    high = np.searchsorted(tokens.documents, np.asarray(starts) + length, side="left")
    marks = np.zeros(targets.shape, dtype=np.int32)
    for row in np.flatnonzero(high > low):
        marks[row, tokens.documents[low[row] : high[row]] - starts[row]] = 1
    ids[marks == 1] = tokens.vocabulary.end_of_text
    marks[:, 0] = 0
    documents = torch.from_numpy(marks.cumsum(axis=1)) if marks.any() else None
    return Batch(torch.from_numpy(ids), torch.from_numpy(targets), documents)


class Rows:
    """The training text as rows of `length` tokens, in epochs.

    An epoch cuts the text into neighbouring rows, from a phase drawn at random, and takes them in random order, so
    that it trains on every token once and no two epochs cut at the same places. Both draws depend on the seed and
    the epoch alone: `batch(step)` is the same whether or not the steps before it were taken in this process.
    """

    def __init__(self, tokens: Tokens, length: int, rows: int, seed: int) -> None:
        self.tokens, self.length, self.rows, self.seed = tokens, length, rows, seed
        self.last = len(tokens) - length  # where the last whole row starts
        self.per_epoch = -(-len(tokens) // length) + (self.last > 0)
        self._epoch = -1
        self._order: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._phase = 0

    def starts(self, step: int) -> NDArray[np.int64]:
        """[rows] where each row of the batch of `step` starts in the text."""
        wanted = range(step * self.rows, (step + 1) * self.rows)
        return np.array([self._start(*divmod(index, self.per_epoch)) for index in wanted], dtype=np.int64)

    def batch(self, step: int) -> Batch:
        return read_rows(self.tokens, self.starts(step), self.length)

    def _start(self, epoch: int, index: int) -> int:
        if epoch != self._epoch:
            generator = np.random.default_rng([self.seed, epoch])
            self._phase = int(generator.integers(self.length))
            self._order = generator.permutation(self.per_epoch)
            self._epoch = epoch
        return int(np.clip(self._order[index] * self.length - self._phase, 0, self.last))
