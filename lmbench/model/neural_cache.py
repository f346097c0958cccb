"""A net that looks up what it predicted from in places like this one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmbench import files
from lmbench.errors import UsageError
from lmbench.model._components import fit_component, load_component, make_component, refit_component, save_component
from lmbench.model._gate import fit_gate, gate_weights
from lmbench.model._neural import Neural
from lmbench.model.base import Context, ModelCard, from_document
from lmbench.progress import Progress
from lmbench.runtime import Runtime
from lmbench.spec import Spec
from lmbench.tokens import Tokens, Vocabulary

__all__ = ["NeuralCache"]

Floats = NDArray[np.float64]

_FLATNESS = (0.0, 1.0, 2.0, 4.0, 8.0, 12.0, 16.0, 24.0, 32.0, 48.0)  # theta times the mean squared length of a state
_UNTUNED = (8.0, 0.1)  # flatness and weight where there is no validation text
_TUNING_TOKENS = 20_000
_LARGEST = 1e12  # theta that is read
_QUERIES = 512  # places whose scores of all keys are held at once


class NeuralCache:
    """Adaptive: a net, mixed with a cache of the states it was in and the tokens that followed them.

    Grave, Joulin & Usunier 2017: p_c(w | h_t) is proportional to the sum of exp(theta h_t . h_i) over the places i of
    the last `window` tokens whose token is w, h_i being the net's last hidden vector before that token;
    p = (1 - l) p_net + l p_c. theta and l maximise the likelihood of validation text: theta out of a grid, l by itself
    for each.
    Worked example: states with h_t . h_1 = h_t . h_2 before "a" and "b", l = 0.1: p(a) = 0.9 p_net(a) + 0.1 * 1/2.

    Args:
        model: the net it rests on
        across: text: it remembers earlier documents, in the order of the text that is scored; document: it begins
            empty in each; auto: text where each document is a line
        window: how many tokens back it remembers
    """

    def __init__(
        self,
        model: Spec = Spec("lstm"),
        across: Literal["auto", "text", "document"] = "auto",
        window: int = 2000,
        runtime: Runtime | None = None,
    ) -> None:
        if window < 1:
            raise UsageError(f"neural_cache: window must be at least 1, not {window}")
        self.runtime = runtime or Runtime()
        self.base = _net(make_component(model, "model", self.runtime), model)
        self.spec = model
        self.across: str = across
        self.window = window
        self.theta, self.weight = 0.0, _UNTUNED[1]
        self.end_of_text = -1
        self.card = ModelCard(adaptive=True, dtype="float32")

    @property
    def remembers(self) -> bool:
        """Whether the cache reaches over the ends of documents; known once it is fitted."""
        return self.across == "text"

    def fit(self, train: Tokens, valid: Tokens, progress: Progress) -> Self:
        self.base = _net(fit_component(self.base, self.spec, self.runtime, train, valid, progress), self.spec)
        self.end_of_text = train.vocabulary.end_of_text
        if self.across == "auto":
            self.across = "text" if train.vocabulary.lines else "document"
        sample = valid.head(_TUNING_TOKENS)
        scale = self._scale(sample if len(sample) else train.head(_TUNING_TOKENS))
        self.theta, self.weight = _UNTUNED[0] * scale, _UNTUNED[1]
        if len(sample):
            self._tune(sample, [flatness * scale for flatness in _FLATNESS], progress)
        self._describe(tuned=len(sample) > 0)
        return self

    def _scale(self, tokens: Tokens) -> float:
        """1 / the mean squared length of a state."""
        total = sum(float(states.double().square().sum()) for _, states in self.base.states(tokens))
        return len(tokens) / max(total, 1e-12)

    def _tune(self, sample: Tokens, thetas: list[float], progress: Progress) -> None:
        below = np.exp(self.base.log_probs(sample, progress))
        found, known = self._recalled(sample, thetas, progress)
        start = np.array([[0.0, np.log(self.weight / (1 - self.weight))]])
        best = -np.inf
        both = np.stack([np.ones(len(sample), dtype=bool), known], axis=1)
        for theta, scores in zip(thetas, found, strict=True):
            probs, ones = np.stack([below, np.exp(scores)], axis=1), np.ones((len(sample), 1))
            gate = fit_gate(ones, probs, both, start)
            likelihood = float(np.log((gate_weights(gate, ones, both) * probs).sum(axis=1).clip(min=1e-300)).sum())
            if likelihood > best:
                best, self.theta = likelihood, theta
                self.weight = float(gate_weights(gate, ones[:1], both[:1] | True)[0, 1])

    def _describe(self, tuned: bool) -> None:
        base = self.base.card
        training = {
            "across": self.across, "window": self.window, "theta": self.theta, "weight": self.weight,
            str(self.spec): base.training,
        }  # fmt: skip
        reach = "over the ends of documents" if self.remembers else "each document for itself"
        notes = [
            f"learns from the text it is scored on, {reach} (across={self.across}): the states before its last "
            f"{self.window:,} tokens, theta {self.theta:.3g}, weight {self.weight:.3g}"
        ]
        if not tuned:
            notes.append("neural_cache: theta and weight are set, for there is no validation text to choose them on")
        self.card = ModelCard(
            parameters=base.parameters,
            stored_ngrams=base.stored_ngrams,
            context=None if base.context is None else base.context + self.window,
            adaptive=True,
            remembers=self.remembers or base.remembers,
            dtype=base.dtype,
            stride=base.stride,
            training=training,
            notes=[*base.notes, *notes],
        )

    def refit(self, train: Tokens, progress: Progress) -> None:
        """Fit the net anew, where that is possible, and keep theta, for states of the same length, and the weight."""
        anew = refit_component(self.base, self.spec, self.runtime, train, progress)
        if anew is None:
            self.card.notes.append(f"not fitted anew on train and validation: {self.spec}")
            return
        sample = train.head(_TUNING_TOKENS)
        before = self._scale(sample)
        self.base = _net(anew, self.spec)
        self.theta *= self._scale(sample) / before
        self._describe(tuned=True)

    def log_probs(self, tokens: Tokens, progress: Progress) -> Floats:
        scores = self.base.log_probs(tokens, progress)
        (found,), known = self._recalled(tokens, [self.theta], progress)
        return np.where(known, np.logaddexp(np.log1p(-self.weight) + scores, np.log(self.weight) + found), scores)

    def _recalled(self, tokens: Tokens, thetas: list[float], progress: Progress) -> tuple[Floats, NDArray[np.bool_]]:
        """[g, n] nats of each token under the cache at each theta, and [n] where it holds anything."""
        text = tokens.as_one if self.remembers else tokens
        first = np.arange(len(tokens)) - np.minimum(text.places, self.window)
        found = np.full((len(thetas), len(tokens)), -np.inf)
        with progress.task("cache", len(tokens)) as task:
            for place, queries, recall in self._queries(tokens):
                low = torch.from_numpy(first[place : place + len(queries)] - recall.first).to(queries.device)
                targets = torch.from_numpy(tokens.ids[place : place + len(queries)].astype(np.int64))
                found[:, place : place + len(queries)] = recall.log_probs(queries, low, targets, thetas)
                task.advance(len(queries))
        return found, first < np.arange(len(tokens))

    def _queries(self, tokens: Tokens) -> Iterator[tuple[int, Tensor, Recall]]:
        """Stretches of up to `_QUERIES` places: the offset, their states, and what they and those before may recall."""
        kept = torch.empty(0, 0)
        for offset, states in self.base.states(tokens):
            for start in range(0, len(states), _QUERIES):
                queries = states[start : start + _QUERIES].double()
                place = offset + start
                keys = torch.cat([kept, queries]) if kept.numel() else queries
                begin = place + len(queries) - len(keys)
                values = torch.from_numpy(tokens.ids[begin : place + len(queries)].astype(np.int64))
                yield place, queries, Recall(begin, keys, values.to(queries.device))
                kept = keys[-self.window :]

    def start(self, rows: int, end_of_text: int) -> Remembered:
        return Remembered.of(self.base.start(rows, end_of_text), rows)

    def step(self, ids: NDArray[np.int64], state: Remembered) -> tuple[Tensor, Remembered]:
        """As `Stepping`: the states before the last tokens are kept."""
        for tokens in ids.T:
            forgets = np.zeros(len(ids), dtype=np.bool_) if self.remembers else tokens == self.end_of_text
            state.add(torch.from_numpy(tokens.copy()), forgets)
            state.hidden = self.base.read_on(tokens[:, None], state.below)
            state.trim(self.window)
        assert state.hidden is not None
        scores = self.base.log_probs_from(state.hidden)
        return state.mixed(scores, self.window, self.theta, self.weight), state

    def next_log_probs(self, context: Context) -> Floats:
        return self.next_log_probs_after(context[:0], context)

    def window_log_probs(self, windows: NDArray[np.integer[Any]]) -> Floats:
        """As `Windowed`, one after the other; each is read as if a document began with it."""
        lengths, _ = from_document(windows, self.end_of_text)
        asked = [window[len(window) - length :] for window, length in zip(windows, lengths.tolist(), strict=True)]
        return np.stack([self.next_log_probs(context) for context in asked])

    def next_log_probs_after(self, history: Context, context: Context) -> Floats:
        scores = self.base.next_log_probs(context)
        text = self._text(history if self.remembers else history[:0], context, len(scores))
        if not len(text):
            return scores
        keys = torch.cat([states for _, states in self.base.states(text)])[-self.window :].double()
        logits = self.theta * (keys @ self.base.state_after(context).double())
        recalled = (logits - logits.logsumexp(0)).exp().cpu().numpy()
        found = np.bincount(text.ids[-len(keys) :].astype(np.int64), recalled, minlength=len(scores))
        mixed: Floats = np.log((1 - self.weight) * np.exp(scores) + self.weight * found)
        return mixed

    def _text(self, history: Context, context: Context, vocabulary: int) -> Tokens:
        """The documents that hold the last `window` tokens before the next one."""
        ids = np.concatenate([history, context]).astype(np.int64)
        starts = np.append(0, np.flatnonzero(history == self.end_of_text) + 1)
        starts = starts[starts < len(ids)]
        begin = int(starts[np.searchsorted(starts, max(0, len(ids) - self.window), "right") - 1]) if len(ids) else 0
        return Tokens(
            ids[begin:].astype(np.uint32), starts[starts >= begin] - begin,
            Vocabulary((b"",) * vocabulary, self.end_of_text),
        )  # fmt: skip

    def save(self, folder: Path) -> None:
        save_component(self.base, folder / "model", self.runtime)
        state = {
            "model": str(self.spec), "across": self.across, "window": self.window, "theta": self.theta,
            "weight": self.weight, "end_of_text": self.end_of_text,
        }  # fmt: skip
        (folder / "neural_cache.json").write_text(json.dumps(state, indent=2), encoding="utf-8")
        self.card.save(folder / "card.json")

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> Self:
        path = folder / "neural_cache.json"
        with files.whole(path, "neural cache"):
            state = files.read_json(path)
            across = files.field(state, "across", str)
            if across not in ("text", "document"):
                raise ValueError("it reaches over something else")
            spec, base = load_component(files.field(state, "model", str), folder, "model", device)
            fitted = cls(spec, across, files.whole_number(state, "window", 1, 1 << 53))
            fitted.base, fitted.runtime = _net(base, spec), Runtime(device=device)
            fitted.theta = float(files.numbers(state["theta"], (), 0, _LARGEST))
            fitted.weight = float(files.numbers(state["weight"], (), 0, 1))
            fitted.end_of_text = files.whole_number(state, "end_of_text", 0, fitted.base.net.vocabulary - 1)
        fitted.card = ModelCard.load(folder / "card.json")
        return fitted


@dataclass(frozen=True)
class Recall:
    """Keys [k, C] of the places `first`, `first` + 1, ... of a text, and the token [k] at each."""

    first: int
    keys: Tensor
    values: Tensor

    def log_probs(self, queries: Tensor, low: Tensor, targets: Tensor, thetas: list[float]) -> Floats:
        """[g, m] nats of the targets under the cache of the keys from `low` [m] to before each query, which are the
        last m keys; -inf where the target is not among their tokens."""
        place = torch.arange(len(self.keys), device=self.keys.device)
        own = place[-len(queries) :, None]
        products = (queries @ self.keys.T).masked_fill((place < low[:, None]) | (place >= own), -torch.inf)
        same = self.values == targets.to(self.values.device)[:, None]
        out = []
        for theta in thetas:
            scores = theta * products if theta else torch.where(products == -torch.inf, products, 0.0)
            whole = scores.logsumexp(1).clamp(min=-1e300)  # of a query with no keys
            out.append(scores.masked_fill(~same, -torch.inf).logsumexp(1) - whole)
        return torch.stack(out).cpu().numpy()


@dataclass(eq=False)
class Remembered:
    """What q texts that are read on may recall. `below`: the net's own state; `hidden`: [q, C] its last vectors;
    `keys`: [q, k, C] the vectors before each of the tokens `values` [q, k], of which the first `size` are there, and in
    each text those from `begins` [q] on count."""

    below: Any
    keys: Tensor
    values: Tensor
    begins: NDArray[np.int64]
    size: int = 0
    hidden: Tensor | None = None

    @classmethod
    def of(cls, below: Any, rows: int) -> Remembered:
        none = torch.zeros(rows, 0, dtype=torch.int64)
        return cls(below, none, none, np.zeros(rows, dtype=np.int64))

    def add(self, tokens: Tensor, forgets: NDArray[np.bool_]) -> None:
        """The next token of each text, [q]; those that `forgets` says begin anew with it."""
        if self.hidden is None:
            return
        if self.size == self.values.shape[1]:
            more = max(64, self.size)
            keys = self.keys if self.size else self.hidden.new_zeros(len(tokens), 0, self.hidden.shape[1]).double()
            self.keys = torch.cat([keys, keys.new_zeros(len(tokens), more, keys.shape[2])], dim=1)
            self.values = torch.cat([self.values.to(keys.device), self.keys.new_zeros(len(tokens), more).long()], dim=1)
        self.keys[:, self.size], self.values[:, self.size] = self.hidden.double(), tokens.to(self.keys.device)
        self.size += 1
        self.begins[forgets] = self.size

    def trim(self, window: int) -> None:
        """Let go of what is more than `window` tokens back, now and then."""
        gone = self.size - window
        if gone > window:
            self.keys, self.values = self.keys[:, gone : self.size].clone(), self.values[:, gone : self.size].clone()
            self.size, self.begins = window, np.maximum(self.begins - gone, 0)

    def mixed(self, scores: Tensor, window: int, theta: float, weight: float) -> Tensor:
        """[q, V] nats of `scores`, in nats too, and what the last `window` tokens recall."""
        first = np.maximum(self.begins, self.size - window)
        if self.hidden is None or not self.size or (first >= self.size).all():
            return scores
        low = torch.from_numpy(first).to(scores.device)
        places = torch.arange(self.size, device=scores.device)
        logits = theta * (self.keys[:, : self.size] @ self.hidden.double()[:, :, None])[:, :, 0]
        shares = logits.masked_fill(places < low[:, None], -torch.inf).softmax(1)
        found = torch.zeros_like(scores).scatter_add_(1, self.values[:, : self.size], shares)
        return torch.where((low < self.size)[:, None], ((1 - weight) * scores.exp() + weight * found).log(), scores)


def _net(model: object, spec: Spec) -> Neural:
    if not isinstance(model, Neural):
        raise UsageError(f"neural_cache: {spec} has no hidden states; give a net that is trained here, e.g. lstm")
    return model
