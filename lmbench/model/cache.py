"""Adaptive caches: what the text has said lately, mixed with a model."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from lmbench import files
from lmbench.counts.ngrams import MAX_ORDER
from lmbench.counts.recent import Memory, counts_after, counts_before
from lmbench.errors import UsageError
from lmbench.model._components import (
    fit_component,
    load_component,
    make_component,
    refit_component,
    save_component,
)
from lmbench.model._gate import fit_gate, gate_weights
from lmbench.model.base import (
    Context,
    Evidence,
    ModelCard,
    distributions,
    evidence,
    from_document,
    next_log_probs,
    start,
    step,
    window_log_probs,
)
from lmbench.progress import Progress
from lmbench.runtime import Runtime
from lmbench.spec import Spec
from lmbench.tokens import Tokens

__all__ = ["Cache"]

Floats = NDArray[np.float64]
_Read = tuple[Any, list[Context | None]]  # the state of the model below, and what each text has said so far

_UNTUNED = 0.1  # what all caches weigh together where there is no validation text
_TUNING_TOKENS = 100_000
_KNOWN = 1e-6  # a context of less than this has faded from memory
_AMOUNTS = np.array([-4.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0])  # log2 of a context's count
_LENGTHS = np.array([0.0, 4.0, 6.0, 8.0, 10.0, 12.0])  # log2 of how many tokens were read
_MOST = 64  # half-lives of a cache that is read
_LARGEST = 1e3  # of a number of its gate
_CHUNK = 1 << 16  # tokens whose weights are made at once


class Cache:
    """Adaptive: another model, mixed with caches of the n-grams that the text has said lately.

    Kuhn & De Mori 1990; with half-lives, a token d places back counts 2 ** -(d / half_life) (Clarkson & Robinson 1997),
    and caches of several half-lives stand side by side. A cache of order k knows what followed the same k-1 tokens:
    p_c(w | h) = c(h w) / c(h .), and p = sum of l_c(h) p_c + l(h) p_model. The weights are a softmax over how often
    each context is in its cache and how much was read, and maximise the likelihood of the validation text; a cache
    without the context has none.
    Worked example: after "a b a" in a window, of order 1, at weights 0.9 and 0.1: p(b) = 0.9 p_model(b) + 0.1 * 1/3.

    Args:
        model: the model it rests on
        across: text: it remembers earlier documents, in the order of the text that is scored; document: it begins
            empty in each; auto: text where each document is a line
        half_lives: tokens after which what was said counts half, one cache of unigrams for each, and of longer n-grams
            for the shortest and the longest; none: only the window
        window: beside those, caches that count the last so many tokens alike and forget what was before; none: no such
        order: longest n-gram of the caches: 1 for unigrams alone, 2 for what followed the same token, and so on
    """

    def __init__(
        self,
        model: Spec = Spec("ngram"),
        across: Literal["auto", "text", "document"] = "auto",
        half_lives: list[float] | None = [50, 200, 1000, 5000],  # noqa: B006 (never changed)
        window: int | None = None,
        order: int = 3,
        runtime: Runtime | None = None,
    ) -> None:
        if window is not None and window < 1:
            raise UsageError(f"cache: window must be at least 1, not {window}")
        if any(not 0 < half_life < math.inf for half_life in half_lives or []):
            raise UsageError(f"cache: half_lives must be above 0, not {half_lives}")
        if not half_lives and window is None:
            raise UsageError("cache: without half_lives it needs a window, e.g. window=4000")
        if not 1 <= order <= MAX_ORDER:
            raise UsageError(f"cache: order must be 1 to {MAX_ORDER}, not {order}")
        self.runtime = runtime or Runtime()
        self.base = make_component(model, "model", self.runtime)
        self.spec = model
        self.across: str = across
        self.half_lives = [float(half_life) for half_life in half_lives or []]
        self.window = window
        self.order = order
        self.gate = self._start
        self.end_of_text = -1
        self.card = ModelCard(adaptive=True)

    @property
    def memories(self) -> list[Memory]:
        """The caches, in the order of their weights, which the model's own precedes."""
        unigrams = [Memory(1, half_life=half_life) for half_life in self.half_lives]
        orders = range(2, self.order + 1)
        ends = sorted({min(self.half_lives), max(self.half_lives)}) if self.half_lives else []
        longer = [Memory(order, half_life=half_life) for order in orders for half_life in ends]
        if self.window is not None:
            longer += [Memory(order, window=self.window) for order in range(1, self.order + 1)]
        return unigrams + longer

    @property
    def _start(self) -> Floats:
        """[f, m + 1] the gate without validation text: the caches weigh `_UNTUNED`, whatever the features."""
        caches = len(self.memories)
        features = _features_of(self.memories, np.zeros((caches, 0)), np.zeros(0, np.int64)).shape[1]
        start = np.zeros((features, caches + 1))
        start[0, 1:] = math.log(_UNTUNED / (1 - _UNTUNED) / caches)
        return start

    @property
    def remembers(self) -> bool:
        """Whether the caches reach over the ends of documents; known once it is fitted."""
        return self.across == "text"

    def fit(self, train: Tokens, valid: Tokens, progress: Progress) -> Self:
        self.base = fit_component(self.base, self.spec, self.runtime, train, valid, progress)
        self.end_of_text = train.vocabulary.end_of_text
        if self.across == "auto":
            self.across = "text" if train.vocabulary.lines else "document"
        sample = valid.head(_TUNING_TOKENS)
        self.gate, weights = self._start, None
        if len(sample):
            seen, total = self._counts(sample)
            features = _features_of(self.memories, total, self._before(sample))
            probs, known = _predictions(np.exp(self.base.log_probs(sample, progress)), seen, total)
            self.gate = fit_gate(features, probs, known, self.gate)
            weights = gate_weights(self.gate, features, known).mean(axis=0)
        self._describe(weights)
        return self

    def _describe(self, weights: Floats | None) -> None:
        base = self.base.card
        names = [str(self.spec), *map(_name, self.memories)]
        reach = max(self.window or 0, base.context or 0)
        training = {
            "across": self.across, "half_lives": self.half_lives, "window": self.window, "order": self.order,
            "mean_weights": None if weights is None else dict(zip(names, weights.tolist(), strict=True)),
            str(self.spec): base.training,
        }  # fmt: skip
        notes = [
            "learns from the text it is scored on, "
            + ("over the ends of documents" if self.remembers else "each document for itself")
            + f" (across={self.across}): {', '.join(names[1:])}"
        ]
        if weights is None:
            notes.append(f"the caches weigh {_UNTUNED} together: there is no validation text for their weights")
        self.card = ModelCard(
            parameters=base.parameters,
            stored_ngrams=base.stored_ngrams,
            context=None if base.context is None or self.half_lives else reach,
            adaptive=True,
            remembers=self.remembers or base.remembers,
            smoothed=base.smoothed,
            dtype=base.dtype,
            stride=base.stride,
            training=training,
            notes=[*base.notes, *notes],
        )

    def refit(self, train: Tokens, progress: Progress) -> None:
        """Fit the model below anew, where it can be, and keep the weights."""
        self.base = refit_component(self.base, self.spec, self.runtime, train, progress) or self.base
        self.card.stored_ngrams = self.base.card.stored_ngrams
        self.card.training[str(self.spec)] = self.base.card.training

    def log_probs(self, tokens: Tokens, progress: Progress) -> Floats:
        below = np.exp(self.base.log_probs(tokens, progress))
        seen, total = self._counts(tokens)
        before = self._before(tokens)
        out = np.empty(len(tokens))
        for begin in range(0, len(tokens), _CHUNK):
            part = slice(begin, begin + _CHUNK)
            probs, known = _predictions(below[part], seen[:, part], total[:, part])
            features = _features_of(self.memories, total[:, part], before[part])
            out[part] = (gate_weights(self.gate, features, known) * probs).sum(axis=1)
        return _log(out)

    def next_log_probs(self, context: Context) -> Floats:
        return self.next_log_probs_after(context[:0], context)

    def window_log_probs(self, windows: NDArray[np.integer[Any]]) -> Floats:
        """As `Windowed`; the caches know what the window holds of its document, and nothing before it."""
        below = np.exp(window_log_probs(self.base, windows))
        lengths, _ = from_document(windows, self.end_of_text)
        for row, length in enumerate(lengths.tolist()):
            below[row] = self._cached(below[row], windows[row, windows.shape[1] - length :])
        return _log(below)

    def stretches(self, tokens: Tokens) -> Iterator[Floats]:
        """As `Stretched`: the model below is asked about all places at once, the caches one after the other."""
        before, place = self._before(tokens), 0
        for scores in distributions(self.base, tokens):
            probs = np.exp(scores)
            for row in range(len(probs)):
                probs[row] = self._cached(probs[row], tokens.ids[place - before[place] : place])
                place += 1
            yield _log(probs)

    def start(self, rows: int, end_of_text: int) -> _Read:
        return start(self.base, rows, end_of_text), [None] * rows

    def step(self, ids: NDArray[np.int64], state: _Read) -> tuple[Floats, _Read]:
        """As `Stepping`; the caches of each text are counted anew from what it has read."""
        scores, below = step(self.base, ids, state[0])
        probs = np.exp(scores)
        texts: list[Context | None] = []
        for row, (text, own) in enumerate(zip(state[1], ids, strict=True)):
            # the end of text that the first document begins with is none that was said
            read: Context = own[1:] if text is None else np.append(text, own)
            if not self.remembers:
                read = read[len(read) - int(from_document(read[None], self.end_of_text)[0][0]) :]
            probs[row] = self._cached(probs[row], read)
            texts.append(read)
        return _log(probs), (below, texts)

    def next_log_probs_after(self, history: Context, context: Context) -> Floats:
        below = np.exp(next_log_probs(self.base, history, context))
        return _log(self._cached(below, np.concatenate([history, context]) if self.remembers else context))

    def _cached(self, below: Floats, read: Context) -> Floats:
        """[V] probabilities after what was read, of those of the model below."""
        seen, total = counts_after(read, self.memories, len(below))
        features = _features_of(self.memories, total[:, None], np.array([len(read)]))
        weights = gate_weights(self.gate, features, _known(total[:, None]))[0]
        mixed: Floats = weights[0] * below + (weights[1:] / np.maximum(total, _KNOWN)) @ seen
        return mixed

    def evidence(self, context: Context) -> Evidence | None:
        """What the model below goes by."""
        return evidence(self.base, context)

    def _counts(self, tokens: Tokens) -> tuple[Floats, Floats]:
        return counts_before(tokens.as_one if self.remembers else tokens, self.memories)

    def _before(self, tokens: Tokens) -> NDArray[np.int64]:
        return (tokens.as_one if self.remembers else tokens).places

    def save(self, folder: Path) -> None:
        save_component(self.base, folder / "model", self.runtime)
        state = {
            "model": str(self.spec), "across": self.across, "half_lives": self.half_lives, "window": self.window,
            "order": self.order, "gate": self.gate.tolist(), "end_of_text": self.end_of_text,
        }  # fmt: skip
        (folder / "cache.json").write_text(json.dumps(state, indent=2), encoding="utf-8")
        self.card.save(folder / "card.json")

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> Self:
        path = folder / "cache.json"
        with files.whole(path, "cache"):
            state = files.read_json(path)
            across = files.field(state, "across", str)
            half_lives, window = files.field(state, "half_lives", list), files.field(state, "window", (int, type(None)))
            if across not in ("auto", "text", "document") or len(half_lives) > _MOST:
                raise ValueError("it reaches over something else, or has more half-lives than a cache has")
            order = files.whole_number(state, "order", 1, MAX_ORDER)
            files.numbers(half_lives or [1], (max(1, len(half_lives)),), np.finfo(np.float64).tiny, 1e15)
            spec, base = load_component(files.field(state, "model", str), folder, "model", device)
            fitted = cls(Spec("uniform"), across, half_lives, window, order)
            fitted.spec, fitted.base, fitted.runtime = spec, base, Runtime(device=device)
            fitted.gate = files.numbers(state["gate"], fitted._start.shape, -_LARGEST, _LARGEST)
            fitted.end_of_text = files.whole_number(state, "end_of_text", 0, files.MOST_TOKENS)
        fitted.card = ModelCard.load(folder / "card.json")
        return fitted


