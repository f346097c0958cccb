"""N-gram models of any order, under any smoothing of the `smoothing` folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lmbench.counts.backoff import BackoffModel
from lmbench.counts.ngrams import NgramCounts
from lmbench.errors import UsageError
from lmbench.model.base import ModelCard
from lmbench.progress import Progress
from lmbench.runtime import Runtime
from lmbench.smoothing import smoothings
from lmbench.spec import Spec
from lmbench.tokens import Tokens

__all__ = ["Ngram"]

MAX_ORDER = 32


class Ngram:
    """Counts of up to `order` tokens, smoothed: p(w | the order-1 tokens before it).

    Args:
        order: length of the longest n-gram counted, 1 to 32
        smoothing: how counts become probabilities; `lmbench smoothings` lists them
    """

    def __init__(self, order: int = 5, smoothing: Spec = Spec("modified_kneser_ney"), runtime: Runtime | None = None) -> None:
        if not 1 <= order <= MAX_ORDER:
            raise UsageError(f"ngram: order must be 1 to {MAX_ORDER}, not {order}")
        smoothings.check(smoothing)
        self.order = order
        self.smoothing = smoothing
        self.device = (runtime or Runtime()).device
        self.card = ModelCard(context=order - 1)
        self._model: BackoffModel | None = None

    @property
    def model(self) -> BackoffModel:
        if self._model is None:
            raise RuntimeError("an n-gram model is fitted before it is asked")
        return self._model

    def fit(self, train: Tokens, valid: Tokens, progress: Progress) -> Self:
        counts = self._count(train, progress)
        smoothing = smoothings.make(self.smoothing)
        choice = smoothing.choose(counts, valid)
        self._model = smoothing.estimate(counts, choice.settings, progress)
        self.card = ModelCard(
            stored_ngrams=len(counts),
            context=self.order - 1,
            distribution=smoothing.normalised,
            smoothed=smoothing.smoothed,
            training={"tokens": len(train), **choice.settings},
            notes=choice.notes,
        )
        return self

    def refit(self, train: Tokens, progress: Progress) -> None:
        """Count anew on `train`, with the settings that `fit` chose."""
        counts = self._count(train, progress)
        self._model = smoothings.make(self.smoothing).estimate(counts, self.card.training, progress)
        self.card.stored_ngrams = len(counts)
        self.card.training["tokens"] = len(train)

    def _count(self, train: Tokens, progress: Progress) -> NgramCounts:
        with progress.task(f"counting to order {self.order}", 1) as task:
            counts = NgramCounts(train, self.order, self.device)
            task.advance()
        return counts

    def log_probs(self, tokens: Tokens, progress: Progress) -> NDArray[np.float64]:
        return self.model.score(tokens.ids, progress)

    def next_log_probs(self, context: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        return self.model.next(context)

    def save(self, folder: Path) -> None:
        self.model.save(folder / "ngrams.safetensors")
        self.card.save(folder / "card.json")

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> Self:
        model = BackoffModel.load(folder / "ngrams.safetensors", device)
        fitted = cls(model.order, runtime=Runtime(device=device))
        fitted._model = model
        fitted.card = ModelCard.load(folder / "card.json")
        return fitted
