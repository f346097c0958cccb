"""Patches: a text cut where a model of its bytes is surprised by what may follow."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from lmbench import files
from lmbench.errors import LmbenchError, UsageError
from lmbench.model import models
from lmbench.model._branching import branching_entropies, rising
from lmbench.model._components import components_of
from lmbench.model.base import Model, Refittable
from lmbench.progress import Progress, Silent
from lmbench.spec import Spec, parse
from lmbench.tokenizer.base import STATE, IdsWriter, decode_bytes, load_state, save_state, with_end
from lmbench.tokenizer.byte import Byte
from lmbench.tokens import REMEDY, Ids, Tokens, Vocabulary

if TYPE_CHECKING:
    from lmbench.corpus.text import Text

__all__ = ["Patches"]

_MODEL = "model"
_BYTES = 256
_ELSEWHERE = ("pretrained", "arpa")  # models whose tokens are not the bytes of the text
_VALID = 20  # one token in so many is left to choose the model's settings on
_LONGEST = 64  # bytes of a patch that is a token
_NEVER = 1e9  # nats, more than any entropy


class Patches:
    """Text cut where the entropy of the next byte is high, or rises (Byte Latent Transformer: Pagnoni et al. 2024).

    A model of bytes, fitted on the training text, says at each byte how uncertain it is of it; a patch begins where
    that is above `threshold` bits (`rule=global`), or above that at the byte before by more than it (`rule=rise`). The
    most frequent patches of the training text are the vocabulary; any other one is spelled in bytes, so that nothing is
    lost. Ids: the 256 bytes, the patches by falling count, the end of text.

    Args:
        model: a model of bytes, see `lmbench models`; one that keeps no memory of earlier documents
        threshold: bits; none: the one that gives patches of `size` bytes in the training text
        size: bytes of a patch on average, where there is no threshold
        rule: global: the entropy is above the threshold; rise: it is above the one before by more than that
        vocabulary: ids altogether, at most: 256 bytes, the patches that occur twice or more, and the end of text
    """

    lossless = True

    def __init__(
        self,
        model: Spec = Spec("ngram"),
        threshold: float | None = None,
        size: float = 4.0,
        rule: Literal["global", "rise"] = "global",
        vocabulary: int = 8192,
    ) -> None:
        models.check(model)
        outside = [spec.name for spec in (model, *components_of(model)) if spec.name in _ELSEWHERE]
        if outside:
            raise UsageError(f"patches: {outside[0]} has tokens of its own; give a model that is fitted on bytes here")
        if threshold is not None and not math.isfinite(threshold):
            raise UsageError(f"patches: threshold must be a number of bits, not {threshold}")
        if not 1 < size < math.inf:
            raise UsageError(f"patches: size must be more than 1 byte, not {size}")
        if vocabulary < _BYTES + 1:
            raise UsageError(f"patches: vocabulary must be at least {_BYTES + 1} (256 bytes and the end of text)")
        self.spec = model
        self.threshold = None if threshold is None else float(threshold)
        self.size = float(size)
        self.rule = rule
        self.most = vocabulary
        self._model: Model | None = None
        self._learnt = ""  # what the model was fitted on
        self._at = _NEVER if threshold is None else threshold * math.log(2)  # nats
        self._build([], lines=False)

    def _build(self, patches: list[bytes], lines: bool) -> None:
        self._patches = patches
        tokens = (*(bytes([value]) for value in range(_BYTES)), *patches, b"\n" if lines else b"")
        self.vocabulary = Vocabulary(tokens, len(tokens) - 1)
        self._index = {patch: index for index, patch in enumerate(patches, _BYTES)}

    @property
    def hash(self) -> str:
        options = (str(self.spec), self.threshold, self.size, self.rule, self.most, self._at, self._learnt)
        return hashlib.sha256(f"{with_end(self.vocabulary, lines=False).hash} {options!r}".encode()).hexdigest()

    def train(self, text: Text, progress: Progress) -> Self:
        tokens = Byte().encode(text, None, progress)
        if len(tokens) < 2 * _VALID:
            raise LmbenchError("patches: the training text is too short to fit a model of bytes on; give a longer one")
        count = max(1, len(tokens) // _VALID)
        model: Model = models.make(self.spec)
        self._model = model.fit(tokens.head(len(tokens) - count), tokens.tail(count), progress)
        if isinstance(self._model, Refittable):
            self._model.refit(tokens, progress)
        card = self._model.card
        if card.adaptive or card.own_tokens or not card.distribution or not card.smoothed:
            raise UsageError(f"patches: {self.spec} does not give every byte a probability that depends on what stands "
                             "before it in its document alone; give another model, such as ngram")  # fmt: skip
        self._learnt = tokens.hash
        values = self._values(tokens, progress)
        if self.threshold is None:
            inner = values[np.isfinite(values)]
            self._at = float(np.quantile(inner, 1 - 1 / self.size)) if len(inner) else _NEVER
        counts = Counter(piece for pieces in self._pieces(tokens, values) for piece in pieces)
        kept = [piece for piece, number in counts.items() if number > 1 and 1 < len(piece) <= _LONGEST]
        kept.sort(key=lambda piece: (-counts[piece], piece))
        self._build(kept[: self.most - _BYTES - 1], text.lines)
        return self

    def _values(self, tokens: Tokens, progress: Progress) -> NDArray[np.float64]:
        """[n] nats: what is held against the threshold at each byte."""
        if self._model is None:
            raise RuntimeError("a tokenizer of patches is trained before it encodes")
        entropies = branching_entropies(self._model, tokens, progress)
        return entropies if self.rule == "global" else rising(entropies, tokens.places == 0)

    def _pieces(self, tokens: Tokens, values: NDArray[np.float64]) -> Iterator[list[bytes]]:
        """The patches of each document, without its end."""
        data, begins = np.asarray(tokens.ids).astype(np.uint8, copy=False), values > self._at
        ends = tokens.ends[: len(tokens.documents)] - 1  # without documents there is one end all the same
        for start, end in zip(tokens.documents.tolist(), ends.tolist(), strict=True):
            places = np.flatnonzero(begins[start + 1 : end]) + 1
            content = data[start:end].tobytes()
            edges = [0, *places.tolist(), len(content)]
            yield [content[low:high] for low, high in pairwise(edges)] if content else []

    def encode(self, text: Text, out: Path | None, progress: Progress) -> Tokens:
        tokens = Byte().encode(text, None, progress)
        vocabulary = with_end(self.vocabulary, text.lines)
        with IdsWriter(out, vocabulary) as writer:
            for pieces in self._pieces(tokens, self._values(tokens, progress)):
                ids = self._ids(pieces)
                writer.write(ids, np.array([len(ids)], dtype=np.int64))
            return writer.finish()

    def _ids(self, pieces: list[bytes]) -> Ids:
        found: list[int] = []
        for piece in pieces:
            known = self._index.get(piece)
            found.extend(piece if known is None else (known,))
        return np.array(found, dtype=self.vocabulary.dtype)

    def encode_text(self, text: str) -> Ids:
        from lmbench.corpus.text import text_of

        return self.encode(text_of([text]), None, Silent()).ids[:-1]

    def decode(self, ids: NDArray[np.integer[Any]]) -> str:
        return decode_bytes(self.vocabulary, ids)

    def save(self, folder: Path) -> None:
        if self._model is not None:
            (folder / _MODEL).mkdir()
            self._model.save(folder / _MODEL)
        state = {"model": str(self.spec), "threshold": self.threshold, "size": self.size, "rule": self.rule}
        state |= {"vocabulary": self.most, "at": self._at, "learnt": self._learnt, "lines": self.vocabulary.lines}
        save_state(folder, "patches", state | {"patches": [piece.decode("latin-1") for piece in self._patches]})

    @classmethod
    def load(cls, folder: Path) -> Self:
        state = load_state(folder)
        with files.whole(folder / STATE, "tokenizer of patches", REMEDY):
            spec, rule = parse(files.field(state, "model", str)), files.field(state, "rule", str)
            if rule not in ("global", "rise"):
                raise ValueError(f"there is no rule {rule!r}")
            threshold = state["threshold"]
            if threshold is not None and type(threshold) not in (int, float):
                raise ValueError("its threshold is no number")
            size = float(files.numbers(state["size"], (), 1, 1e9))
            tokenizer = cls(spec, threshold, size, rule, files.whole_number(state, "vocabulary", _BYTES + 1, 1 << 53))
            tokenizer._at = float(files.numbers(state["at"], (), -1e9, 1e9))
            tokenizer._learnt = files.field(state, "learnt", str)
            patches = [piece.encode("latin-1") for piece in files.field(state, "patches", list)]
            if len(set(patches)) < len(patches) or not all(1 < len(piece) <= _LONGEST for piece in patches):
                raise ValueError("a patch is there twice, or is none")
            tokenizer._build(patches, files.field(state, "lines", bool))
        kind = models.load(spec.name)
        tokenizer._model = kind.load(files.inside(folder, _MODEL))
        return tokenizer
