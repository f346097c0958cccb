"""Which of a mixture's sets of weights is used where: a bucket for each place, known from its context alone."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lmbench.counts.backoff import BackoffModel
from lmbench.counts.contexts import longest_contexts
from lmbench.counts.following import longest_window_contexts
from lmbench.errors import LmbenchError
from lmbench.model.base import Model
from lmbench.tokens import Tokens

Kind = Literal["auto", "position", "match"] | None
Ints = NDArray[np.int64]

_POSITIONS = 20
_WEIGHTS = 6


def backoff_model(component: Model) -> BackoffModel | None:
    """The back-off model that an n-gram model is, None for another."""
    found = getattr(component, "model", None)
    return found if isinstance(found, BackoffModel) else None


class Buckets:
    """`kind`: None (one bucket), `position` (of the place in its document, by powers of two) or `match`.

    `match`: by the longest context that the mixture's highest-order n-gram model has stored, and by
    its back-off weight in steps of half a nat: how far, and how surely, that model knows the way.
    `auto`: `match` where there is an n-gram model, else None.
    """

    def __init__(self, kind: Kind, components: list[Model]) -> None:
        found = [model for model in map(backoff_model, components) if model is not None]
        if kind == "match" and not found:
            raise LmbenchError("mixture: buckets=match needs an n-gram model among the models; give position or none")
        self.kind: Kind = kind if kind != "auto" else "match" if found else None
        self.model = max(found, key=lambda model: model.order) if self.kind == "match" else None

    def __len__(self) -> int:
        if self.model is not None:
            return self.model.order * _WEIGHTS
        return _POSITIONS if self.kind == "position" else 1

    @property
    def reach(self) -> int:
        """How many of the last tokens decide."""
        return 0 if self.model is None else self.model.order

    def of(self, tokens: Tokens) -> Ints:
        """[n] the bucket of each token."""
        if self.model is not None:
            return _matched(*longest_contexts(self.model, tokens.ids))[:-1]
        return self._of_places(tokens.places)

    def after(self, context: NDArray[np.integer[Any]]) -> int:
        """The bucket of the token after `context`, the ids of a document so far."""
        if self.model is not None:
            history = np.asarray(context)[max(0, len(context) - self.model.order) :]
            return int(_matched(*longest_contexts(self.model, history))[-1])
        return int(self._of_places(np.array([len(context)]))[0])

    def of_windows(self, windows: NDArray[np.integer[Any]], places: Ints) -> Ints:
        """[q] the bucket of the token after each window [q, N], see `model.base.Windowed`, at its place [q] in its
        document."""
        if self.model is not None:
            return _matched(*longest_window_contexts(self.model, windows))
        return self._of_places(places)

    def _of_places(self, places: Ints) -> Ints:
        if self.kind is None:
            return np.zeros(len(places), dtype=np.int64)
        return np.log2(places + 1).astype(np.int64).clip(max=_POSITIONS - 1)


def _matched(lengths: Ints, log_backoffs: NDArray[np.float64]) -> Ints:
    steps = np.floor(-2 * log_backoffs).clip(0, _WEIGHTS - 1).astype(np.int64)
    return lengths * _WEIGHTS + steps
