"""An adaptive cache: what the document has said lately, interpolated with a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lmbench.counts.ngrams import MAX_ORDER
from lmbench.counts.recent import recent_continuations, recent_counts
from lmbench.errors import UsageError
from lmbench.model._components import (
    fit_component,
    load_component,
    make_component,
    refit_component,
    save_component,
)
from lmbench.model.base import ModelCard, read_json, whole
from lmbench.progress import Progress
from lmbench.runtime import Runtime
from lmbench.smoothing._discounting import TUNING_TOKENS
from lmbench.smoothing._interpolation import BUCKETS, bucket, interpolation_weights
from lmbench.spec import Spec
from lmbench.tokens import Tokens

__all__ = ["Cache"]

_NEEDED = 50.0  # validation tokens behind a weight: a rare context's own optimum may be 1, and then zero elsewhere
_UNTUNED = 0.1  # the weight of every order where there is no validation text


class Cache:
    """Adaptive: another model, interpolated with the n-grams of the document's last few thousand tokens.

    Kuhn & De Mori 1990: p_0 = p_model; p_k = l_k c(h w) / c(h.) + (1 - l_k) p_(k-1), where c counts
    in the window of the document's own past, and h is the last k-1 tokens; order 1 is their unigram
    cache, order 2 a bigram cache on top of it. An order whose context is not in the window passes.
    The weights depend on how often the context is (a weight for each power of two), and maximise
    the likelihood of the validation text by EM. A document begins with an empty cache: where each
    line is a document, there is little to remember.
    Worked example: after "a b a" in the window, at l_1 = l_2 = 0.1, p(b) is 0.9 (0.9 p_model(b) + 0.1 * 1/3) + 0.1 * 1.

    Args:
        model: the model it rests on
        window: how many tokens back it remembers
        order: longest n-gram it counts: 1 for unigrams alone, 2 for bigrams too, and so on
    """

    def __init__(
        self, model: Spec = Spec("ngram"), window: int = 4000, order: int = 2, runtime: Runtime | None = None
    ) -> None:
        if window < 1:
            raise UsageError(f"cache: window must be at least 1, not {window}")
        if not 1 <= order <= MAX_ORDER:
            raise UsageError(f"cache: order must be 1 to {MAX_ORDER}, not {order}")
        self.base = make_component(model, "model", runtime or Runtime())
        self.spec = model
        self.window = window
        self.order = order
        self.weights = np.full((order, BUCKETS), _UNTUNED)
        self.card = ModelCard(adaptive=True)

    def fit(self, train: Tokens, valid: Tokens, progress: Progress) -> Self:
        self.base = fit_component(self.base, self.spec, train, valid, progress)
        notes = [f"learns from the text it is scored on: the last {self.window:,} tokens of each document"]
        if len(valid):
            sample = valid.head(TUNING_TOKENS)
            seen, total = recent_counts(sample, self.order, self.window)
            below = np.exp(self.base.log_probs(sample, progress)).clip(min=1e-300)
            self.weights = interpolation_weights(seen / np.maximum(total, 1), total, below, needed=_NEEDED)
        else:
            notes.append(f"cache weights set to {_UNTUNED}: there is no validation text for EM")
        base = self.base.card
        self.card = ModelCard(
            parameters=base.parameters,
            stored_ngrams=base.stored_ngrams,
            context=None if base.context is None else max(base.context, self.window),
            adaptive=True,
            smoothed=base.smoothed,
            dtype=base.dtype,
            stride=base.stride,
            training={
                "window": self.window, "order": self.order, "weights": self.weights.tolist(),
                str(self.spec): base.training,
            },
            notes=[*base.notes, *notes],
        )  # fmt: skip
        return self

    def refit(self, train: Tokens, progress: Progress) -> None:
        """Fit the model below anew, where it can be, and keep the weights."""
        refit_component(self.base, train, progress)
        self.card.stored_ngrams = self.base.card.stored_ngrams
        self.card.training[str(self.spec)] = self.base.card.training

    def log_probs(self, tokens: Tokens, progress: Progress) -> NDArray[np.float64]:
        probs = np.exp(self.base.log_probs(tokens, progress))
        seen, total = recent_counts(tokens, self.order, self.window)
        return self._interpolate(probs, seen, total)

    def next_log_probs(self, context: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        probs = np.exp(self.base.next_log_probs(context))
        seen, total = recent_continuations(context, self.order, self.window, len(probs))
        return self._interpolate(probs, seen, total[:, None])

    def _interpolate(
        self, probs: NDArray[np.float64], seen: NDArray[np.int64], total: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        for weights, count, of in zip(self.weights, seen, total, strict=True):
            weight = np.where(of > 0, weights[bucket(of)], 0.0)
            probs = weight * (count / np.maximum(of, 1)) + (1 - weight) * probs
        with np.errstate(divide="ignore"):  # an unsmoothed model below may give zero
            scores: NDArray[np.float64] = np.log(probs)
        return scores

    def save(self, folder: Path) -> None:
        save_component(self.base, folder / "model")
        state = {"model": str(self.spec), "window": self.window, "order": self.order, "weights": self.weights.tolist()}
        (folder / "cache.json").write_text(json.dumps(state, indent=2), encoding="utf-8")
        self.card.save(folder / "card.json")

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> Self:
        path = folder / "cache.json"
        with whole(path, "cache"):
            state = read_json(path)
            spec, base = load_component(state["model"], folder / "model", device)
            fitted = cls.__new__(cls)
            fitted.spec, fitted.base = spec, base
            fitted.window, fitted.order = int(state["window"]), int(state["order"])
            fitted.weights = np.array(state["weights"], dtype=np.float64).reshape(fitted.order, BUCKETS)
        fitted.card = ModelCard.load(folder / "card.json")
        return fitted
