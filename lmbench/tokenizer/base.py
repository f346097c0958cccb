"""The contract that every tokenizer keeps, and what they share."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from lmbench import files
from lmbench.disk import naming, save_array
from lmbench.progress import Progress
from lmbench.tokens import Ids, Tokens, Vocabulary

if TYPE_CHECKING:
    from lmbench.corpus.text import Text

STATE = "tokenizer.state.json"
WINDOW = 1 << 18  # bytes: they and the ids made of them stay in the second-level cache


class Tokenizer(Protocol):
    """Text to ids and back. Every document ends with `vocabulary.end_of_text`.

    `lossless`: decode(encode(text)) == text, for any Unicode text. `vocabulary` is final once
    `train` has returned; the bytes of its end are a newline where the documents of the text it
    was trained on are lines, else none.
    """

    vocabulary: Vocabulary
    lossless: bool

    @property
    def hash(self) -> str:
        """SHA-256 of everything that decides which ids a text becomes."""

    def train(self, text: Text, progress: Progress) -> Self:
        """Learn the vocabulary from the training text alone; changes and returns the tokenizer.

        Raises LmbenchError where the text cannot carry the vocabulary asked for.
        """

    def encode(self, text: Text, out: Path | None, progress: Progress) -> Tokens:
        """The text's tokens; where a folder `out` is given, written into it as they are made and mapped from there."""

    def encode_text(self, text: str) -> Ids:
        """[n] the ids of a prompt, which has no end."""

    def decode(self, ids: NDArray[np.integer[Any]]) -> str:
        """The text; bytes of a character that is cut become U+FFFD."""

    def save(self, folder: Path) -> None:
        """Write JSON into an existing folder."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote. Raises LmbenchError naming the file where it is not whole."""


def with_end(vocabulary: Vocabulary, lines: bool) -> Vocabulary:
    """The vocabulary with the end's bytes as documents that are lines, or are not, have them."""
    end = b"\n" if lines else b""
    tokens, index = vocabulary.tokens, vocabulary.end_of_text
    if tokens[index] == end:
        return vocabulary
    return replace(vocabulary, tokens=(*tokens[:index], end, *tokens[index + 1 :]))


def decode_bytes(vocabulary: Vocabulary, ids: NDArray[np.integer[Any]]) -> str:
    return vocabulary.decode(np.asarray(ids)).decode("utf-8", errors="replace")


def save_state(folder: Path, name: str, state: dict[str, Any]) -> None:
    """Write what `load_tokenizer` needs to find the plug-in again, and the plug-in to be itself."""
    (folder / STATE).write_text(json.dumps({"tokenizer": name, **state}, ensure_ascii=True), encoding="ascii")


def load_state(folder: Path) -> dict[str, Any]:
    """Raises LmbenchError naming the file where it is missing or not whole."""
    path = folder / STATE
    with files.whole(path, "tokenizer", "the tokenizer was not saved whole"):
        state: dict[str, Any] = files.read_json(path, files.LARGE)
        files.field(state, "tokenizer", str)
    return state


class IdsWriter:
    """Ids as they are made, in memory or in `ids.npy` of a folder, whose length is written when it is known.

    Written as a file, not through a map: a full disk then is an error, and not a killed process.
    """

    def __init__(self, folder: Path | None, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.dtype = vocabulary.dtype
        self.length = 0
        self._folder = folder
        self._parts: list[Ids] = []
        self._ends: list[NDArray[np.int64]] = []
        self._file = None if folder is None else (folder / "ids.npy").open("wb")
        self._header()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def _header(self) -> None:
        if self._file is not None:
            # numpy pads the header so that a longer shape fits into the same number of bytes.
            self._file.seek(0)
            header = {"descr": self.dtype.str, "fortran_order": False, "shape": (self.length,)}
            np.lib.format.write_array_header_1_0(self._file, header)

    def write(self, ids: NDArray[np.integer[Any]], ends: NDArray[np.int64]) -> None:
        """Append `ids`, with an end of text put in at each of the offsets `ends` (ascending, may repeat)."""
        part = ids.astype(self.dtype, copy=False)
        if len(ends):
            part = np.insert(part, ends, self.vocabulary.end_of_text)
            self._ends.append(self.length + ends + np.arange(1, len(ends) + 1))
        self.length += len(part)
        if self._file is None:
            self._parts.append(part)
        else:
            with naming(Path(self._file.name)):
                self._file.write(np.ascontiguousarray(part).data)

    def finish(self) -> Tokens:
        """The tokens of everything written; in a folder, mapped from its files."""
        zero = np.zeros(1, dtype=np.int64)
        documents = np.concatenate([zero, *self._ends])[:-1] if self._ends else zero[:0]
        if self._file is None or self._folder is None:
            return Tokens(np.concatenate([np.zeros(0, self.dtype), *self._parts]), documents, self.vocabulary)
        with naming(Path(self._file.name)):
            self._header()
            self._file.close()
        save_array(self._folder / "documents.npy", documents)
        self.vocabulary.save(self._folder / "vocabulary.json")
        return Tokens.load(self._folder)


def windows(text: Text, size: int = WINDOW) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    """The documents' bytes in windows of about `size` that cut no character, and where documents end in each.

    Yields ([b] uint8, [k] int64 offsets in it). Documents "ab", "" and "c" in a window:
    b"abc" and [2, 2, 3].
    """
    lengths = text.ends - text.starts
    after = np.cumsum(lengths)
    document = 0
    while document < len(lengths):
        if lengths[document] > size:
            yield from _long(text.data[text.starts[document] : text.ends[document]], size)
            document += 1
            continue
        # As many whole documents as fit, found at once: a corpus of lines has millions.
        last = int(np.searchsorted(after, after[document] - lengths[document] + size, "right"))
        yield _together(text, document, last)
        document = last


def _together(text: Text, first: int, last: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    starts, ends = text.starts[first:last], text.ends[first:last]
    base = int(starts[0])
    data = text.data[base : int(ends[-1])]
    if bool((starts[1:] == ends[:-1]).all()):
        return data, ends - base
    change = np.zeros(len(data) + 1, dtype=np.int8)
    np.add.at(change, starts - base, 1)
    np.subtract.at(change, ends - base, 1)
    return data[np.cumsum(change[:-1], dtype=np.int8) > 0], np.cumsum(ends - starts)


def _long(data: NDArray[np.uint8], size: int) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    none = np.zeros(0, dtype=np.int64)
    at = 0
    while at < len(data):
        stop = min(at + size, len(data))
        while stop < len(data) and data[stop] & 0xC0 == 0x80:
            stop += 1
        yield data[at:stop], np.array([stop - at], np.int64) if stop == len(data) else none
        at = stop
