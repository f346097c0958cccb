"""What the tokenizers that stand on Hugging Face `tokenizers` share."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from lmbench.progress import Progress
from lmbench.tokenizer._pieces import Batch
from lmbench.tokenizer.base import IdsWriter, decode_bytes
from lmbench.tokens import Ids, Tokens, Vocabulary

# The library turns its threads off, with a warning, in a process that forked; asked for by name, it keeps them.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")


def from_json(content: dict[str, Any]) -> Tokenizer:
    """The tokenizer of a tokenizer.json. Raises ValueError where the library makes none of it."""
    try:
        return Tokenizer.from_str(json.dumps(content))
    except BaseException as error:
        # bare Exception for what it cannot parse, and a PanicException, which is none, where its own code fails
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise ValueError(str(error)) from error


@cache
def byte_of_character() -> dict[str, int]:
    """GPT-2's alphabet: printable Latin-1 characters stand for themselves, the other bytes for U+0100 and on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [value for value in range(256) if value not in printable]
    return {chr(value): value for value in printable} | {chr(256 + rank): value for rank, value in enumerate(others)}


def token_bytes(tokenizer: Tokenizer) -> list[bytes]:
    """[V] the bytes of each token of a byte-level vocabulary. Raises KeyError for a token outside its alphabet."""
    alphabet = byte_of_character()
    by_id = sorted((index, token) for token, index in tokenizer.get_vocab(with_added_tokens=False).items())
    return [bytes(alphabet[character] for character in token) for _, token in by_id]


class Fast:
    """A tokenizer that the library's own, `_tokenizer`, does the work of."""

    vocabulary: Vocabulary
    _tokenizer: Tokenizer

    def encode_text(self, text: str) -> Ids:
        return np.array(self._tokenizer.encode(text, add_special_tokens=False).ids, dtype=self.vocabulary.dtype)

    def decode(self, ids: NDArray[np.integer[Any]]) -> str:
        return decode_bytes(self.vocabulary, ids)


Check = Callable[[Batch, list[list[int]]], bool]


def encode_batches(
    tokenizer: Tokenizer,
    batches: Iterator[Batch],
    vocabulary: Vocabulary,
    total: int,
    out: Path | None,
    progress: Progress,
    check: Check | None = None,
) -> Tokens:
    """Encode batch after batch, the next two while the last one's ids are taken out.

    `check` says of each batch whether its ids give it back; where they do not, the tokens' vocabulary
    is not lossless.
    """
    with (
        IdsWriter(out, vocabulary) as writer,
        progress.task("encoding", total) as task,
        ThreadPoolExecutor(2) as ahead,
    ):
        waiting: deque[tuple[Batch, Future[list[Any]]]] = deque()

        def take() -> None:
            batch, future = waiting.popleft()
            ids = [encoding.ids for encoding in future.result()]
            if check is not None and writer.vocabulary.lossless and not check(batch, ids):
                writer.vocabulary = replace(writer.vocabulary, lossless=False)
            lengths = np.fromiter((len(piece) for piece in ids), dtype=np.int64, count=len(ids))
            joined = np.concatenate([np.array(piece, dtype=np.uint32) for piece in ids])
            writer.write(joined, np.cumsum(lengths)[np.array(batch.last, dtype=np.bool_)])
            task.advance(batch.bytes)

        for batch in batches:
            encode = ahead.submit(tokenizer.encode_batch_fast, batch.pieces, add_special_tokens=False)
            waiting.append((batch, encode))
            if len(waiting) > 2:
                take()
        while waiting:
            take()
        return writer.finish()
