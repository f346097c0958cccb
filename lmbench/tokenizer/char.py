"""Characters: the code points that the training text has, and a way out for those it has not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from lmbench import files
from lmbench.corpus.text import characters_before
from lmbench.progress import Progress
from lmbench.tokenizer.base import STATE, IdsWriter, decode_bytes, load_state, save_state, windows, with_end
from lmbench.tokens import REMEDY, Ids, Tokens, Vocabulary, smallest_dtype

if TYPE_CHECKING:
    from lmbench.corpus.text import Text

__all__ = ["Char"]

_UNICODE = 0x110000
_UNKNOWN = b"<unk>"


class Char:
    """Each character (Unicode code point) of the training text is a token.

    Ids: the characters in order of their code points, the end of text, then the fall-back's.
    A look-up in a table of all code points: runs at the speed of memory.

    Args:
        fallback: What a character becomes that the training text does not have: its UTF-8 bytes,
            as 256 further tokens (`byte`), or one unknown token (`unknown`), which loses it.
    """

    def __init__(self, fallback: Literal["byte", "unknown"] = "byte") -> None:
        self.fallback = fallback
        self._build("", lines=False)

    def _build(self, characters: str, lines: bool) -> None:
        """Vocabulary and look-up table for `characters`, which ascend."""
        seen = [character.encode("utf-8") for character in characters]
        end = len(seen)
        byte = self.fallback == "byte"
        rest = [bytes([value]) for value in range(256)] if byte else [_UNKNOWN]
        tokens = (*seen, b"\n" if lines else b"", *rest)
        self._characters = characters
        self.lossless = byte
        self.vocabulary = Vocabulary(tokens, end, None if byte else end + 1, byte)
        self._unseen = len(tokens) if byte else end + 1
        self._table = np.full(_UNICODE, self._unseen, dtype=smallest_dtype(len(tokens) + 1))
        self._table[np.array([ord(character) for character in characters], dtype=np.int64)] = np.arange(end)

    @property
    def hash(self) -> str:
        return with_end(self.vocabulary, lines=False).hash

    def train(self, text: Text, progress: Progress) -> Self:
        seen = np.zeros(_UNICODE, dtype=np.bool_)
        with progress.task("collecting characters", text.bytes) as task:
            for data, _ in windows(text):
                seen[_code_points(data)] = True
                task.advance(len(data))
        self._build("".join(map(chr, np.flatnonzero(seen).tolist())), text.lines)
        return self

    def encode(self, text: Text, out: Path | None, progress: Progress) -> Tokens:
        vocabulary = with_end(self.vocabulary, text.lines)
        with IdsWriter(out, vocabulary) as writer, progress.task("encoding", text.bytes) as task:
            for data, ends in windows(text):
                places = characters_before(data, ends) if len(ends) else ends
                writer.write(*self._ids(_code_points(data), places))
                task.advance(len(data))
            return writer.finish()

    def _ids(self, points: NDArray[np.integer[Any]], ends: NDArray[np.int64]) -> tuple[Ids, NDArray[np.int64]]:
        """[n] ids of code points, and `ends` moved to where those ids put them."""
        ids = self._table.take(points)
        if self.fallback == "unknown" or not len(ids) or int(ids.max()) < self._unseen:
            return ids, ends
        unseen = np.flatnonzero(ids == self._unseen)
        pieces = [chr(point).encode("utf-8") for point in points[unseen].tolist()]
        widths = np.ones(len(ids), dtype=np.int64)
        widths[unseen] = [len(piece) for piece in pieces]
        offsets = np.concatenate([[0], np.cumsum(widths)])
        out = np.repeat(ids, widths)
        spelled = np.frombuffer(b"".join(pieces), dtype=np.uint8).astype(out.dtype)
        out[out == self._unseen] = spelled + (self.vocabulary.end_of_text + 1)
        return out, offsets[ends]

    def encode_text(self, text: str) -> Ids:
        points = np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
        return self._ids(points, np.zeros(0, np.int64))[0].astype(self.vocabulary.dtype)

    def decode(self, ids: NDArray[np.integer[Any]]) -> str:
        return decode_bytes(self.vocabulary, ids)

    def save(self, folder: Path) -> None:
        state = {"fallback": self.fallback, "characters": self._characters, "lines": self.vocabulary.lines}
        save_state(folder, "char", state)

    @classmethod
    def load(cls, folder: Path) -> Self:
        state = load_state(folder)
        with files.whole(folder / STATE, "char tokenizer", REMEDY):
            fallback = files.field(state, "fallback", str)
            if fallback not in ("byte", "unknown"):
                raise ValueError(f"there is no fallback {fallback!r}")
            tokenizer = cls(fallback)
            tokenizer._build(files.field(state, "characters", str), files.field(state, "lines", bool))
        return tokenizer


def _code_points(data: NDArray[np.uint8]) -> NDArray[np.integer[Any]]:
    """[c] the code points of UTF-8 bytes; ASCII bytes are their own."""
    if not len(data) or data.max() < 128:
        return data
    return np.frombuffer(data.tobytes().decode("utf-8").encode("utf-32-le"), dtype="<u4")