def _name(memory: Memory) -> str:
    what = "unigrams" if memory.order == 1 else f"{memory.order}-grams"
    if memory.half_life is not None:
        return f"{what} of half-life {memory.half_life:,g}"
    return f"{what} of the last {memory.window:,}"


def _log(probs: Floats) -> Floats:
    with np.errstate(divide="ignore"):  # an unsmoothed model below may give zero
        scores: Floats = np.log(probs)
    return scores


def _known(total: Floats) -> NDArray[np.bool_]:
    """[n, m + 1] the model always, and the caches that have the context, of `total` [m, n]."""
    return np.concatenate([np.ones((1, total.shape[1]), dtype=bool), total > _KNOWN]).T


def _predictions(below: Floats, seen: Floats, total: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """[n, m + 1] each: what the model and the caches give each token, and whether they have its context."""
    return np.concatenate([below[None], seen / np.maximum(total, _KNOWN)]).T, _known(total)


def _features_of(memories: list[Memory], total: Floats, before: NDArray[np.int64]) -> Floats:
    """[n, f] what is known of each context: 1; of each cache of longer n-grams, how often it has the context; and how
    many tokens were read. An amount x is a pair of neighbouring `_hats`, so that weights change steadily with it."""
    parts = [np.ones((total.shape[1], 1))]
    for memory, amount in zip(memories, total, strict=True):
        if memory.order > 1:
            parts.append(_hats(np.log2(np.maximum(amount, _KNOWN)), _AMOUNTS))
    parts.append(_hats(np.log2(before + 1.0), _LENGTHS))
    return np.concatenate(parts, axis=1)


def _hats(values: Floats, knots: Floats) -> Floats:
    """[n, k] each value as weights of the two knots about it: 1.25 between knots 1 and 2 gives 0.75 and 0.25."""
    values = values.clip(knots[0], knots[-1])
    left = (np.searchsorted(knots, values, side="right") - 1).clip(0, len(knots) - 2)
    share = (values - knots[left]) / (knots[left + 1] - knots[left])
    hats = np.zeros((len(values), len(knots)))
    rows = np.arange(len(values))
    hats[rows, left], hats[rows, left + 1] = 1 - share, share
    return hats
