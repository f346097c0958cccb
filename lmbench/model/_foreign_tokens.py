"""A text in the tokens of somebody else's model, and which of our tokens each of them ends in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lmbench.corpus.text import character_starts
from lmbench.errors import LmbenchError
from lmbench.tokens import Tokens, Vocabulary

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

_BYTES = 1 << 22  # of text encoded together


@dataclass(frozen=True, eq=False)
class Reading:
    """`tokens`: the same text in the other vocabulary. `places`: [m] for each of them the index of our token in which
    its last byte lies, ascending."""

    tokens: Tokens
    places: NDArray[np.int64]

    def laid_over(self, log_probs: NDArray[np.float64], count: int) -> NDArray[np.float64]:
        """[m] nats of the other tokens -> [count] nats, at each of ours the sum over those that end in it.

        Ours `ab` `c` `$`, theirs `a` `bc` `$` with costs 1, 2, 4: `1 2 4`. A document's total is exact, and what
        ends before any byte of ours that theirs end at too; where no token of theirs ends, 0 stands.
        """
        found: NDArray[np.float64] = np.bincount(self.places, weights=log_probs, minlength=count).astype(np.float64)
        return found


def read(tokens: Tokens, tokenizer: Tokenizer, end: int, size: int, name: str) -> Reading:
    """The text of `tokens` in the tokens of `tokenizer`, each document encoded as a whole.

    `end` is the id that ends every document, in `size` ids. Where documents are lines their newline is text and ends
    them, and `end` is not predicted after it. Raises LmbenchError where our tokens have lost text, or where the other
    tokenizer does: then what it is asked to predict is not the text.
    """
    if not tokens.vocabulary.lossless:
        raise LmbenchError(
            f"{name} predicts the text itself, of which the tokens of this run have lost some; "
            "use --tokenizer byte, char or bpe"
        )
    ids: list[NDArray[np.uint32]] = []
    places: list[NDArray[np.int64]] = []
    starts: list[int] = []
    count = 0
    for documents, texts in _batches(tokens, name):
        for document, text, encoded in zip(
            documents, texts, tokenizer.encode_batch(texts, add_special_tokens=False), strict=True
        ):
            _check(tokenizer, encoded, text, document, size, name)
            own = tokens.document(document)
            begin = int(tokens.documents[document])
            found = np.array(encoded.ids, dtype=np.uint32)
            at = begin + _last_bytes(encoded, text, np.cumsum(tokens.vocabulary.byte_lengths[own]))
            if not tokens.vocabulary.lines and len(own) and own[-1] == tokens.vocabulary.end_of_text:
                found = np.append(found, np.uint32(end))
                at = np.append(at, begin + len(own) - 1)
            if not len(found):  # part of a document, cut before its first token
                continue
            starts.append(count)
            count += len(found)
            ids.append(found)
            places.append(at)
    empty = np.zeros(0, dtype=np.int64)
    vocabulary = Vocabulary((b"",) * size, end)  # the bytes of its tokens are not asked for
    joined = Tokens(np.concatenate([empty.astype(np.uint32), *ids]), np.array(starts, dtype=np.int64), vocabulary)
    return Reading(joined, np.concatenate([empty, *places]))


def _batches(tokens: Tokens, name: str) -> Iterator[tuple[list[int], list[str]]]:
    """(indices of documents, their texts), so many as make up some megabytes."""
    documents: list[int] = []
    texts: list[str] = []
    held = 0
    for index in range(len(tokens.documents)):
        content = tokens.vocabulary.decode(tokens.document(index))
        try:
            texts.append(content.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise LmbenchError(f"{name}: document {index + 1} begins or ends inside a character ({error})") from None
        documents.append(index)
        held += len(content)
        if held >= _BYTES:
            yield documents, texts
            documents, texts, held = [], [], 0
    if documents:
        yield documents, texts


def _check(tokenizer: Tokenizer, encoded: Encoding, text: str, document: int, size: int, name: str) -> None:
    again = tokenizer.decode(encoded.ids, skip_special_tokens=False)
    if again != text:
        at = next((i for i, (a, b) in enumerate(zip(again, text, strict=False)) if a != b), min(len(again), len(text)))
        raise LmbenchError(
            f"{name}: its tokenizer does not give back the text ({text[at : at + 20]!r} in document {document + 1} "
            f"becomes {again[at : at + 20]!r}), so that its bits per byte would be those of another text"
        )
    if encoded.ids and max(encoded.ids) >= size:
        raise LmbenchError(f"{name}: its tokenizer has ids of {max(encoded.ids)} and the model only {size} outputs")


def _last_bytes(encoded: Encoding, text: str, ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """[m] which of our tokens, whose last bytes are before `ends` [n], each of theirs ends in."""
    data = np.frombuffer(text.encode("utf-8"), dtype=np.uint8)
    before = np.append(np.flatnonzero(character_starts(data)), len(data))  # bytes before each character
    stops = np.array([stop for _, stop in encoded.offsets], dtype=np.int64)
    stops = before[np.maximum.accumulate(stops)] if len(stops) else stops
    return np.searchsorted(ends, stops, side="left")
