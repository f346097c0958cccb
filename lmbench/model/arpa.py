"""A model read from an ARPA file, which KenLM, SRILM or lmbench itself wrote."""

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
from lmbench.counts.arpa import read_arpa
from lmbench.counts.arpa.names import SPELLINGS
from lmbench.counts.arpa.read import Arpa as ArpaFile
from lmbench.counts.arpa.sums import largest_gap
from lmbench.counts.backoff import BackoffModel
from lmbench.counts.contexts import longest_context
from lmbench.counts.following import stretches, window_log_probs
from lmbench.disk import save_array
from lmbench.errors import LmbenchError, UsageError
from lmbench.model.base import Evidence, ModelCard
from lmbench.progress import Progress
from lmbench.tokens import Tokens, Vocabulary

__all__ = ["Arpa"]

_NAMED = 8  # tokens that a remark gives as examples
TOLERANCE = 1e-3  # what the five or so digits of some files leave open


class Arpa:
    """A back-off model from an ARPA file, plain or compressed; the training text only gives the vocabulary.

    Words are matched with the run's tokens by their bytes. `<s>` and `</s>` are the end of text,
    as context and as prediction. The tokens that have no word in the file (the run's unknown
    token among them) are its `<unk>`, and share p(<unk> | h) equally; words of the file that are
    no tokens of the run add theirs to it. Where every token has a word, and nothing can be
    unknown, each context is divided by 1 - p(<unk> | h). So the run's tokens sum to one wherever
    the file's words do; whether they do is checked for every stored context.

    Args:
        path: the file: .arpa, or compressed as .gz, .xz, .bz2, .zst or .zip
        spelling: how tokens are written in it: plain, byte_to_unicode (GPT-2's alphabet), or auto: as its comment says
    """

    def __init__(self, path: str, spelling: Literal["auto", "plain", "byte_to_unicode"] = "auto") -> None:
        self.path = Path(path)
        self.spelling = next((name for name in SPELLINGS if name == spelling), None)
        if not self.path.is_file():
            raise UsageError(f"arpa: there is no file {path}")
        self.card = ModelCard(dtype="float32")
        self._model: BackoffModel | None = None
        self._aliases = np.zeros(0, dtype=np.int32)
        self._unknown = -1
        self._shared = 1

    @property
    def model(self) -> BackoffModel | None:
        """The back-off model of the run's tokens; None where several share a word, and it is not the whole of it."""
        return self._model if self._shared <= 1 else None

    @property
    def _words(self) -> BackoffModel:
        if self._model is None:
            raise RuntimeError("an ARPA model is fitted before it is asked")
        return self._model

    def fit(self, train: Tokens, valid: Tokens, progress: Progress) -> Self:
        """Read the file for the vocabulary of `train`. Raises LmbenchError where it is damaged or has none of it."""
        file = read_arpa(self.path, train.vocabulary, self.spelling, progress)
        if file.outside and file.shared == len(train.vocabulary) - 1:
            raise LmbenchError(
                f"{self.path}: none of its {file.words:,} words is a token of this run; "
                "give the tokenizer it was made with, or its spelling"
            )
        self._model = file.model
        self._aliases, self._unknown, self._shared = file.aliases, file.unknown, max(1, file.shared)
        gap = largest_gap(file.model)
        used = torch.from_numpy(np.unique(file.aliases)).long()
        columns = [file.model.log_probs[0][used], *file.model.log_probs[1:], *file.model.log_backoffs]
        sizes = [file.model.trie.size(order) for order in range(2, file.model.order + 1)]
        self.card = ModelCard(
            stored_ngrams=int(file.model.log_probs[0][:].isfinite().sum()) + sum(sizes),
            context=file.model.order - 1,
            distribution=gap <= TOLERANCE,
            smoothed=all(bool(column[:].isfinite().all()) for column in columns),
            dtype="float32",
            training={"file": str(self.path), "order": file.model.order, "words": file.words, "largest_gap": gap},
            notes=[f"read from {self.path}, which may know other text than this run's training text"],
        )
        self.card.notes += _remarks(file, train.vocabulary, gap)
        return self

    def log_probs(self, tokens: Tokens, progress: Progress) -> NDArray[np.float64]:
        ids = self._aliases[tokens.ids]
        scores = self._words.score(ids.astype(np.uint32), progress)
        scores[ids == self._unknown] -= math.log(self._shared)
        return scores

    def next_log_probs(self, context: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        scores = self._words.next(self._aliases[np.asarray(context, dtype=np.int64)])
        following: NDArray[np.float64] = self._of_tokens(scores[None])[0]
        return following

    def window_log_probs(self, windows: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        return self._of_tokens(window_log_probs(self._words, self._aliases[windows]))

    def stretches(self, tokens: Tokens) -> Iterator[NDArray[np.float64]]:
        for scores in stretches(self._words, self._aliases[tokens.ids]):
            yield self._of_tokens(scores)

    def _of_tokens(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """[q, V] nats of the run's tokens, of [q, W] of the file's words."""
        found: NDArray[np.float64] = scores[:, self._aliases]
        found[:, self._aliases == self._unknown] -= math.log(self._shared)
        return found

    def evidence(self, context: NDArray[np.integer[Any]]) -> Evidence:
        length, types = longest_context(self._words, self._aliases[np.asarray(context, dtype=np.int64)])
        return Evidence(length, None, types)

    def save(self, folder: Path) -> None:
        self._words.save(folder / "ngrams.safetensors")
        save_array(folder / "aliases.npy", self._aliases)
        state = {"path": str(self.path), "unknown": self._unknown, "shared": self._shared}
        (folder / "arpa.json").write_text(json.dumps(state, indent=2), encoding="utf-8")
        self.card.save(folder / "card.json")

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> Self:
        fitted = cls.__new__(cls)  # the file itself may be gone by now
        fitted._model = BackoffModel.load(folder / "ngrams.safetensors", device)
        path = folder / "arpa.json"
        words = fitted._model.trie.vocabulary_size
        with files.whole(path, "ARPA model"):
            state = files.read_json(path)
            fitted.path, fitted.spelling = Path(files.field(state, "path", str)), None  # said, and never opened
            fitted._unknown = files.whole_number(state, "unknown", -1, words - 1)
            fitted._shared = files.whole_number(state, "shared", 1, files.MOST_TOKENS)
        with files.whole(folder / "aliases.npy", "ARPA model"):
            fitted._aliases = files.read_array(folder / "aliases.npy", (np.int32, np.int64), (None,))
            files.index(fitted._aliases, words, "an alias")
        fitted.card = ModelCard.load(folder / "card.json")
        return fitted


def _remarks(file: ArpaFile, vocabulary: Vocabulary, gap: float) -> list[str]:
    """What a reader of the report should know of how the file and the run go together."""
    remarks = []
    without = file.shared - (vocabulary.unknown is not None)
    if without:
        has = "share the probability of <unk>" if file.has_unknown or file.outside else "have probability zero"
        tokens = f"{without:,} of {len(vocabulary):,} tokens ({_some(file, vocabulary)})"
        remarks.append(f"{tokens} have no word in the file and {has}")
    if not file.has_unknown:
        remarks.append("the file has no <unk>")
    if not file.has_end:
        remarks.append("the file has no </s>: the end of a document has probability zero")
    if file.outside:
        remarks.append(f"{file.outside:,} of the file's {file.words:,} words are no tokens of this run")
    if file.left_out:
        remarks.append(f"{file.left_out:,} n-grams that no text of this run can ask for were left out")
    if file.inserted:
        remarks.append(f"{file.inserted:,} prefixes that the file leaves out were put in, with backed-off probability")
    if file.cut:
        remarks.append(
            f"a higher order was cut off from the file: {file.cut:,} n-grams of its highest order have a back-off, "
            "which nothing can use"
        )
    if gap > TOLERANCE:
        remarks.append(f"the file is no distribution: after some context its probabilities sum to {gap:.2g} off one")
    return remarks


def _some(file: ArpaFile, vocabulary: Vocabulary) -> str:
    """The first of the tokens that have no word in the file."""
    without = [index for index in np.flatnonzero(file.aliases == file.unknown) if index != vocabulary.unknown]
    shown = [repr(vocabulary.tokens[index].decode("utf-8", "replace")) for index in without[:_NAMED]]
    return ", ".join(shown) + (", ..." if len(without) > _NAMED else "")
