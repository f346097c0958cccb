"""Shannon's prediction game played by the models of a run, at one context length after the other.

Every model guesses the same tokens of the test text, drawn evenly among those with the longest context before
them in their document, so that the curves of two models, and two points of one curve, differ in nothing else.
What a model is given at length N is the N tokens before, out of the middle of a document:

- N = 0: the token frequencies of the training text, for every model: Shannon's first column was so made.
- n-grams of an order beyond N + 1: the same model of order N + 1, counted anew. The lower orders that an n-gram
  model has inside are no answer: under Kneser-Ney they are distributions of what is left after backing off.
- nets: a window of N tokens.
- other models: as if a document began with the N tokens.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lmbench.errors import LmbenchError, UsageError
from lmbench.model import models
from lmbench.model.base import Model, window_log_probs
from lmbench.pipeline.opened import load_model, scored_tokens_of
from lmbench.pipeline.training_text import training_parts
from lmbench.progress import Progress, Silent
from lmbench.record import Card, Record, Row, Shannon, ShannonPoint
from lmbench.report.published import english_share
from lmbench.runtime import Runtime
from lmbench.score.measure import BITS
from lmbench.score.shannon import Ranks, bounds, doubt, group_edges, rank
from lmbench.spec import FIRST, Spec, parse
from lmbench.tokens import Tokens

CONTEXTS = (0, 1, 2, 3, 4, 5, 6, 8, 10, 15, 25, 50, 100)
POSITIONS = 2000
_READ = 1 << 14  # tokens of windows that a model is given at once
_SCORES = 1 << 22  # scores that it gives back at once
_LANGUAGE = 20_000  # tokens of the test text by which its language is told

Floats = NDArray[np.float64]
Predict = Callable[[NDArray[np.int64]], Floats]  # windows [q, N] -> [q, V] nats


def play(
    folder: Path,
    record: Record,
    rows: Sequence[Row],
    contexts: Sequence[int] | None = None,
    positions: int = POSITIONS,
    device: str = "cpu",
    progress: Progress | None = None,
) -> list[Shannon]:
    """Each of `rows` in the game on up to `positions` test tokens.

    `contexts` None: those of CONTEXTS that at least half of the tokens have before them in their document.

    Raises UsageError where no test token has the longest of `contexts` before it, and LmbenchError where a model's
    files are damaged; a context at which nothing can stand in for the model is left out, and a note says why.
    """
    progress = progress or Silent()
    tokens = scored_tokens_of(folder, record.card)
    lengths = reachable(tokens) if contexts is None else sorted(set(contexts))
    places = drawn(tokens, lengths[-1], positions, record.card.seed)
    made = []
    for row in rows:
        player = _Player(folder, record, row, device, progress)
        points, notes = [], list[str]()
        with progress.task(f"guessing: {row.model}", len(lengths)) as task:
            known: dict[tuple[str, int], ShannonPoint] = {}
            for length in lengths:
                task.show(f"{length} tokens known")
                try:
                    predict, seen, told = player.at(length)
                except _NoStandInError as error:
                    notes.append(f"not at {length} tokens of context: {error}")
                    task.advance()
                    continue
                if told and told not in notes:
                    notes.append(told)
                key = (told, seen)
                if key not in known:
                    known[key] = _point(predict, tokens, places, seen, row.distribution, record.card.seed)
                points.append(known[key].model_copy(update={"context": length}))
                task.advance()
        few = doubt(len(places), points[-1].ci95_upper if points else None)
        notes += [few] if few else []
        per_token = tokens.characters / len(tokens) if tokens.vocabulary.lossless and tokens.characters else None
        made.append(
            Shannon(
                model=row.model,
                alphabet=len(tokens.vocabulary),
                positions=len(places),
                characters_per_token=per_token,
                points=points,
                notes=notes,
                groups=(group_edges(len(tokens.vocabulary))[:-1] + 1).tolist(),
            )
        )
    return made


def same_tokens(first: Shannon, second: Shannon) -> bool:
    """Whether two games were played on the same tokens of one test text: `drawn` depends on these two alone."""
    longest = [max((point.context for point in item.points), default=0) for item in (first, second)]
    return first.positions == second.positions and longest[0] == longest[1]


def english_share_of(folder: Path, card: Card) -> float:
    """The share of the commonest English words in the beginning of the test text of the run in `folder`."""
    tokens = scored_tokens_of(folder, card)
    return english_share(tokens.vocabulary.decode(tokens.ids[:_LANGUAGE]).decode("utf-8", errors="replace"))


def guesses_tokens(row: Row) -> bool:
    """Whether a model predicts the run's tokens; one with tokens of its own has nothing to rank here."""
    return row.nats_per_token is not None or row.bits_per_byte is None


def reachable(tokens: Tokens) -> list[int]:
    """The lengths of CONTEXTS that at least half of the tokens have before them in their document; 0 at the least."""
    before = tokens.places
    return [length for length in CONTEXTS if 2 * int((before >= length).sum()) >= len(before)] or [0]


