"""Which part of a text each of its tokens belongs to: a document, a line, a word, or itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lmbench.corpus.text import Text, character_starts
from lmbench.errors import LmbenchError
from lmbench.tokens import Tokens

Ints = NDArray[np.int64]
Per = Literal["file", "document", "line", "word", "token"]

_WORD = re.compile(r"\S+")
_SPACES = np.array([code for code in range(0x3001) if chr(code).isspace()], dtype=np.uint32)
_LF, _CR = 10, 13


@dataclass(frozen=True, eq=False)
class Units:
    """`owner`: [n] the unit of each token. `documents`: [u] the document of each unit, from 0. `places`: [u] which
    of its document it is, from 0. `texts`: [u] what stands there, "" for a document's end; None where that is long."""

    owner: Ints
    documents: Ints
    places: Ints
    texts: list[str] | None = None

    def __len__(self) -> int:
        return len(self.documents)


def units_of(tokens: Tokens, text: Text, per: Per) -> Units:
    """The units of `tokens`, which `text` became.

    A word is what white space separates (`str.split()`). A token belongs to the word in which it begins; where it
    begins with white space, to the word after that, or to the document's end, which is a unit of its own. A line ends
    at LF, CR LF or CR, which belong to it, and a document's end to its last line. Raises LmbenchError for words and
    lines of tokens that do not tell where in the text they stand.

    Worked example, tokens `a` `b` ` c` `\\n` `$` of the document "ab c\\n": words `ab` (2 tokens), `c` (1), and the end
    (2: `\\n` and `$`).
    """
    count = len(tokens.documents)
    lengths = tokens.ends - tokens.documents
    of_token = np.repeat(np.arange(count), lengths)
    if per == "token":
        return Units(np.arange(len(tokens)), of_token, tokens.places, _token_texts(tokens, text))
    if per in ("file", "document") or (per == "line" and text.lines):
        whole, none = np.zeros(len(tokens), dtype=np.int64), np.zeros(count, dtype=np.int64)
        return Units(whole, none[:1], none[:1]) if per == "file" else Units(of_token, np.arange(count), none)
    owners: list[Ints] = []
    sizes: list[int] = []
    texts: list[str] = []
    for index in range(count):
        piece = _Document(tokens, text, index)
        labels = piece.words if per == "word" else piece.lines
        owners.append(sum(sizes) + labels[piece.begins])
        sizes.append(int(labels[-1]) + 1)
        if per == "word":
            texts += [*piece.text.split(), ""]
    documents = np.repeat(np.arange(count), sizes)
    places = np.concatenate([np.zeros(0, dtype=np.int64), *map(np.arange, sizes)])
    owner = np.concatenate([np.zeros(0, dtype=np.int64), *owners])
    return Units(owner, documents, places, texts if per == "word" else None)


class _Document:
    """A document as characters, and where in them its tokens begin."""

    def __init__(self, tokens: Tokens, text: Text, index: int) -> None:
        self.text = text.document(index)
        self.codes = np.frombuffer(self.text.encode("utf-32-le"), dtype=np.uint32)
        self._tokens, self._index = tokens, index

    @property
    def begins(self) -> Ints:
        """[n] the character at which each token begins; the end of the document begins after the last one."""
        ids = self._tokens.document(self._index)
        vocabulary = self._tokens.vocabulary
        if not vocabulary.lossless:
            found = [match.start() for match in _WORD.finditer(self.text)]
            if len(found) != len(ids) - 1:
                raise LmbenchError(
                    f"document {self._index + 1}: the tokens of this run do not tell which words they are of; "
                    "take --per document or --per token"
                )
            return np.array([*found, len(self.codes)], dtype=np.int64)
        lengths = vocabulary.byte_lengths[ids]
        data = np.frombuffer(self.text.encode("utf-8"), dtype=np.uint8)
        of_byte = np.append(np.cumsum(character_starts(data)) - 1, len(self.codes))
        begins: Ints = of_byte[np.minimum(np.cumsum(lengths) - lengths, len(data))]
        return begins

    @property
    def words(self) -> Ints:
        """[c + 1] the word that each character belongs to, or that comes after it; the end counts as one more."""
        space = np.isin(self.codes, _SPACES)
        begins = ~space & np.append(True, space)[:-1]
        before = np.cumsum(begins)
        return np.append(np.where(space, before, before - 1), before[-1] if len(before) else 0).astype(np.int64)

    @property
    def lines(self) -> Ints:
        """[c + 1] the line that each character belongs to; the end belongs to the last one."""
        codes = self.codes
        ends = (codes == _LF) | ((codes == _CR) & (np.append(codes, 0)[1:] != _LF))
        line = np.cumsum(ends) - ends
        return np.append(line, line[-1] if len(line) else 0).astype(np.int64)


def _token_texts(tokens: Tokens, text: Text) -> list[str]:
    """What each token stands for; of one that loses it, the word of the text where that is known."""
    vocabulary = tokens.vocabulary
    texts = [vocabulary.tokens[index].decode("utf-8", errors="replace") for index in tokens.ids.tolist()]
    for index in np.flatnonzero(tokens.ids == vocabulary.end_of_text).tolist():
        texts[index] = ""
    if vocabulary.lossless:
        return texts
    for index, (start, end) in enumerate(zip(tokens.documents.tolist(), tokens.ends.tolist(), strict=True)):
        words = text.document(index).split()
        if len(words) == end - start - 1:
            texts[start : end - 1] = words
    return texts
