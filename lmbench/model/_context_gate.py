"""Weights of a mixture that depend on what its models know of each context, where that gains on text not tuned on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lmbench import files
from lmbench.model._gate import Floats, fit_gate, gate_weights
from lmbench.model.base import Context, Knowing, Model, from_document
from lmbench.tokens import Tokens

_ROUNDS = 150
_LEAST = 1e-6  # of probability that every model keeps
_FAR = 5.0  # standard deviations from the mean of validation beyond which a feature says no more
_LARGEST = 1e9  # of a number that is read


class Features:
    """What those of `components` that can say so know of a context, and its place in the document: ln of the tokens
    before, and one more. All of it is known before the token is."""

    def __init__(self, components: Sequence[Model]) -> None:
        self.knowing = [component for component in components if isinstance(component, Knowing)]
        self.reach = max((component.feature_reach for component in self.knowing), default=0)

    def of(self, tokens: Tokens) -> Floats:
        """[n, f] of the context of each token."""
        return self._columns(tokens.ids, tokens.places)

    def after(self, context: Context) -> Floats:
        """[1, f] of `context`, the ids of a document so far."""
        known = np.asarray(context)[max(0, len(context) - self.reach) :]
        places = np.arange(len(context) - len(known), len(context) + 1)
        return self._columns(known, places)[-1:]

    def of_windows(self, windows: NDArray[np.integer[Any]], places: NDArray[np.int64], end_of_text: int) -> Floats:
        """[q, f] after each window [q, N], see `model.base.Windowed`, at its place [q] in its document; a window out of
        the middle of a document is read as if one began with it."""
        windows = np.asarray(windows)[:, -self.reach - 1 :]
        lengths = np.minimum(from_document(windows, end_of_text)[0], self.reach)
        inside = np.arange(windows.shape[1]) >= windows.shape[1] - lengths[:, None]
        closed = np.concatenate([windows, np.full((len(windows), 1), end_of_text, dtype=windows.dtype)], axis=1)
        ids = closed[np.concatenate([inside, np.ones((len(windows), 1), dtype=np.bool_)], axis=1)]
        at = np.cumsum(lengths + 1) - 1  # of the end of text put behind each window
        known = [component.context_features(ids)[at] for component in self.knowing]
        return np.concatenate([np.log1p(places)[:, None], *known], axis=1)

    def _columns(self, ids: Context, places: NDArray[np.int64]) -> Floats:
        known = [component.context_features(ids)[: len(places)] for component in self.knowing]
        return np.concatenate([np.log1p(places)[:, None], *known], axis=1)


@dataclass(eq=False)
class ContextGate:
    """Weights of m models: the softmax of `gate` [f + 1, m] times a one and the features [f], less `centre`, by
    `scale`."""

    centre: Floats
    scale: Floats
    gate: Floats

    @classmethod
    def fit(cls, features: Floats, log_probs: Floats, weights: Floats) -> Self:
        """The gate of most likelihood for n tokens. `features`: [n, f]; `log_probs`: [n, m] nats under each model;
        `weights`: [m], from which it starts and to which it is drawn."""
        centre, scale = features.mean(axis=0), features.std(axis=0)
        scale[scale < 1e-6] = 1.0
        start = np.zeros((features.shape[1] + 1, log_probs.shape[1]))
        start[0] = np.log(weights)
        found = cls(centre, scale, start)
        known = np.ones(log_probs.shape, dtype=bool)
        peaks = log_probs.max(axis=1, keepdims=True)
        probs = np.exp(log_probs - np.where(np.isfinite(peaks), peaks, 0.0))
        found.gate = fit_gate(found._inputs(features), probs, known, start, rounds=_ROUNDS)
        return found

    def log_weights(self, features: Floats) -> Floats:
        """[n, m] nats; the weights of each row sum to one, and each model has some."""
        inputs = self._inputs(features)
        weights = gate_weights(self.gate, inputs, np.ones((len(inputs), self.gate.shape[1]), dtype=bool))
        log_weights: Floats = np.log((weights + _LEAST) / (1 + _LEAST * weights.shape[1]))
        return log_weights

    def _inputs(self, features: Floats) -> Floats:
        standard = ((features - self.centre) / self.scale).clip(-_FAR, _FAR)
        return np.concatenate([np.ones((len(standard), 1)), standard], axis=1)

    def json(self) -> dict[str, Any]:
        return {"centre": self.centre.tolist(), "scale": self.scale.tolist(), "gate": self.gate.tolist()}

    @classmethod
    def of(cls, content: dict[str, Any], features: int, models: int) -> Self:
        """What `json` put down. Raises ValueError where it is not of so many features and models."""
        centre = files.numbers(content["centre"], (features,), -_LARGEST, _LARGEST)
        scale = files.numbers(content["scale"], (features,), np.finfo(np.float64).tiny, _LARGEST)
        return cls(centre, scale, files.numbers(content["gate"], (features + 1, models), -_LARGEST, _LARGEST))
