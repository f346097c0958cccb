"""Models of no text at all: their probabilities are drawn anew for each context, by a seed made of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lmbench.model.base import ModelCard


class Drawn:
    """[V] of about `spread` nats between likely and unlikely tokens; `of_threads`: others for each number of them."""

    def __init__(self, size: int, spread: float = 3.0, of_threads: bool = False) -> None:
        self.size = size
        self.spread = spread
        self.of_threads = of_threads
        self.card = ModelCard()

    def next_log_probs(self, context: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        threads = torch.get_num_threads() if self.of_threads else 0
        generator = np.random.default_rng([threads, len(context), *context[-3:].tolist()])
        scores = self.spread * generator.normal(size=self.size)
        found: NDArray[np.float64] = scores - np.logaddexp.reduce(scores)
        return found
