"""Words: what white space separates."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import replace
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from lmbench import files
from lmbench.errors import LmbenchError, UsageError
from lmbench.progress import Progress
from lmbench.tokenizer._pieces import BEFORE_SPACE, batches
from lmbench.tokenizer._spelling import Gap, Gaps, Speller, Table, divided
from lmbench.tokenizer.base import STATE, IdsWriter, load_state, save_state, with_end
from lmbench.tokens import REMEDY, Ids, Spelled, Tokens, Vocabulary

if TYPE_CHECKING:
    from lmbench.corpus.text import Text

__all__ = ["Word"]

_UNKNOWN = "<unk>"
_MOST_TYPES = 1 << 40


class Word:
    """What white space separates (Python's `str.split()`), and one unknown token for every word not in the vocabulary.

    The white space itself is lost, so figures per byte cannot be made. A literal `<unk>` in a
    prepared text is the unknown token. Ids: `<unk>`, the words by falling count, the end of text.

    With `unknown=spell` nothing is lost, and words, characters and BPE have one axis: an unknown word costs what its
    letters do, and every token the white space before it, by models fitted on the training text (`_spelling.py`);
    see `docs/words.md`. The ids are the same as without.

    Args:
        vocabulary: Keep this many words, the most frequent ones; none: every word of the training text, and with
            unknown=spell those that it has twice or more.
        lowercase: Fold to lower case first.
        unknown: What becomes of a word not in the vocabulary: its letters are lost (`token`) or coded (`spell`).
        unknown_types: As how many types, equally likely, the unknown token counts.
    """

    lossless = False

    def __init__(
        self,
        vocabulary: int | None = None,
        lowercase: bool = False,
        unknown: Literal["token", "spell"] = "token",
        unknown_types: int = 1,
    ) -> None:
        if vocabulary is not None and vocabulary < 1:
            raise UsageError(f"word: vocabulary must be at least 1, not {vocabulary}")
        if not 1 <= unknown_types <= _MOST_TYPES:
            raise UsageError(f"word: unknown_types must be 1 to {_MOST_TYPES:,}, not {unknown_types}")
        if unknown == "spell" and (lowercase or unknown_types > 1):
            other = "lowercase loses the case of letters" if lowercase else "unknown_types says that letters are lost"
            raise UsageError(f"word: {other}, and unknown=spell loses nothing: leave one of them out")
        self.size = vocabulary
        self.lowercase = lowercase
        self.unknown: Literal["token", "spell"] = unknown
        self.unknown_types = unknown_types
        self._speller, self._gaps = Speller({}), Gaps({})
        self._build([], lines=False)

    def _build(self, words: list[str], lines: bool) -> None:
        self._words = words
        self._index = {_UNKNOWN: 0} | {word: index for index, word in enumerate(words, 1)}
        tokens = (_UNKNOWN.encode(), *(word.encode("utf-8") for word in words), b"\n" if lines else b"")
        self.vocabulary = Vocabulary(
            tokens, end_of_text=len(tokens) - 1, unknown=0, lossless=False, unknown_types=self.unknown_types
        )

    @property
    def hash(self) -> str:
        known = with_end(self.vocabulary, lines=False).hash + ("/lowercase" if self.lowercase else "")
        if self.unknown == "token":
            return known
        return f"{known}/{hashlib.sha256(json.dumps(self._learnt()).encode()).hexdigest()}"

    def _learnt(self) -> dict[str, Any]:
        """What the models of spelling and white space were fitted on, as JSON."""
        return {"spelled": list(self._speller.words.items()), "gaps": [[*k, n] for k, n in self._gaps.counts.items()]}

    def _split(self, text: str) -> list[str]:
        return (text.lower() if self.lowercase else text).split()

    def train(self, text: Text, progress: Progress) -> Self:
        counts: Counter[str] = Counter()
        with progress.task("counting words", text.bytes) as task:
            for batch in batches(text, BEFORE_SPACE):
                counts.update(chain.from_iterable(map(self._split, batch.pieces)))
                task.advance(batch.bytes)
        literal = counts.pop(_UNKNOWN, 0)
        if not counts:
            raise LmbenchError("the training text has no words; use another tokenizer, such as char, or a longer text")
        ranked = sorted(counts, key=lambda word: (-counts[word], word))
        if self.unknown == "spell" and self.size is None:
            ranked = [word for word in ranked if counts[word] > 1] or ranked
        self._build(ranked[: self.size], text.lines)
        if self.unknown == "spell":
            kept = set(self._words)
            rare = [word for word in counts if word not in kept] or [word for word in counts if counts[word] == 1]
            spelled = {word: counts[word] for word in rare or ranked}
            self._speller = Speller(spelled | {_UNKNOWN: literal} if literal else spelled)
            self._gaps = Gaps(self._count_gaps(text, progress))
        return self

    def _count_gaps(self, text: Text, progress: Progress) -> Counter[Gap]:
        counts: Counter[Gap] = Counter()
        with progress.task("counting white space", text.bytes) as task:
            for batch in batches(text, BEFORE_SPACE):
                left = ""
                for piece, last in zip(batch.pieces, batch.last, strict=True):
                    _, gaps, left = divided(piece, last, left)
                    counts.update(gaps)
                task.advance(batch.bytes)
        return counts

    def encode(self, text: Text, out: Path | None, progress: Progress) -> Tokens:
        if self.unknown == "spell":
            return self._encode_spelled(text, out, progress)
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

    def _encode_spelled(self, text: Text, out: Path | None, progress: Progress) -> Tokens:
        vocabulary = with_end(self.vocabulary, text.lines)
        spaces, unknown = Table(self._gaps.log_prob), Table(self._speller.log_prob)
        index, left = self._index, ""
        with IdsWriter(out, vocabulary) as writer, progress.task("encoding", text.bytes) as task:
            for batch in batches(text, BEFORE_SPACE):
                for piece, last in zip(batch.pieces, batch.last, strict=True):
                    words, gaps, left = divided(piece, last, left)
                    ids = [index.get(word, 0) for word in words]
                    spaces.extend(gaps)
                    unknown.extend((word,) for word, known in zip(words, ids, strict=True) if not known)
                    writer.write(np.array(ids, dtype=vocabulary.dtype), np.full(int(last), len(ids), dtype=np.int64))
                task.advance(batch.bytes)
            spelled = Spelled(
                spaces.array(), unknown.array(), [(key[1], cost) for key, cost in spaces.costs.items()],
                [(key[0], cost) for key, cost in unknown.costs.items()],
            )  # fmt: skip
            tokens = replace(writer.finish(), spelled=spelled)
            if out is not None:
                spelled.save(out)
            return tokens

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
        state: dict[str, Any] = {"vocabulary": self.size, "lowercase": self.lowercase, "words": self._words}
        state |= {"lines": self.vocabulary.lines, "unknown": self.unknown, "unknown_types": self.unknown_types}
        save_state(folder, "word", state | (self._learnt() if self.unknown == "spell" else {}))

    @classmethod
    def load(cls, folder: Path) -> Self:
        state = load_state(folder)
        with files.whole(folder / STATE, "word tokenizer", REMEDY):
            unknown, types = state.get("unknown", "token"), state.get("unknown_types", 1)
            if unknown not in ("token", "spell") or type(types) is not int:
                raise ValueError("its unknown words are another tokenizer's")
            size = files.field(state, "vocabulary", (int, type(None)))
            tokenizer = cls(size, files.field(state, "lowercase", bool), unknown, types)
            tokenizer._build(files.field(state, "words", list), files.field(state, "lines", bool))
            if unknown == "spell":
                spelled, gaps = state["spelled"], state["gaps"]
                counts = [count for *_, count in [*spelled, *gaps]]
                if not all(type(count) is int and 0 < count < 1 << 53 for count in counts):
                    raise ValueError("a count is no number of words")
                tokenizer._speller = Speller({str(word): count for word, count in spelled})
                tokenizer._gaps = Gaps({(str(a), str(gap), str(b)): count for a, gap, b, count in gaps})
        return tokenizer
