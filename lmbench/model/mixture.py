"""A weighted sum of models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from lmbench import files
from lmbench.errors import UsageError
from lmbench.model._buckets import Buckets
from lmbench.model._components import (
    fit_component,
    load_component,
    make_component,
    refit_component,
    save_component,
)
from lmbench.model._context_gate import ContextGate, Features
from lmbench.model._gate import Floats
from lmbench.model.base import (
    Context,
    Evidence,
    Model,
    ModelCard,
    distributions,
    evidence,
    from_document,
    in_step,
    next_log_probs,
    start,
    step,
    window_log_probs,
)
from lmbench.progress import Progress
from lmbench.runtime import Runtime
from lmbench.spec import Spec
from lmbench.tokens import Tokens

__all__ = ["Mixture"]

_ROUNDS = 500
_PRIOR = 5.0  # tokens' worth of the weights over all buckets that each bucket starts with
_LEAST = 1e-6
_TUNING_TOKENS = 1_000_000
_GATE_TOKENS = 200_000


class Mixture:
    """Linear mixture: p(w | h) = sum of l_m p_m(w | h) over models of any kind, n-gram or net; weights by EM.

    Jelinek & Mercer 1980; the weights maximise the likelihood of the validation text. They may
    depend on the context by buckets, each of which has its own: `position`, the place in the
    document by powers of two, or `match`, the longest context that the n-gram model of highest
    order has met, and its back-off weight. Or they come from a gate: the softmax of a linear function of what the
    models know of the context (how long a one they have seen, how often, with how many continuations, how sure they
    are), at the maximum of the same likelihood. Settings that the models themselves choose on validation
    are chosen before. Where counts are taken anew on more text, the weights stay.
    Worked example: weights 0.75 and 0.25, probabilities 0.1 and 0.5: 0.75 * 0.1 + 0.25 * 0.5 = 0.2.

    Args:
        models: the models, two or more: mixture(ngram(order=3), transformer)
        buckets: what the weights depend on; none: nothing; auto: match where there is an n-gram
        gate: linear: weights by a gate in place of buckets; auto: where it predicts both halves of the validation text
            better than buckets do, each time fitted on the other half; none: buckets
    """

    def __init__(
        self,
        models: list[Spec],
        buckets: Literal["auto", "position", "match"] | None = "auto",
        gate: Literal["auto", "linear"] | None = "auto",
        runtime: Runtime | None = None,
    ) -> None:
        if len(models) < 2:
            raise UsageError("mixture: models must be two or more, e.g. mixture(ngram(order=3), ngram(order=5))")
        self.specs = models
        self.kind = buckets
        self.gate_option = gate
        self.gate: ContextGate | None = None
        self.runtime = runtime or Runtime()
        self.components: list[Model] = [
            make_component(spec, str(number), self.runtime) for number, spec in enumerate(models)
        ]
        self.weights = np.full((1, len(models)), 1 / len(models))
        self.card = ModelCard()
        self.gains: tuple[float, float] | None = None
        self.end_of_text = -1
        self._buckets: Buckets | None = None

    @property
    def buckets(self) -> Buckets:
        if self._buckets is None:
            self._buckets = Buckets(self.kind, self.components)
        return self._buckets

    def fit(self, train: Tokens, valid: Tokens, progress: Progress) -> Self:
        with progress.task("mixture", len(self.specs)) as task:
            for number, spec in enumerate(self.specs):
                task.show(str(spec))
                unfitted = self.components[number]
                self.components[number] = fit_component(unfitted, spec, self.runtime, train, valid, progress)
                task.advance()
        self._buckets = None
        self.end_of_text = train.vocabulary.end_of_text
        notes = []
        sample = valid.head(_TUNING_TOKENS)
        if len(sample):
            scores = np.stack([component.log_probs(sample, progress) for component in self.components], axis=1)
            places = self.buckets.of(sample)
            self.weights = mixture_weights(scores, places, len(self.buckets))
            self._choose_gate(sample.head(_GATE_TOKENS), scores[:_GATE_TOKENS], places[:_GATE_TOKENS])
        else:
            self.weights = np.full((len(self.buckets), len(self.specs)), 1 / len(self.specs))
            notes.append("mixture weights are equal: there is no validation text for EM")
        self._describe(notes)
        return self

    def _choose_gate(self, sample: Tokens, scores: Floats, places: NDArray[np.int64]) -> None:
        """Fit a gate where it is asked for, or gains on both halves of the sample."""
        self.gate, self.gains = None, None
        features = Features(self.components)
        if self.gate_option is None or (self.gate_option == "auto" and not features.knowing):
            return
        known = features.of(sample)
        if self.gate_option == "auto":
            self.gains = held_out_gains(known, scores, places, len(self.buckets))
            if min(self.gains) <= 0:
                return
        self.gate = ContextGate.fit(known, scores, _weights_of_all(scores))

    def _describe(self, notes: list[str]) -> None:
        cards = [component.card for component in self.components]
        contexts = [card.context for card in cards]
        strides = [card.stride for card in cards if card.stride is not None]
        reach = [context for context in contexts if context is not None]
        parameters = [card.parameters for card in cards if card.parameters is not None]
        stored = [card.stored_ngrams for card in cards if card.stored_ngrams is not None]
        self.card = ModelCard(
            parameters=sum(parameters) if parameters else None,
            stored_ngrams=sum(stored) if stored else None,
            context=max(reach) if len(reach) == len(cards) else None,
            adaptive=any(card.adaptive for card in cards),
            remembers=any(card.remembers for card in cards),
            smoothed=any(card.smoothed for card in cards),
            dtype="float64" if all(card.dtype == "float64" for card in cards) else "float32",
            stride=max(strides, default=None),
            training={
                "buckets": self.buckets.kind,
                "gate": "none" if self.gate is None else "linear",
                "gate_gains": None if self.gains is None else list(self.gains),
                "weights": self.weights.tolist() if len(self.weights) > 1 else self.weights[0].tolist(),
                "models": [{"model": str(s), **card.training} for s, card in zip(self.specs, cards, strict=True)],
            },
            notes=list(dict.fromkeys([*notes, *(note for card in cards for note in card.notes)])),
        )  # fmt: skip

    def refit(self, train: Tokens, progress: Progress) -> None:
        """Fit anew the models that can be, with the settings they chose, and keep the weights.

        In a run that is all of them: a net is trained once more, on the longer text.
        """
        before = []
        for number, spec in enumerate(self.specs):
            anew = refit_component(self.components[number], spec, self.runtime, train, progress)
            if anew is None:
                before.append(str(spec))
            else:
                self.components[number] = anew
        self._buckets = None
        self._describe([f"not fitted anew on train and validation: {', '.join(before)}"] if before else [])

    def log_probs(self, tokens: Tokens, progress: Progress) -> NDArray[np.float64]:
        log_weights = self._log_weights(tokens)
        total = np.full(len(tokens), -np.inf)
        for number, component in enumerate(self.components):
            total = np.logaddexp(total, log_weights[:, number] + component.log_probs(tokens, progress))
        return total

    def _log_weights(self, tokens: Tokens) -> Floats:
        """[n, m] nats."""
        if self.gate is not None:
            return self.gate.log_weights(Features(self.components).of(tokens))
        found: Floats = np.log(self.weights)[self.buckets.of(tokens)]
        return found

    def _log_weights_after(self, context: Context) -> Floats:
        """[m] nats."""
        if self.gate is not None:
            after: Floats = self.gate.log_weights(Features(self.components).after(context))[0]
            return after
        found: Floats = np.log(self.weights)[self.buckets.after(context)]
        return found

    def next_log_probs(self, context: Context) -> NDArray[np.float64]:
        return self.next_log_probs_after(context[:0], context)

    def window_log_probs(self, windows: NDArray[np.integer[Any]]) -> Floats:
        places = from_document(windows, self.end_of_text)[0]
        scores = [window_log_probs(component, windows) for component in self.components]
        return _mixed(self._log_weights_of_windows(windows, places), scores)

    def stretches(self, tokens: Tokens) -> Iterator[Floats]:
        log_weights = self._log_weights(tokens)
        for scores in in_step([distributions(component, tokens) for component in self.components]):
            yield _mixed(log_weights[: len(scores[0])], scores)
            log_weights = log_weights[len(scores[0]) :]

    def start(self, rows: int, end_of_text: int) -> _Read:
        reach = Features(self.components).reach if self.gate is not None else self.buckets.reach
        windows = np.full((rows, reach + 1), end_of_text, dtype=np.int64)
        parts = [start(component, rows, end_of_text) for component in self.components]
        return _Read(parts, windows, np.zeros(rows, dtype=np.int64))

    def step(self, ids: NDArray[np.int64], state: _Read) -> tuple[Floats, _Read]:
        """As `Stepping`: each model steps, and the weights are those after the last tokens."""
        scores = []
        for number, component in enumerate(self.components):
            found, state.parts[number] = step(component, ids, state.parts[number])
            scores.append(found)
        lengths, begins = from_document(ids, self.end_of_text)
        state.places = np.where(begins, lengths, state.places + lengths)
        state.windows = np.concatenate([state.windows, ids], axis=1)[:, -state.windows.shape[1] :]
        return _mixed(self._log_weights_of_windows(state.windows, state.places), scores), state

    def _log_weights_of_windows(self, windows: NDArray[np.integer[Any]], places: NDArray[np.int64]) -> Floats:
        """[q, m] nats, after windows [q, N] at their places [q] in their documents."""
        if self.gate is not None:
            return self.gate.log_weights(Features(self.components).of_windows(windows, places, self.end_of_text))
        found: Floats = np.log(self.weights)[self.buckets.of_windows(windows, places)]
        return found

    def next_log_probs_after(self, history: Context, context: Context) -> NDArray[np.float64]:
        log_weights = self._log_weights_after(context)
        scores = np.stack([next_log_probs(component, history, context) for component in self.components], axis=1)
        total: NDArray[np.float64] = np.logaddexp.reduce(scores + log_weights, axis=1)
        return total

    def evidence(self, context: Context) -> Evidence | None:
        """What that of the models goes by which has stored the longest context."""
        known = [found for component in self.components if (found := evidence(component, context)) is not None]
        return max(known, key=lambda found: (found.length, found.count is not None), default=None)

    def save(self, folder: Path) -> None:
        for number, component in enumerate(self.components):
            save_component(component, folder / str(number), self.runtime)
        state = {
            "models": [str(spec) for spec in self.specs],
            "buckets": self.buckets.kind,
            "weights": self.weights.tolist(),
            "gate": None if self.gate is None else self.gate.json(),
            "end_of_text": self.end_of_text,
        }
        (folder / "mixture.json").write_text(json.dumps(state, indent=2), encoding="utf-8")
        self.card.save(folder / "card.json")

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> Self:
        path = folder / "mixture.json"
        with files.whole(path, "mixture"):
            state = files.read_json(path)
            specs = files.field(state, "models", list)
            loaded = [load_component(spec, folder, str(n), device) for n, spec in enumerate(specs)]
            fitted = cls.__new__(cls)
            fitted.specs = [spec for spec, _ in loaded]
            fitted.components = [component for _, component in loaded]
            fitted.kind = state["buckets"]
            fitted.runtime = Runtime(device=device)
            if len(loaded) < 2 or fitted.kind not in ("auto", "position", "match", None):
                raise ValueError("no two models, or buckets of another kind")
            fitted._buckets = None
            fitted.end_of_text = files.whole_number(state, "end_of_text", 0, files.MOST_TOKENS)
            shape = (len(fitted.buckets), len(loaded))
            fitted.weights = files.numbers(state["weights"], shape, np.finfo(np.float64).tiny, 1)
            fitted.gate_option, fitted.gate, fitted.gains = None, None, None
            if state["gate"] is not None:
                size = Features(fitted.components).after(np.zeros(0, np.int64)).shape[1]
                fitted.gate = ContextGate.of(state["gate"], size, len(loaded))
        fitted.card = ModelCard.load(folder / "card.json")
        return fitted


@dataclass(eq=False)
class _Read:
    """The state of each model; [q, N] the last tokens of each text; [q] how many of its document it has read."""

    parts: list[Any]
    windows: NDArray[np.int64]
    places: NDArray[np.int64]


def _mixed(log_weights: Floats, scores: list[Floats]) -> Floats:
    """[q, V] nats: ln sum over m of l_m p_m, of log-weights [q, m] and m distributions [q, V] in nats."""
    total = np.zeros(scores[0].shape)
    weights, part = np.exp(log_weights), np.empty_like(total)
    for number, each in enumerate(scores):
        np.multiply(np.exp(each, out=part), weights[:, number, None], out=part)
        total += part
    with np.errstate(divide="ignore"):  # where no model thinks a token possible
        return np.log(total, out=total)


def held_out_gains(features: Floats, log_probs: Floats, buckets: NDArray[np.int64], count: int) -> tuple[float, float]:
    """Nats per token that a gate gains over weights by buckets on the first and on the second half of n tokens, both
    fitted on the other half. `features`: [n, f]; `log_probs`: [n, m]; `buckets`: [n], below `count`."""
    middle = len(log_probs) // 2
    first, second = slice(0, middle), slice(middle, len(log_probs))
    found = []
    for seen, unseen in ((second, first), (first, second)):
        gate = ContextGate.fit(features[seen], log_probs[seen], _weights_of_all(log_probs[seen]))
        gated = gate.log_weights(features[unseen]) + log_probs[unseen]
        plain = np.log(mixture_weights(log_probs[seen], buckets[seen], count))[buckets[unseen]] + log_probs[unseen]
        gain = np.logaddexp.reduce(gated, axis=1) - np.logaddexp.reduce(plain, axis=1)
        found.append(float(np.nan_to_num(gain).mean()) if len(gain) else 0.0)
    return found[0], found[1]


def _weights_of_all(log_probs: Floats) -> Floats:
    """[m] the weights that do not depend on the context."""
    found: Floats = mixture_weights(log_probs, np.zeros(len(log_probs), dtype=np.int64), 1)[0]
    return found


def mixture_weights(log_probs: NDArray[np.float64], buckets: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """[count, m] weights at the maximum of the likelihood of n tokens, by EM; each bucket's sum to one.

    `log_probs`: [n, m] nats under each model; `buckets`: [n]. A bucket begins with `_PRIOR` tokens
    that came from the models as all tokens did, and one that no token reaches stays at that.
    The likelihood is concave in the weights, so that where EM starts does not matter.

    Worked example: one bucket, two tokens with probabilities (0.5, 0) and (0, 0.5): both weights 0.5.
    """
    peaks = log_probs.max(axis=1)
    possible = np.isfinite(peaks)
    probs = np.exp(log_probs[possible] - peaks[possible, None])
    places = buckets[possible]
    models = probs.shape[1]
    weights = np.full((count, models), 1 / models)
    previous = -np.inf
    for _ in range(_ROUNDS):
        parts = weights[places] * probs
        sums = parts.sum(axis=1)
        likelihood = float(np.log(sums).sum()) / max(1, len(sums))
        if likelihood - previous < 1e-8:
            break
        previous = likelihood
        parts /= sums[:, None]
        shares = np.stack([np.bincount(places, parts[:, number], count) for number in range(models)], axis=1)
        shares += _PRIOR * shares.sum(axis=0) / max(1.0, shares.sum())
        weights = (shares / shares.sum(axis=1, keepdims=True)).clip(min=_LEAST)
        weights /= weights.sum(axis=1, keepdims=True)
    return weights
