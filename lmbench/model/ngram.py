"""N-gram models of any order, under any smoothing of the `smoothing` folder."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from lmbench import files
from lmbench.counts.backoff import BackoffModel, Storage
from lmbench.counts.contexts import Sureness, context_features, longest_context
from lmbench.counts.following import Ends, stretches, window_log_probs
from lmbench.counts.ngrams import MAX_ORDER, NgramCounts
from lmbench.counts.parallel import coarse_threads
from lmbench.counts.pruning import count_masks, relative_entropy_pruned, thresholds
from lmbench.counts.shards import count_ngrams
from lmbench.errors import LmbenchError, UsageError
from lmbench.model.base import Evidence, ModelCard, Scores
from lmbench.progress import Progress
from lmbench.runtime import Runtime
from lmbench.smoothing import smoothings
from lmbench.smoothing.base import CutsOff, Smoothing
from lmbench.spec import Spec, parse
from lmbench.tokens import Tokens

__all__ = ["Ngram"]


class Ngram:
    """Counts of up to `order` tokens, smoothed: p(w | the order-1 tokens before it).

    Args:
        order: length of the longest n-gram counted, 1 to 32
        smoothing: how counts become probabilities; `lmbench smoothings` lists them
        prune: for each order, drop n-grams that occur this often or less, as lmplz --prune: [0, 0, 1];
            srilm: SRILM's default cut-offs, which are these
        entropy_prune: drop n-grams whose loss raises perplexity by less than this, relatively (Stolcke 1998), e.g. 1e-7
        storage: float64, float32 (half the size, exact to 1e-7) or quantized (8 bits; sums to one only roughly)
        memory: megabytes that counting may use, beyond which it goes by way of files in $TMPDIR; none: half of the free
    """

    def __init__(
        self,
        order: int = 5,
        smoothing: Spec = Spec("modified_kneser_ney"),
        prune: list[int] | Literal["srilm"] | None = None,
        entropy_prune: float = 0.0,
        storage: Literal["float64", "float32", "quantized"] = "float64",
        memory: float | None = None,
        runtime: Runtime | None = None,
    ) -> None:
        if not 1 <= order <= MAX_ORDER:
            raise UsageError(f"ngram: order must be 1 to {MAX_ORDER}, not {order}")
        if not 0 <= entropy_prune < math.inf:
            raise UsageError(f"ngram: entropy_prune must be 0 or more, not {entropy_prune}")
        if memory is not None and not 0 < memory < math.inf:
            raise UsageError(f"ngram: memory must be above 0 megabytes, not {memory}")
        self.order = order
        self.options = {"smoothing": str(smoothing), "prune": prune, "entropy_prune": entropy_prune}
        self.options |= {"storage": storage, "memory": memory}
        self.smoothing: Smoothing = smoothings.make(smoothing)
        if entropy_prune and not (self.smoothing.normalised and self.smoothing.smoothed):
            raise UsageError(f"ngram: entropy_prune needs a smoothed distribution, which {smoothing} is not")
        cutoffs = self.smoothing.cutoffs if isinstance(self.smoothing, CutsOff) else None
        if prune and cutoffs:
            raise UsageError(f"ngram: {smoothing} has cut-offs of its own: leave out prune")
        least = prune or cutoffs
        self.thresholds = thresholds(least, order) if least else None
        self.entropy_prune = entropy_prune
        self.storage: Storage = storage
        self.memory = memory
        self.device = (runtime or Runtime()).device
        self.card = ModelCard(context=order - 1)
        self._notes: list[str] = []
        self._model: BackoffModel | None = None
        self._sureness: Sureness | None = None

    @property
    def model(self) -> BackoffModel:
        if self._model is None:
            raise RuntimeError("an n-gram model is fitted before it is asked")
        return self._model

    def fit(self, train: Tokens, valid: Tokens, progress: Progress) -> Self:
        with coarse_threads():
            self._fit(train, valid, progress)
        return self

    def _fit(self, train: Tokens, valid: Tokens, progress: Progress) -> None:
        counts = self._count(train, progress)
        choice = self.smoothing.choose(counts, valid)
        self._notes = choice.notes
        self.card = ModelCard(
            context=self.order - 1,
            distribution=self.smoothing.normalised and self.storage != "quantized",
            smoothed=self.smoothing.smoothed,
            dtype={"quantized": "8 bit"}.get(self.storage, self.storage),
            training=choice.settings,
        )
        self._estimate(counts, progress)

    def refit(self, train: Tokens, progress: Progress) -> None:
        """Count anew on `train`, with the settings that `fit` chose."""
        with coarse_threads():
            self._estimate(self._count(train, progress), progress)

    def _count(self, train: Tokens, progress: Progress) -> NgramCounts:
        if len(train) == 0:
            raise LmbenchError("ngram: the training text has no tokens; give a longer text")
        limit = None if self.memory is None else int(self.memory * 1e6)
        counts = count_ngrams(train, self.order, self.device, progress, limit)
        counts.kept = count_masks(counts, self.thresholds) if self.thresholds else None
        return counts

    def _estimate(self, counts: NgramCounts, progress: Progress) -> None:
        model = self.smoothing.estimate(counts, self.card.training, progress)
        if self.entropy_prune:
            model = relative_entropy_pruned(model, counts, self.entropy_prune)
        model.suffix_closed = not self.entropy_prune  # an n-gram's counts are no more than those of its parts
        self._model, self._sureness = model.stored_as(self.storage), None
        occurring = int((counts.raw[0] > 0).sum())
        self.card.stored_ngrams = occurring + sum(model.trie.size(order) for order in range(2, model.order + 1))
        self.card.training["tokens"] = int(counts.raw[0].sum())
        self.card.notes = self._notes + ([] if counts.note is None else [f"ngram: {counts.note}"])
        if self.storage == "quantized":
            self.card.notes.append("8-bit storage sums to one only roughly: its figure is a score, no cross-entropy")
        if model.order < self.order:
            self.card.notes.append(f"no n-gram of order {model.order + 1} is left: order {model.order} in effect")

    def log_probs(self, tokens: Tokens, progress: Progress) -> NDArray[np.float64]:
        return self.model.score(tokens.ids, progress)

    def next_log_probs(self, context: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        return self.model.next(context)

    def window_log_probs(self, windows: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        return window_log_probs(self.model, windows)

    def start(self, rows: int, end_of_text: int) -> Ends:
        return Ends.of(self.model, rows)

    def step(self, ids: NDArray[np.int64], state: Ends) -> tuple[Scores, Ends]:
        """As `Stepping`: the nodes of the last tokens are kept."""
        state = state.then(self.model, ids)
        return state.log_probs(self.model), state

    def stretches(self, tokens: Tokens) -> Iterator[NDArray[np.float64]]:
        return stretches(self.model, tokens.ids)

    def piece_log_probs(self, pieces: Sequence[NDArray[np.integer[Any]]]) -> list[NDArray[np.float64]]:
        """Of each piece, [k] ids, [k - 1] nats: ln p of all but the first, given what stands before it in the piece."""
        return [self.model.within(piece) for piece in pieces]

    @property
    def feature_reach(self) -> int:
        return self.order

    def context_features(self, ids: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        """[n + 1, order + 4]: the length of the longest stored context, a column each, and what
        `counts.contexts.context_features` says of it."""
        if self._sureness is None:
            self._sureness = Sureness.of(self.model)
        lengths, known = context_features(self.model, self._sureness, ids)
        return np.concatenate([np.eye(self.order)[lengths], known], axis=1)

    def evidence(self, context: NDArray[np.integer[Any]]) -> Evidence:
        length, types = longest_context(self.model, context)
        return Evidence(length, None, types)

    def save(self, folder: Path) -> None:
        self.model.save(folder / "ngrams.safetensors")
        self.card.save(folder / "card.json")
        content = {"order": self.order, **self.options, "notes": self._notes}
        (folder / "ngram.json").write_text(json.dumps(content, indent=2), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> Self:
        path = folder / "ngram.json"
        with files.whole(path, "n-gram model"):
            content = files.read_json(path)
            notes = [str(note) for note in files.field(content, "notes", list)]
            del content["notes"]
            content["smoothing"] = parse(files.field(content, "smoothing", str))
            fitted = cls(**content, runtime=Runtime(device=device))
        fitted._notes = notes
        fitted._model = BackoffModel.load(folder / "ngrams.safetensors", device)
        fitted.card = ModelCard.load(folder / "card.json")
        return fitted
