"""Bytes: 256 ids and the end."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from lmbench import files
from lmbench.progress import Progress
from lmbench.tokenizer.base import STATE, IdsWriter, decode_bytes, load_state, save_state, windows, with_end
from lmbench.tokens import REMEDY, Ids, Tokens, Vocabulary

if TYPE_CHECKING:
    from lmbench.corpus.text import Text

__all__ = ["Byte"]

_END = 256


class Byte:
    """Each byte of UTF-8 is a token: 256 ids and the end of text; nothing to train."""

    lossless = True

    def __init__(self) -> None:
        self.vocabulary = Vocabulary((*(bytes([value]) for value in range(256)), b""), _END)

    @property
    def hash(self) -> str:
        return hashlib.sha256(b"byte").hexdigest()

    def train(self, text: Text, progress: Progress) -> Self:
        self.vocabulary = with_end(self.vocabulary, text.lines)
        return self

    def encode(self, text: Text, out: Path | None, progress: Progress) -> Tokens:
        vocabulary = with_end(self.vocabulary, text.lines)
        with IdsWriter(out, vocabulary) as writer, progress.task("encoding", text.bytes) as task:
            for data, ends in windows(text):
                writer.write(data, ends)
                task.advance(len(data))
            return writer.finish()

    def encode_text(self, text: str) -> Ids:
        return np.frombuffer(text.encode("utf-8"), dtype=np.uint8).astype(self.vocabulary.dtype)

    def decode(self, ids: NDArray[np.integer[Any]]) -> str:
        return decode_bytes(self.vocabulary, ids)

    def save(self, folder: Path) -> None:
        save_state(folder, "byte", {"lines": self.vocabulary.lines})

    @classmethod
    def load(cls, folder: Path) -> Self:
        tokenizer, state = cls(), load_state(folder)
        with files.whole(folder / STATE, "byte tokenizer", REMEDY):
            tokenizer.vocabulary = with_end(tokenizer.vocabulary, files.field(state, "lines", bool))
        return tokenizer
