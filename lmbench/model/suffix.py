"""Contexts of any length, counted where they stand."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray

from lmbench import files
from lmbench.counts.parallel import coarse_threads
from lmbench.counts.suffix_index import SuffixIndex
from lmbench.counts.suffix_matches import Matches
from lmbench.errors import LmbenchError, UsageError
from lmbench.model._suffix_rows import Runs, probs, text_probs, window_probs
from lmbench.model._suffixes import (
    SETTINGS,
    PitmanYor,
    Rule,
    distribution,
    longest,
    maximum_likelihood,
    mixed,
    observed,
    tuned,
    untuned,
)
from lmbench.model.base import STRETCH, Evidence, ModelCard
from lmbench.progress import Progress
from lmbench.tokens import Tokens

__all__ = ["Suffix"]

TUNING_TOKENS = 100_000
_MAX_DEPTH = 128
_STATE = "suffix.json"


class Suffix:
    """The longest suffix of the context that was seen in training, found in a suffix array (infini-gram).

    Without smoothing, p(w | h) is the count ratio of that suffix alone (Liu et al. 2024): a
    distribution, but most tokens have probability zero. An estimate is sparse where a single
    token has ever followed the suffix; the card says how many are, and how often they are right.
    With smoothing, all suffixes are interpolated, from the longest down to the empty one and to
    the uniform distribution, with settings at the maximum of the validation likelihood.

    Args:
        smoothing: none, or pitman_yor (discount and strength by length; counts between Kneser-Ney's and the raw ones)
        depth: suffixes of every length up to this are interpolated, and the longest one beyond, 1 to 128
        memory: megabytes that indexing may use, beyond which it goes by way of files in $TMPDIR; none: half of the free
    """

    def __init__(
        self, smoothing: Literal["none", "pitman_yor"] = "none", depth: int = 16, memory: float | None = None
    ) -> None:
        if not 1 <= depth <= _MAX_DEPTH:
            raise UsageError(f"suffix: depth must be 1 to {_MAX_DEPTH}, not {depth}")
        if memory is not None and not 0 < memory < math.inf:
            raise UsageError(f"suffix: memory must be above 0 megabytes, not {memory}")
        self.smoothing = smoothing
        self.depth = depth
        self.memory = memory
        self._notes: list[str] = []
        self.card = ModelCard(smoothed=smoothing != "none")
        self._index: SuffixIndex | None = None
        self._settings = untuned()

    @property
    def index(self) -> SuffixIndex:
        if self._index is None:
            raise RuntimeError("a suffix model is fitted before it is asked")
        return self._index

    @property
    def _rule(self) -> Rule:
        return maximum_likelihood if self.smoothing == "none" else PitmanYor(self._settings)

    def fit(self, train: Tokens, valid: Tokens, progress: Progress) -> Self:
        self.refit(train, progress)
        valid = valid.head(TUNING_TOKENS)
        if self.smoothing == "none":
            settings, notes = self._sparsity(valid)
        else:
            settings, notes = self._tune(valid, progress)
        self.card = ModelCard(
            stored_ngrams=len(self.index),
            smoothed=self.smoothing != "none",
            training={"tokens": len(train), **settings},
        )
        self._notes = notes
        self._describe()
        return self

    def _describe(self) -> None:
        self.card.notes = self._notes + ([] if self.index.note is None else [f"suffix: {self.index.note}"])

    def refit(self, train: Tokens, progress: Progress) -> None:
        """Index `train`, keeping the settings that `fit` chose."""
        if not len(train):
            raise LmbenchError("suffix: the training text has no tokens; give a longer text")
        limit = None if self.memory is None else int(self.memory * 1e6)
        self._index = SuffixIndex.build(train, progress, left=self.smoothing != "none", memory=limit)
        self._describe()
        self.card.stored_ngrams = len(self._index)
        self.card.training["tokens"] = len(train)

    def anew(self, train: Tokens, progress: Progress) -> Suffix:
        """Another model with the settings of this one, of another text."""
        found = Suffix(self.smoothing, self.depth, self.memory)
        found._settings, found._notes = self._settings, []
        found.refit(train, progress)
        return found

    def _tune(self, valid: Tokens, progress: Progress) -> tuple[dict[str, Any], list[str]]:
        notes = []
        if len(valid):
            with progress.task("settings", 1) as task, coarse_threads():
                levels = list(observed(self.index, self._matches(valid.ids)))
                self._settings = tuned(levels, len(valid), self.index.vocabulary_size)
                task.advance()
        else:
            notes.append("suffix: no validation text, settings left where they start")
        return {"settings_columns": list(SETTINGS), "settings": self._settings.tolist()}, notes

    def _sparsity(self, valid: Tokens) -> tuple[dict[str, Any], list[str]]:
        if not len(valid):
            return {}, []
        types, length = torch.zeros(2, len(valid) + 1, dtype=torch.float64)
        seen_after = torch.zeros(len(valid) + 1, dtype=torch.bool)
        for level, seen in observed(self.index, self._matches(valid.ids)):
            positions = torch.from_numpy(level.positions)
            types[positions], seen_after[positions] = seen.types, seen.count > 0
            length[positions] = torch.as_tensor(level.depth, dtype=torch.float64)
        sparse = types[1:] == 1
        share = float(sparse.double().mean())
        found = {
            "valid_sparse": share,
            "valid_sparse_right": float(seen_after[1:][sparse].double().mean()) if share else None,
            "valid_suffix_length": float(length[1:].mean()),
            "valid_zero": float((~seen_after[1:]).double().mean()),
        }
        right = f", and right for {found['valid_sparse_right']:.1%} of them" if share else ""
        note = (
            f"suffix: the longest suffix seen has {found['valid_suffix_length']:.1f} tokens on average; on validation "
            f"{share:.1%} of the estimates are sparse (one token has all the count){right}"
        )
        return found, [note]

    def _matches(self, ids: NDArray[np.integer[Any]]) -> Matches:
        return Matches(self.index, np.concatenate([[self.index.end_of_text], ids]), self.depth)

    def log_probs(self, tokens: Tokens, progress: Progress) -> NDArray[np.float64]:
        if not len(tokens):
            return np.zeros(0, dtype=np.float64)
        with progress.task("scoring") as task, coarse_threads():
            levels = observed(self.index, self._matches(tokens.ids))
            probs = mixed(levels, self._rule, len(tokens), self.index.vocabulary_size)
            task.advance()
        return probs.log().numpy()

    def next_log_probs(self, context: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        document = np.concatenate([[self.index.end_of_text], np.asarray(context, dtype=np.int64)])
        with coarse_threads():
            return distribution(self.index, document, self._rule, self.depth).log().numpy()

    def window_log_probs(self, windows: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        found = np.empty((len(windows), self.index.vocabulary_size))
        rows = max(1, STRETCH // self.index.vocabulary_size)
        with coarse_threads():
            for start in range(0, len(windows), rows):
                part = slice(start, start + rows)
                found[part] = window_probs(self.index, windows[part], self._rule, self.depth).log().numpy()
        return found

    def stretches(self, tokens: Tokens) -> Iterator[NDArray[np.float64]]:
        rows = max(1, STRETCH // self.index.vocabulary_size)
        for found in text_probs(self.index, tokens.ids, self._rule, self.depth, rows):
            yield found.log().numpy()

    def start(self, rows: int, end_of_text: int) -> Runs:
        return Runs.none()

    def step(self, ids: NDArray[np.int64], state: Runs) -> tuple[NDArray[np.float64], Runs]:
        """As `Stepping`: the runs of all suffixes seen are kept, and narrowed down by each token."""
        with coarse_threads():
            for tokens in ids.T:
                state = state.then(self.index, tokens)
            found = probs(self.index, state.levels(self.index, self.depth), self._rule, len(ids))
            return found.log().numpy(), state

    def evidence(self, context: NDArray[np.integer[Any]]) -> Evidence:
        document = np.concatenate([[self.index.end_of_text], np.asarray(context, dtype=np.int64)])
        with coarse_threads():
            return Evidence(*longest(self.index, document, self.depth))

    @property
    def feature_reach(self) -> int:
        return self.depth + 1

    def context_features(self, ids: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        """[n + 1, depth + 3]: the length of the longest suffix seen, up to `depth`, a column each; ln of how often it
        was seen, and of how many types were seen after it."""
        lengths = np.zeros(len(ids) + 1, dtype=np.int64)
        known = np.zeros((len(ids) + 1, 2))
        with coarse_threads():
            for level, seen in observed(self.index, self._matches(np.append(ids, self.index.end_of_text))):
                if not isinstance(level.depth, int):
                    break
                lengths[level.positions - 1] = level.depth
                known[level.positions - 1] = torch.stack([seen.total, seen.types], 1).log().numpy()
        return np.concatenate([np.eye(self.depth + 1)[lengths], known], axis=1)

    def save(self, folder: Path) -> None:
        (folder / "index").mkdir()
        self.index.save(folder / "index")
        state = {"smoothing": self.smoothing, "depth": self.depth, "settings": self._settings.tolist()}
        (folder / _STATE).write_text(json.dumps(state), encoding="utf-8")
        self.card.save(folder / "card.json")

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> Self:
        path = folder / _STATE
        with files.whole(path, "suffix model"):
            state = files.read_json(path)
            smoothing = files.field(state, "smoothing", str)
            if smoothing not in ("none", "pitman_yor"):
                raise ValueError(f"there is no smoothing {smoothing!r}")
            model = cls(smoothing, files.whole_number(state, "depth", 1, _MAX_DEPTH))
            model._settings = torch.from_numpy(files.numbers(state["settings"], tuple(untuned().shape), -100, 100))
        model.card = ModelCard.load(folder / "card.json")
        model._index = SuffixIndex.load(files.inside(folder, "index"))
        if smoothing != "none" and model._index.left is None:
            raise LmbenchError(f"{folder}: its index has no left neighbours, which {smoothing} needs; fit it again")
        return model
