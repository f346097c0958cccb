"""A text that grows token by token, and what a model expects at its end: the one place where that is asked."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from lmbench.model.base import Model, next_log_probs


class Following:
    """`model` at the end of a text, which begins empty and to which `accept` adds one token after the other.

    After an end-of-text id the next document begins; a model that remembers earlier documents is told of them. Two that
    have accepted the same ids, one by one, give the same numbers on one machine with one set of versions and threads.
    """

    def __init__(self, model: Model, end_of_text: int, ids: Iterable[int] = ()) -> None:
        self.model = model
        self.end_of_text = end_of_text
        self._ids = np.zeros(1024, dtype=np.int64)
        self._size = self._start = 0
        for token in ids:
            self.accept(token)

    def log_probs(self) -> NDArray[np.float64]:
        """[V] nats: ln p of each token at the end of the text."""
        return next_log_probs(self.model, self._ids[: self._start], self._ids[self._start : self._size])

    def accept(self, token: int) -> None:
        if self._size == len(self._ids):
            self._ids = np.concatenate([self._ids, np.zeros_like(self._ids)])
        self._ids[self._size] = token
        self._size += 1
        if token == self.end_of_text:
            self._start = self._size
