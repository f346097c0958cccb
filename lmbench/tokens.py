"""Tokens: the one thing that every model and every estimator reads."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmbench.disk import save_array

Ids = NDArray[np.unsignedinteger[Any]]


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """What each id stands for: `tokens[id]` is its bytes, so the byte length of any span is exact.

    `end_of_text` is the id that ends every document; the same id is the context before a
    document's first token. Its bytes are empty, or a newline where each line is a document.
    `unknown` is the id that text outside the vocabulary is mapped to, None where there is
    no such thing. `lossless` says whether decoding gives the text back: where it does not,
    lengths in bytes mean nothing and no figure per byte is made.
    """

    tokens: tuple[bytes, ...]
    end_of_text: int
    unknown: int | None = None
    lossless: bool = True

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
            "tokens": [token.decode("latin-1") for token in self.tokens],
        }
        path.write_text(json.dumps(content, ensure_ascii=True), encoding="ascii")

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        content = json.loads(path.read_text(encoding="ascii"))
        tokens = tuple(token.encode("latin-1") for token in content["tokens"])
        return cls(tokens, content["end_of_text"], content["unknown"], content["lossless"])


def smallest_dtype(size: int) -> np.dtype[np.unsignedinteger[Any]]:
    """The smallest unsigned type that holds 0 .. size-1: uint8, uint16 or uint32."""
    kind: type[np.unsignedinteger[Any]] = np.uint8 if size <= 1 << 8 else np.uint16 if size <= 1 << 16 else np.uint32
    return np.dtype(kind)


@dataclass(frozen=True, eq=False)
class Tokens:
    """A text as ids, document after document, each ended by `vocabulary.end_of_text`.

    `ids`: [n] unsigned, possibly memory-mapped. `documents`: [d] int64, the offset at
    which each document starts, ascending from 0; every document has at least its end.

    Worked example, vocabulary a=0 b=1 end=2, documents "ab" and "b":
    `ids = [0, 1, 2, 1, 2]`, `documents = [0, 3]`.
    """

    ids: Ids
    documents: NDArray[np.int64]
    vocabulary: Vocabulary

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def hash(self) -> str:
        """SHA-256 over ids, document offsets and vocabulary."""
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
    def bytes(self) -> int:
        """Bytes of text the ids stand for (of a lossy vocabulary: of what is left of it)."""
        return int(self.counts @ self.vocabulary.byte_lengths)

    @property
    def characters(self) -> int:
        """Characters (Unicode code points) the ids stand for."""
        return int(self.counts @ self.vocabulary.character_lengths)

    def document(self, index: int) -> Ids:
        """The ids of one document, its end token included."""
        return self.ids[self.documents[index] : self.ends[index]]

    @property
    def as_one(self) -> Tokens:
        """The same ids as one document, with the ends of its parts among them."""
        return Tokens(self.ids, self.documents[:1], self.vocabulary)

    def head(self, count: int) -> Tokens:
        """The first `count` tokens; the last document is cut, and keeps no end token."""
        return Tokens(self.ids[:count], self.documents[self.documents < count], self.vocabulary)

    def tail(self, count: int) -> Tokens:
        """The last `count` tokens; the first document may be cut. Of 0 tokens there is no document."""
        start = max(0, len(self.ids) - count)
        documents = np.append(start, self.documents[self.documents > start]) - start
        return Tokens(self.ids[start:], documents[: len(self.ids) - start].astype(np.int64), self.vocabulary)

    def __add__(self, other: Tokens) -> Tokens:
        """Both texts' documents, one after the other.

        Raises ValueError where the vocabularies differ, or where the last document of the first text
        has no end, so that no context can tell it from the next.
        """
        if self.vocabulary.hash != other.vocabulary.hash:
            raise ValueError("tokens of two vocabularies cannot be joined")
        if len(self) and len(other) and self.ids[-1] != self.vocabulary.end_of_text:
            raise ValueError("tokens whose last document has no end cannot be followed by others")
        ids = np.concatenate([self.ids, other.ids])
        return Tokens(ids, np.concatenate([self.documents, other.documents + len(self)]), self.vocabulary)

    def save(self, folder: Path) -> None:
        """Write `ids.npy`, `documents.npy` and `vocabulary.json` into an existing folder."""
        save_array(folder / "ids.npy", self.ids)
        save_array(folder / "documents.npy", self.documents)
        self.vocabulary.save(folder / "vocabulary.json")

    @classmethod
    def load(cls, folder: Path) -> Tokens:
        """Read what `save` wrote; the ids stay on disk, memory-mapped."""
        ids = np.load(folder / "ids.npy", mmap_mode="r", allow_pickle=False)
        documents = np.load(folder / "documents.npy", allow_pickle=False)
        return cls(ids, documents, Vocabulary.load(folder / "vocabulary.json"))


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
