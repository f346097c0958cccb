"""Tokens: the one thing that every model and every estimator reads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmbench import files
from lmbench.disk import save_array

Ids = NDArray[np.unsignedinteger[Any]]
REMEDY = "run again"


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """What each id stands for: `tokens[id]` is its bytes, so the byte length of any span is exact.

    `end_of_text` is the id that ends every document; the same id is the context before a
    document's first token. Its bytes are empty, or a newline where each line is a document.
    `unknown` is the id that text outside the vocabulary is mapped to, None where there is
    no such thing. `lossless` says whether decoding gives the text back: where it does not,
    lengths in bytes mean nothing and no figure per byte is made but by what `Tokens.spelled` adds.
    `unknown_types`: as how many types, equally likely, the unknown id counts.
    """

    tokens: tuple[bytes, ...]
    end_of_text: int
    unknown: int | None = None
    lossless: bool = True
    unknown_types: int = 1

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def lines(self) -> bool:
        """Whether each document is a line, whose end stands for its newline."""
        return self.tokens[self.end_of_text] != b""

    @cached_property
    def byte_lengths(self) -> NDArray[np.int64]:
        """[V] bytes in each token."""
        return np.fromiter((len(token) for token in self.tokens), dtype=np.int64, count=len(self))

    @cached_property
    def character_lengths(self) -> NDArray[np.int64]:
        """[V] characters that begin in each token: its UTF-8 bytes that are not continuation bytes."""
        starts = (sum(byte & 0xC0 != 0x80 for byte in token) for token in self.tokens)
        return np.fromiter(starts, dtype=np.int64, count=len(self))

    @cached_property
    def hash(self) -> str:
        """SHA-256 over the tokens, their order, and the two special ids."""
        digest = hashlib.sha256()
        for token in self.tokens:
            digest.update(len(token).to_bytes(4, "little"))
            digest.update(token)
        digest.update(repr((self.end_of_text, self.unknown, self.lossless)).encode())
        if self.unknown_types != 1:
            digest.update(repr(self.unknown_types).encode())
        return digest.hexdigest()

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger[Any]]:
        """The smallest unsigned type that holds every id."""
        return smallest_dtype(len(self))

    def decode(self, ids: NDArray[np.integer[Any]]) -> bytes:
        """The bytes of a run of ids; for a lossless vocabulary, the text that was encoded."""
        tokens = self.tokens
        return b"".join(tokens[index] for index in ids.tolist())

    def save(self, path: Path) -> None:
        """Write JSON: tokens as Latin-1 text, one character a byte."""
        content = {
            "end_of_text": self.end_of_text,
            "unknown": self.unknown,
            "lossless": self.lossless,
            "unknown_types": self.unknown_types,
            "tokens": [token.decode("latin-1") for token in self.tokens],
        }
        path.write_text(json.dumps(content, ensure_ascii=True), encoding="ascii")

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        """Read what `save` wrote. Raises LmbenchError naming the file where it is not whole."""
        with files.whole(path, "vocabulary", REMEDY):
            content = files.read_json(path, files.LARGE)
            tokens = tuple(token.encode("latin-1") for token in files.field(content, "tokens", list))
            last = len(tokens) - 1
            end = files.whole_number(content, "end_of_text", 0, last)
            if tokens[end] not in (b"", b"\n"):
                raise ValueError("the end of text is no line's end")
            unknown = content["unknown"] and files.whole_number(content, "unknown", 0, last)
            types = files.whole_number({"unknown_types": 1, **content}, "unknown_types", 1, 1 << 53)
            return cls(tokens, end, unknown, files.field(content, "lossless", bool), types)


def smallest_dtype(size: int) -> np.dtype[np.unsignedinteger[Any]]:
    """The smallest unsigned type that holds 0 .. size-1: uint8, uint16 or uint32."""
    kind: type[np.unsignedinteger[Any]] = np.uint8 if size <= 1 << 8 else np.uint16 if size <= 1 << 16 else np.uint32
    return np.dtype(kind)


@dataclass(frozen=True, eq=False)
class Spelled:
    """What the ids of a text leave out, with what it costs: the spelling of unknown tokens, and the white space.

    `gaps`: [n] which of `spaces` stands before each token. `unknown`: [m] which of `words` each unknown token is, in
    their order. `spaces`, `words`: (text, ln p) of each that occurs; the same white space has several entries, by what
    stands on either side. ln p is given all tokens before and the token itself, by a model that the tokenizer fitted
    on the training text.

    Worked example, "a  zo" of which zo is unknown, ids `[1, 0, end]`: `gaps = [0, 1, 2]`, `unknown = [0]`, `spaces =
    [("", ..), ("  ", ..), ("", ..)]`, `words = [("zo", ..)]`.
    """

    gaps: NDArray[np.int32]
    unknown: NDArray[np.int32]
    spaces: list[tuple[str, float]]
    words: list[tuple[str, float]]

    def part(self, tokens: slice, unknown: slice) -> Spelled:
        return Spelled(self.gaps[tokens], self.unknown[unknown], self.spaces, self.words)

    def __add__(self, other: Spelled) -> Spelled:
        gaps = np.concatenate([self.gaps, other.gaps + np.int32(len(self.spaces))])
        unknown = np.concatenate([self.unknown, other.unknown + np.int32(len(self.words))])
        return Spelled(gaps, unknown, self.spaces + other.spaces, self.words + other.words)

    def save(self, folder: Path) -> None:
        save_array(folder / "gaps.npy", self.gaps)
        save_array(folder / "unknown.npy", self.unknown)
        content = {"spaces": self.spaces, "words": self.words}
        (folder / "spelled.json").write_text(json.dumps(content, ensure_ascii=True), encoding="ascii")

    @classmethod
    def load(cls, folder: Path, size: int) -> Spelled | None:
        """Read what `save` wrote of `size` tokens; None where there is nothing of it. Raises ValueError where it is
        not whole."""
        path = folder / "spelled.json"
        if not path.exists():
            return None
        content = files.read_json(path, files.LARGE)
        gaps = files.open_array(folder / "gaps.npy", (np.int32,), (size,))
        unknown = files.open_array(folder / "unknown.npy", (np.int32,), (None,))
        spaces, words = ([(str(text), float(cost)) for text, cost in content[key]] for key in ("spaces", "words"))
        for indices, table in ((gaps, spaces), (unknown, words)):
            files.index(indices, len(table), "a spelling")
            files.within(np.array([cost for _, cost in table]), -np.inf, 0, "ln p of a spelling")
        return cls(gaps, unknown, spaces, words)


@dataclass(frozen=True, eq=False)
class Tokens:
    """A text as ids, document after document, each ended by `vocabulary.end_of_text`.

    `ids`: [n] unsigned, possibly memory-mapped. `documents`: [d] int64, the offset at
    which each document starts, ascending from 0; every document has at least its end.

    `spelled`: what ids of a vocabulary that loses text leave out, where the tokenizer keeps it.
    `sources`: [d] int64, ascending: which document of the user's text each one is a piece of, where several are pieces
    of one; None where each is a whole one.

    Worked example, vocabulary a=0 b=1 end=2, documents "ab" and "b":
    `ids = [0, 1, 2, 1, 2]`, `documents = [0, 3]`.
    """

    ids: Ids
    documents: NDArray[np.int64]
    vocabulary: Vocabulary
    spelled: Spelled | None = None
    sources: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def hash(self) -> str:
        """SHA-256 over ids, document offsets and vocabulary; not over `sources`, of which no model is told."""
        digest = hashlib.sha256(self.vocabulary.hash.encode())
        digest.update(self.documents.tobytes())
        width = 1 << 24
        for start in range(0, len(self.ids), width):
            digest.update(self.ids[start : start + width].tobytes())
        return digest.hexdigest()

    @cached_property
    def ends(self) -> NDArray[np.int64]:
        """[d] the offset just after each document's end token."""
        return np.append(self.documents[1:], len(self.ids)).astype(np.int64)

    @property
    def places(self) -> NDArray[np.int64]:
        """[n] how many tokens of its document are before each token."""
        return np.arange(len(self.ids)) - np.repeat(self.documents, self.ends - self.documents)

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """[V] how often each id occurs."""
        counts = np.zeros(len(self.vocabulary), dtype=np.int64)
        width = 1 << 24
        for start in range(0, len(self.ids), width):
            counts += np.bincount(self.ids[start : start + width], minlength=len(counts))
        return counts

    @property
    def lossless(self) -> bool:
        """Whether the text can be had from the tokens: from the ids, or from them and what is spelled beside them."""
        return self.vocabulary.lossless or self.spelled is not None

    @property
    def bytes(self) -> int:
        """Bytes of text the tokens stand for (of a vocabulary that loses text: of what is left of it)."""
        if self.spelled is not None:
            return int(self.byte_lengths.sum())
        return int(self.counts @ self.vocabulary.byte_lengths)

    @property
    def characters(self) -> int:
        """Characters (Unicode code points) the tokens stand for."""
        if self.spelled is not None:
            lengths = self._lengths(self.vocabulary.character_lengths, len)
            return int(lengths.sum())
        return int(self.counts @ self.vocabulary.character_lengths)

    @property
    def byte_lengths(self) -> NDArray[np.int64]:
        """[n] bytes of text that each token stands for, the white space before it where that is spelled."""
        return self._lengths(self.vocabulary.byte_lengths, lambda text: len(text.encode("utf-8")))

    def _lengths(self, of_ids: NDArray[np.int64], measure: Callable[[str], int]) -> NDArray[np.int64]:
        lengths: NDArray[np.int64] = of_ids[self.ids]
        if self.spelled is not None:
            spaces, words = (
                np.array([measure(text) for text, _ in table], dtype=np.int64)
                for table in (self.spelled.spaces, self.spelled.words)
            )
            lengths[self.ids == self.vocabulary.unknown] = words[self.spelled.unknown]
            lengths += spaces[self.spelled.gaps]
        return lengths

    @property
    def unknown_log_probs(self) -> NDArray[np.float64] | None:
        """[n] nats: what a token costs beside its id, which no model of the ids knows; None where that is nothing.

        ln p of its white space and, of an unknown token, of its spelling; or - ln of `unknown_types`.
        """
        unknown = self.ids == self.vocabulary.unknown
        if self.spelled is not None:
            spaces, words = (
                np.array([cost for _, cost in table], dtype=np.float64)
                for table in (self.spelled.spaces, self.spelled.words)
            )
            found: NDArray[np.float64] = spaces[self.spelled.gaps]
            found[unknown] += words[self.spelled.unknown]
            return found
        if self.vocabulary.unknown_types > 1:
            return np.where(unknown, -np.log(self.vocabulary.unknown_types), 0.0)
        return None

    def content(self) -> str:
        """The text, document after document with their ends; exact where the tokens are `lossless`."""
        if self.spelled is None:
            return self.vocabulary.decode(self.ids).decode("utf-8", errors="replace")
        return "".join(self.texts())

    def texts(self) -> list[str]:
        """[n] the text of each token with the white space before it; only where that is spelled."""
        if self.spelled is None:
            raise ValueError("the text of single tokens is kept only where it is spelled")
        tokens, spelled, unknown = self.vocabulary.tokens, self.spelled, self.vocabulary.unknown
        words = iter([spelled.words[index][0] for index in spelled.unknown.tolist()])
        return [
            spelled.spaces[gap][0] + (next(words) if index == unknown else tokens[index].decode("utf-8"))
            for index, gap in zip(self.ids.tolist(), spelled.gaps.tolist(), strict=True)
        ]

    def document(self, index: int) -> Ids:
        """The ids of one document, its end token included."""
        return self.ids[self.documents[index] : self.ends[index]]

    @property
    def as_one(self) -> Tokens:
        """The same ids as one document, with the ends of its parts among them."""
        return Tokens(self.ids, self.documents[:1], self.vocabulary)

    def head(self, count: int) -> Tokens:
        """The first `count` tokens; the last document is cut, and keeps no end token."""
        documents = self.documents[self.documents < count]
        sources = None if self.sources is None else self.sources[: len(documents)]
        return Tokens(self.ids[:count], documents, self.vocabulary, self._spelled(0, count), sources)

    def tail(self, count: int) -> Tokens:
        """The last `count` tokens; the first document may be cut. Of 0 tokens there is no document."""
        start = max(0, len(self.ids) - count)
        documents = np.append(start, self.documents[self.documents > start]) - start
        documents = documents[: len(self.ids) - start].astype(np.int64)
        sources = None if self.sources is None else self.sources[len(self.documents) - len(documents) :]
        return Tokens(self.ids[start:], documents, self.vocabulary, self._spelled(start, len(self.ids)), sources)

    def _spelled(self, start: int, stop: int) -> Spelled | None:
        if self.spelled is None:
            return None
        before, inside = (
            int(np.count_nonzero(part == self.vocabulary.unknown)) for part in (self.ids[:start], self.ids[start:stop])
        )
        return self.spelled.part(slice(start, stop), slice(before, before + inside))

    def __add__(self, other: Tokens) -> Tokens:
        """Both texts' documents, one after the other, each taken for a whole one.

        Raises ValueError where the vocabularies differ, or where the last document of the first text
        has no end, so that no context can tell it from the next.
        """
        if self.vocabulary.hash != other.vocabulary.hash:
            raise ValueError("tokens of two vocabularies cannot be joined")
        if len(self) and len(other) and self.ids[-1] != self.vocabulary.end_of_text:
            raise ValueError("tokens whose last document has no end cannot be followed by others")
        ids = np.concatenate([self.ids, other.ids])
        documents = np.concatenate([self.documents, other.documents + len(self)])
        spelled = self.spelled + other.spelled if self.spelled is not None and other.spelled is not None else None
        return Tokens(ids, documents, self.vocabulary, spelled)

    def save(self, folder: Path) -> None:
        """Write `ids.npy`, `documents.npy`, `vocabulary.json`, and `sources.npy` and what is spelled where there are
        such, into an existing folder."""
        save_array(folder / "ids.npy", self.ids)
        save_array(folder / "documents.npy", self.documents)
        if self.sources is not None:
            save_array(folder / "sources.npy", self.sources)
        self.vocabulary.save(folder / "vocabulary.json")
        if self.spelled is not None:
            self.spelled.save(folder)

    @classmethod
    def load(cls, folder: Path) -> Tokens:
        """Read what `save` wrote; the ids stay on disk, memory-mapped.

        Raises LmbenchError naming the file where it is not whole, or its numbers are no ids, or no offsets.
        """
        vocabulary = Vocabulary.load(folder / "vocabulary.json")
        path = folder / "ids.npy"
        with files.whole(path, "text in tokens", REMEDY):
            ids = files.open_array(path, (vocabulary.dtype,), (None,))
            files.index(ids, len(vocabulary), "an id")
        path = folder / "documents.npy"
        with files.whole(path, "text in tokens", REMEDY):
            documents = files.read_array(path, (np.int64,), (None,))
            files.ascending(documents, 0, len(ids) - 1, "the beginning of documents", strictly=True)
            if len(ids) and not (len(documents) and documents[0] == 0):
                raise ValueError("the first document does not begin at 0")
        path = folder / "sources.npy"
        sources = None
        if path.exists():
            with files.whole(path, "text in tokens", REMEDY):
                sources = files.read_array(path, (np.int64,), (len(documents),))
                files.ascending(sources, 0, 1 << 53, "documents of the whole text", strictly=False)
        with files.whole(folder / "spelled.json", "text in tokens", REMEDY):
            spelled = Spelled.load(folder, len(ids))
            if spelled is not None and len(spelled.unknown) != int((ids == vocabulary.unknown).sum()):
                raise ValueError("not what goes with these tokens")
        return cls(ids, documents, vocabulary, spelled, sources)


def tokens_of(documents: list[list[int]], vocabulary: Vocabulary) -> Tokens:
    """Tokens from lists of ids without their end tokens, which are added; for small texts.

    `[[0, 1], [1]]` with end 2 gives ids `[0, 1, 2, 1, 2]` and documents `[0, 3]`.
    """
    ids: list[int] = []
    starts: list[int] = []
    for document in documents:
        starts.append(len(ids))
        ids += [*document, vocabulary.end_of_text]
    return Tokens(np.array(ids, dtype=vocabulary.dtype), np.array(starts, dtype=np.int64), vocabulary)
