"""A text that grows token by token, and what a model expects at its end: the one place where that is asked."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from lmbench.model.base import Model, start, step


class Following:
    """`model` at the end of a text, which begins empty and to which `accept` adds one token after the other.

    After an end-of-text id the next document begins; a model that remembers earlier documents is told of them. What was
    read is kept (`model.base.step`). Two that have accepted the same ids, and were asked after the same ones, give the
    same numbers on one machine with one set of versions and threads.
    """

    def __init__(self, model: Model, end_of_text: int, ids: Iterable[int] = ()) -> None:
        self.model = model
        self.end_of_text = end_of_text
        self._state = start(model, 1, end_of_text)
        self._unread = [end_of_text, *ids]
        self._log_probs = np.zeros(0)

    def log_probs(self) -> NDArray[np.float64]:
        """[V] nats: ln p of each token at the end of the text."""
        if self._unread:
            scores, self._state = step(self.model, np.array([self._unread], dtype=np.int64), self._state)
            self._unread, self._log_probs = [], scores[0]
        return self._log_probs

    def accept(self, token: int) -> None:
        self._unread.append(token)
