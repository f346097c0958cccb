"""The row that every other must beat."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lmbench import files
from lmbench.model.base import STRETCH, ModelCard
from lmbench.progress import Progress
from lmbench.tokens import Tokens

__all__ = ["Uniform"]


class Uniform:
    """Every token of the vocabulary equally likely: log V nats per token, whatever the text.

    It learns nothing but the size of the vocabulary, and so costs nothing: the top of the
    scale, and the fastest model to test the rest of the program with.
    """

    def __init__(self) -> None:
        self.size = 0
        self.card = ModelCard(parameters=0, context=0)

    def fit(self, train: Tokens, valid: Tokens, progress: Progress) -> Self:
        self.size = len(train.vocabulary)
        return self

    def log_probs(self, tokens: Tokens, progress: Progress) -> NDArray[np.float64]:
        return np.full(len(tokens), -math.log(self.size))

    def next_log_probs(self, context: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        return np.full(self.size, -math.log(self.size))

    def window_log_probs(self, windows: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        return np.full((len(windows), self.size), -math.log(self.size))

    def stretches(self, tokens: Tokens) -> Iterator[NDArray[np.float64]]:
        width = max(1, STRETCH // self.size)
        for start in range(0, len(tokens), width):
            yield self.window_log_probs(tokens.ids[start : start + width, None])

    def save(self, folder: Path) -> None:
        (folder / "uniform.json").write_text(json.dumps({"vocabulary": self.size}), encoding="utf-8")
        self.card.save(folder / "card.json")

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> Self:
        path = folder / "uniform.json"
        model = cls()
        with files.whole(path, "uniform model"):
            model.size = files.whole_number(files.read_json(path), "vocabulary", 1, files.MOST_TOKENS)
        return model
