"""Words: what white space separates."""

from __future__ import annotations

from collections import Counter
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from lmbench.errors import LmbenchError, UsageError
from lmbench.progress import Progress
from lmbench.tokenizer._pieces import BEFORE_SPACE, batches
from lmbench.tokenizer.base import STATE, IdsWriter, load_state, save_state, with_end
from lmbench.tokens import Ids, Tokens, Vocabulary

if TYPE_CHECKING:
    from lmbench.corpus.text import Text

__all__ = ["Word"]

_UNKNOWN = "<unk>"


class Word:
    """What white space separates (Python's `str.split()`), and one unknown token for every word not in the vocabulary.

    The white space itself is lost, so figures per byte cannot be made. A literal `<unk>` in a
    prepared text is the unknown token. Ids: `<unk>`, the words by falling count, the end of text.

    Args:
        vocabulary: Keep this many words, the most frequent ones; none: every word of the training text.
        lowercase: Fold to lower case first.
    """

    lossless = False

    def __init__(self, vocabulary: int | None = None, lowercase: bool = False) -> None:
        if vocabulary is not None and vocabulary < 1:
            raise UsageError(f"word: vocabulary must be at least 1, not {vocabulary}")
        self.size = vocabulary
        self.lowercase = lowercase
        self._build([], lines=False)

    def _build(self, words: list[str], lines: bool) -> None:
        self._words = words
        self._index = {_UNKNOWN: 0} | {word: index for index, word in enumerate(words, 1)}
        tokens = (_UNKNOWN.encode(), *(word.encode("utf-8") for word in words), b"\n" if lines else b"")
        self.vocabulary = Vocabulary(tokens, end_of_text=len(tokens) - 1, unknown=0, lossless=False)

    @property
    def hash(self) -> str:
        return with_end(self.vocabulary, lines=False).hash + ("/lowercase" if self.lowercase else "")

    def _split(self, text: str) -> list[str]:
        return (text.lower() if self.lowercase else text).split()

    def train(self, text: Text, progress: Progress) -> Self:
        counts: Counter[str] = Counter()
        with progress.task("counting words", text.bytes) as task:
            for batch in batches(text, BEFORE_SPACE):
                counts.update(chain.from_iterable(map(self._split, batch.pieces)))
                task.advance(batch.bytes)
        del counts[_UNKNOWN]
        if not counts:
            raise LmbenchError("the training text has no words; use another tokenizer, such as char, or a longer text")
        ranked = sorted(counts, key=lambda word: (-counts[word], word))
        self._build(ranked[: self.size], text.lines)
        return self

    def encode(self, text: Text, out: Path | None, progress: Progress) -> Tokens:
        vocabulary = with_end(self.vocabulary, text.lines)
        index: dict[str, int] = self._index
        with IdsWriter(out, vocabulary) as writer, progress.task("encoding", text.bytes) as task:
            for batch in batches(text, BEFORE_SPACE):
                words = [self._split(piece) for piece in batch.pieces]
                ends = np.cumsum([len(piece) for piece in words])
                ids = map(index.get, chain.from_iterable(words), repeat(0))
                writer.write(np.fromiter(ids, vocabulary.dtype, count=int(ends[-1])), ends[np.array(batch.last)])
                task.advance(batch.bytes)
            return writer.finish()

    def encode_text(self, text: str) -> Ids:
        return np.array([self._index.get(word, 0) for word in self._split(text)], dtype=self.vocabulary.dtype)

    def decode(self, ids: NDArray[np.integer[Any]]) -> str:
        """The words with a space between them; the end of text as its bytes."""
        end = self.vocabulary.end_of_text
        mark = self.vocabulary.tokens[end].decode()
        text, gap = "", ""
        for index in np.asarray(ids).tolist():
            text += mark if index == end else gap + self.vocabulary.tokens[index].decode()
            gap = "" if index == end and mark else " " if text else ""
        return text

    def save(self, folder: Path) -> None:
        state = {"vocabulary": self.size, "lowercase": self.lowercase, "words": self._words}
        save_state(folder, "word", state | {"lines": self.vocabulary.lines})

    @classmethod
    def load(cls, folder: Path) -> Self:
        state = load_state(folder)
        try:
            tokenizer = cls(state["vocabulary"], state["lowercase"])
            tokenizer._build(state["words"], bool(state["lines"]))
        except (KeyError, TypeError, AttributeError) as error:
            raise LmbenchError(f"{folder / STATE}: is not a saved word tokenizer ({error})") from None
        return tokenizer
