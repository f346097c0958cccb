"""Which id each word of an ARPA file is, in the vocabulary of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmbench.counts.arpa.names import BEGIN, END, UNKNOWN, Spelling, token_of
from lmbench.tokens import Vocabulary


@dataclass
class Numbering:
    """The file's words as ids: below V those of the vocabulary, from V on words that it has not.

    `words`: [W] Arrow strings in the order of the file; `ids`: [W] int32. `outside`: how many,
    `<unk>` apart, are no tokens. `begin`, `end`: the places of `<s>` and `</s>`, -1 where missing;
    both have the id `end_of_text`. `unknown`: the id that `<unk>` has. `aliases`: [V] int32, the id
    that stands for each token: its own, but `unknown` for those without a word in the file;
    `shared`: how many tokens those are.
    """

    vocabulary: Vocabulary
    words: Any
    ids: NDArray[np.int32]
    outside: int
    begin: int
    end: int
    has_unknown: bool
    unknown: int
    aliases: NDArray[np.int32]
    shared: int

    @property
    def size(self) -> int:
        """How many ids there are."""
        return max(len(self.vocabulary) + self.outside, self.unknown + 1)


def number(words: Any, vocabulary: Vocabulary, spelled: list[str | None]) -> Numbering:
    """Match the file's words (Arrow strings, [W]) with the tokens, `spelled` as `names` has them.

    The file's mass for words that the vocabulary has not, `<unk>` above all, is that of the
    tokens which the file has not: the vocabulary's unknown token and any other. They are one
    to the model (`unknown`), and share its probability equally.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    size = len(vocabulary)
    found = pc.index_in(words, value_set=pa.array(spelled, pa.string()), skip_nulls=True)
    ids = found.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
    begin, end, unknown = (words.index(pa.scalar(name)).as_py() for name in (BEGIN, END, UNKNOWN))
    if unknown < 0:
        unknown = words.index(pa.scalar("<UNK>")).as_py()  # as KenLM has it
    ids[[place for place in (begin, end) if place >= 0]] = vocabulary.end_of_text
    missing = np.ones(size, dtype=np.bool_)
    missing[ids[ids >= 0]] = False
    missing[vocabulary.end_of_text] = False
    if vocabulary.unknown is not None:
        missing[vocabulary.unknown] = True
    without = np.flatnonzero(missing)
    outside = ids < 0
    if unknown >= 0:
        outside[unknown] = False
    ids[outside] = size + np.arange(outside.sum())
    # where every token has a word, the mass of <unk> is nobody's: it gets an id of its own, the last
    everyone = size + int(outside.sum())
    stands_for = vocabulary.unknown if vocabulary.unknown is not None else int(without[0]) if len(without) else everyone
    if unknown >= 0:
        ids[unknown] = stands_for
    aliases = np.arange(size, dtype=np.int32)
    aliases[without] = stands_for
    return Numbering(
        vocabulary=vocabulary,
        words=words,
        ids=ids,
        outside=int(outside.sum()),
        begin=begin,
        end=end,
        has_unknown=unknown >= 0,
        unknown=stands_for,
        aliases=aliases,
        shared=len(without),
    )


def vocabulary_of(words: Any, spelling: Spelling) -> tuple[Vocabulary, list[str | None]]:
    """The file's own words as a vocabulary, in its order, and how they are spelled.

    `<s>` and `</s>` are its end of text, which comes last.
    """
    kept: list[str | None] = [word for word in words.to_pylist() if word not in (BEGIN, END)]
    unknown = next((kept.index(word) for word in (UNKNOWN, "<UNK>") if word in kept), None)
    tokens = [token_of(word, spelling) for word in kept if word is not None]
    return Vocabulary((*tokens, b""), len(tokens), unknown, lossless=False), [*kept, None]