def drawn(tokens: Tokens, context: int, positions: int, seed: int) -> NDArray[np.int64]:
    """[p] ascending: offsets of up to `positions` tokens that have `context` others before them in their document."""
    able = np.flatnonzero(tokens.places >= context)
    if not len(able):
        raise UsageError(f"no document of the test text has more than {context} tokens: give shorter --contexts")
    chosen = np.random.default_rng(seed).choice(able, size=min(positions, len(able)), replace=False)
    return np.sort(chosen).astype(np.int64)


class _NoStandInError(LmbenchError):
    """Where a model cannot be asked with so short a context, nothing can be counted in its place."""


@dataclass
class _Player:
    """One model of the run, and what stands in for it where the context is short."""

    folder: Path
    record: Record
    row: Row
    device: str
    progress: Progress
    _model: Model | None = None
    _parts: tuple[Tokens, Tokens] | None = None

    def at(self, length: int) -> tuple[Predict, int, str]:
        """What predicts with `length` tokens known, how many of them it looks at, and what should be said of it."""
        spec = parse(self.row.model)
        context = self.row.context
        try:
            if length == 0:
                return self._frequencies(), 0, "with no context: the token frequencies of the training text"
            if spec.name == "ngram" and context is not None and length < context:
                shorter = self._shorter(spec, length + 1)
                told = f"with fewer than {context} tokens of context: the same model of a lower order, counted anew"
                return shorter.next_log_probs_of, length, told
        except LmbenchError as error:
            raise _NoStandInError(str(error)) from error
        model = self._loaded()
        seen = length if context is None else min(length, context)
        whole = hasattr(model, "window_log_probs") or (context is not None and length >= context)
        told = "" if whole else "short contexts are read as the beginning of a document"
        return _Asked(model).next_log_probs_of, seen, told

    def _loaded(self) -> Model:
        if self._model is None:
            self._model = load_model(self.folder, self.row, self.device)
        return self._model

    def _training(self) -> tuple[Tokens, Tokens]:
        if self._parts is None:
            self._parts = training_parts(self.folder, self.progress)
        return self._parts

    def _frequencies(self) -> Predict:
        train, valid = self._training()
        counts = train.counts + valid.counts if self.record.card.refit else train.counts
        scores = np.log((counts + 1) / (counts.sum() + len(counts)))
        return lambda windows: np.broadcast_to(scores, (len(windows), len(scores)))

    def _shorter(self, spec: Spec, order: int) -> _Asked:
        options = {("order" if key == FIRST else key): value for key, value in spec.options.items()}
        options["order"] = order
        if isinstance(options.get("prune"), list):
            options["prune"] = options["prune"][:order]  # type: ignore[index]
        train, valid = self._training()
        made: Model = models.make(Spec(spec.name, options), runtime=Runtime(self.device, self.record.card.seed))
        fitted = made.fit(train, valid, self.progress)
        if self.record.card.refit:
            fitted.refit(train + valid, self.progress)  # type: ignore[attr-defined]
        return _Asked(fitted)


@dataclass
class _Asked:
    model: Model

    def next_log_probs_of(self, windows: NDArray[np.int64]) -> Floats:
        return window_log_probs(self.model, windows)


def _point(
    predict: Predict, tokens: Tokens, places: NDArray[np.int64], length: int, distribution: bool, seed: int
) -> ShannonPoint:
    """The ranks of the tokens at `places` given the `length` before each; every distinct context is asked once."""
    ids = np.asarray(tokens.ids)
    windows = ids[places[:, None] + np.arange(-length, 0)].astype(np.int64)  # [p, length]
    targets = ids[places].astype(np.int64)
    distinct, which = (
        np.unique(windows, axis=0, return_inverse=True) if length else (windows[:1], np.zeros_like(places))
    )
    by_context = np.argsort(which, kind="stable")
    edges = np.searchsorted(which[by_context], np.arange(len(distinct) + 1))
    before, ties = np.zeros(len(places), np.int64), np.ones(len(places), np.int64)
    nats = np.zeros(len(places))
    size = max(1, min(_READ // max(1, length), _SCORES // len(tokens.vocabulary)))
    for start in range(0, len(distinct), size):
        scores = predict(distinct[start : start + size])
        for row, log_probs in enumerate(scores, start):
            own = by_context[edges[row] : edges[row + 1]]
            before[own], ties[own] = rank(log_probs, targets[own])
            nats[own] = -log_probs[targets[own]]
    found = bounds(Ranks(before, ties, len(tokens.vocabulary)), seed)
    mean = float(nats.mean()) * BITS
    return ShannonPoint(
        context=length,
        lower=found.lower,
        upper=found.upper,
        ci95_lower=found.ci95_lower,
        ci95_upper=found.ci95_upper,
        cross_entropy=mean if distribution and math.isfinite(mean) else None,
        first=found.first,
        guesses=found.guesses,
        shares=list(found.shares),
    )
