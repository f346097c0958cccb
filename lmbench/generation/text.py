"""Ids to text as they come."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from lmbench.tokens import Vocabulary


class Decoder(Protocol):
    """Tokens to text, one after the other."""

    def add(self, index: int) -> str:
        """The text that is whole once this token has come; it may be empty."""

    def close(self) -> str:
        """What is left when no token comes any more: a character that was begun."""


class VocabularyDecoder:
    """Of a vocabulary of ours.

    `spaced`: a space goes between two tokens, as a vocabulary of words needs it. The end of a
    document is a newline where documents are lines, and an empty line otherwise. Bytes that
    are no UTF-8, which only a byte-level model can produce, become U+FFFD.
    """

    def __init__(self, vocabulary: Vocabulary, spaced: bool = False) -> None:
        self._vocabulary, self._spaced = vocabulary, spaced
        self._first = True
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def add(self, index: int) -> str:
        token = self._vocabulary.tokens[index]
        if index == self._vocabulary.end_of_text:
            self._first = True
            return self.close() + (token.decode("utf-8") or "\n\n")
        gap = " " if self._spaced and not self._first else ""
        self._first = False
        return gap + self._decoder.decode(token)

    def close(self) -> str:
        return self._decoder.decode(b"", final=True)


class Stop:
    """A text as it grows, up to where one of `words` begins in it.

    What may be the beginning of such a word is held back until it is known not to be one.

    >>> stop = Stop(["END"])
    >>> [stop.add(piece) for piece in ("so E", "N", "X or EN", "D, and")], stop.found
    (['so ', '', 'ENX or ', ''], True)
    """

    def __init__(self, words: Sequence[str]) -> None:
        self._words = [word for word in words if word]
        self._held = ""
        self.found = False

    def add(self, piece: str) -> str:
        """What may be shown of the text with `piece` at its end."""
        if self.found:
            return ""
        self._held += piece
        places = [place for word in self._words if (place := self._held.find(word)) >= 0]
        if places:
            self.found = True
            shown, self._held = self._held[: min(places)], ""
            return shown
        kept = max((_begun(self._held, word) for word in self._words), default=0)
        shown, self._held = self._held[: len(self._held) - kept], self._held[len(self._held) - kept :]
        return shown

    def close(self) -> str:
        """What was held back of a text that ends here."""
        shown, self._held = self._held, ""
        return shown


def _begun(text: str, word: str) -> int:
    """The most characters at the end of `text` that `word` begins with."""
    return next((size for size in range(min(len(word) - 1, len(text)), 0, -1) if text.endswith(word[:size])), 0)


def stream(ids: Iterable[int], vocabulary: Vocabulary, spaced: bool = False) -> Iterator[str]:
    """The text of each id as soon as its characters are whole, as `VocabularyDecoder` has it; pieces may be empty."""
    decoder = VocabularyDecoder(vocabulary, spaced)
    for index in ids:
        yield decoder.add(index)
    yield decoder.close()
