"""Ids to text as they come."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator

from lmbench.tokens import Vocabulary


def stream(ids: Iterable[int], vocabulary: Vocabulary, spaced: bool = False) -> Iterator[str]:
    """The text of each id as soon as its characters are whole; pieces may be empty.

    `spaced`: a space goes between two tokens, as a vocabulary of words needs it. The end of a
    document is a newline where documents are lines, and an empty line otherwise. Bytes that
    are no UTF-8, which only a byte-level model can produce, become U+FFFD.
    """
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    first = True
    for index in ids:
        if index == vocabulary.end_of_text:
            yield decoder.decode(b"", final=True) + (vocabulary.tokens[index].decode("utf-8") or "\n\n")
            first = True
            continue
        yield (" " if spaced and not first else "") + decoder.decode(vocabulary.tokens[index])
        first = False
    yield decoder.decode(b"", final=True)
