"""Any bytes as tokens, from which they come back as they were."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmbench.corpus.text import text_of
from lmbench.errors import LmbenchError
from lmbench.progress import Silent
from lmbench.tokenizer.base import Tokenizer
from lmbench.tokens import Tokens, Vocabulary

_UNREADABLE = re.compile("([\udc80-\udcff]+)")  # what Python makes of bytes that are no UTF-8


def tokens_of_bytes(content: bytes, tokenizer: Tokenizer) -> Tokens:
    """`content` as one document, or a document for each line where the vocabulary has lines.

    What is text has the ids that the tokenizer gives it. Bytes that are none, and lines that the tokenizer would not
    give back as they are, are spelled by the tokens of single bytes. The end of the last line is there whether the
    content ends with it or not: `bytes_of_tokens` is told the length. Raises LmbenchError where a byte has no token of
    its own and needs one: the vocabulary loses text.
    """
    vocabulary = tokenizer.vocabulary
    documents = _documents(content, vocabulary.lines)
    if (readable := _readable(documents)) is not None:
        tokens = tokenizer.encode(text_of(readable, lines=vocabulary.lines), None, Silent())
        if vocabulary.decode(tokens.ids)[: len(content)] == content:
            return Tokens(tokens.ids, tokens.documents, vocabulary)
    spelling = _Spelling(tokenizer)
    found = [np.append(spelling.ids(document), vocabulary.end_of_text) for document in documents]
    lengths = np.array([len(ids) for ids in found], dtype=np.int64)
    ids = np.concatenate([np.zeros(0, dtype=np.int64), *found]).astype(vocabulary.dtype)
    return Tokens(ids, np.cumsum(lengths) - lengths, vocabulary)


def _documents(content: bytes, lines: bool) -> list[bytes]:
    if not lines:
        return [content]
    documents = content.split(b"\n")
    return documents if documents[-1] else documents[:-1]


def _readable(documents: list[bytes]) -> list[str] | None:
    """The documents as text, None where one of them is none."""
    try:
        return [document.decode("utf-8") for document in documents]
    except UnicodeDecodeError:
        return None


class _Spelling:
    """Ids for what is not text, or does not come back from the tokenizer."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.vocabulary = tokenizer.vocabulary
        self.bytes = byte_tokens(self.vocabulary)

    def ids(self, document: bytes) -> NDArray[np.integer[Any]]:
        """[n] of one document, without its end."""
        text = document.decode("utf-8", "surrogateescape")
        parts = [self._part(part) for part in _UNREADABLE.split(text) if part]
        return np.concatenate([np.zeros(0, dtype=np.int64), *parts])

    def _part(self, text: str) -> NDArray[np.integer[Any]]:
        content = text.encode("utf-8", "surrogateescape")
        if not _UNREADABLE.match(text):
            ids = self.tokenizer.encode_text(text)
            if self.vocabulary.decode(ids) == content:
                return ids
            lines = text.splitlines(keepends=True)
            if len(lines) > 1:
                return np.concatenate([self._part(line) for line in lines])
        return self._spelled(content)

    def _spelled(self, content: bytes) -> NDArray[np.int64]:
        missing = next((value for value in content if value not in self.bytes), None)
        if missing is not None:
            raise LmbenchError(
                f"the tokens of this run lose text ({content[:20]!r} does not come back from them, and there is no "
                f"token for the byte 0x{missing:02x}): take a run with --tokenizer bpe, char or byte"
            )
        return np.array([self.bytes[value] for value in content], dtype=np.int64)


def byte_tokens(vocabulary: Vocabulary) -> dict[int, int]:
    """{byte: the last id that stands for it and nothing else}."""
    special = (vocabulary.end_of_text, vocabulary.unknown)
    tokens = enumerate(vocabulary.tokens)
    return {token[0]: index for index, token in tokens if len(token) == 1 and index not in special}


def ids_of_bytes(content: bytes, tokenizer: Tokenizer) -> NDArray[np.integer[Any]]:
    """[n] as the tokens of a document that begins so, without an end. Raises LmbenchError as `tokens_of_bytes` does."""
    return _Spelling(tokenizer).ids(content)
