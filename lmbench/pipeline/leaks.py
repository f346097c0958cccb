"""What of validation and test text a run's training text holds, and which test tokens lie outside of that."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lmbench.corpus.leakage import Leakage as Found
from lmbench.corpus.leakage import by_byte, leakage
from lmbench.corpus.split import Splits
from lmbench.corpus.text import Text
from lmbench.progress import Progress
from lmbench.record import Leakage, Passage
from lmbench.report.leakage import in_words, matters
from lmbench.tokens import Tokens


@dataclass(frozen=True)
class Leaks:
    """`of`: by part, valid and test, what the card says of it. `outside`: [n] the test tokens that lie outside passages
    of 50 characters that training holds; None where that was not looked at."""

    of: Mapping[str, Leakage] = field(default_factory=dict)
    outside: NDArray[np.bool_] | None = None


NONE = Leaks()


def leaks_of(splits: Splits, test: Tokens, told: Collection[str], progress: Progress) -> Leaks:
    """Count them, and say so in a line where they matter, of parts that were not `told` of already.

    Where validation text trains in the end, passages of the test that it holds count too.
    """
    held = {"valid": splits.valid, "test": splits.test}
    with progress.task("passages that training holds"):
        if splits.refit:
            known = [
                *leakage([splits.train], [splits.valid]),
                *leakage([splits.train, splits.valid], [splits.test]),
            ]
        else:
            known = leakage([splits.train], [*held.values()])
    for_card = {name: _for_card(found) for name, found in zip(held, known, strict=True)}
    aloud = [f"{name} {in_words(found, 1)}" for name, found in for_card.items() if matters(found) and name not in told]
    if aloud:
        progress.say(f"note: the training text holds of {' and '.join(aloud)}; run --deduplicate drops them from it")
    return Leaks(for_card, ~inside(test, splits.test, known[-1].marks))


def _for_card(found: Found) -> Leakage:
    return Leakage(
        shares={str(length): share for length, share in found.shares.items()},
        longest=[Passage(characters=length, beginning=text) for length, text in found.longest],
    )


def inside(tokens: Tokens, text: Text, marks: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """[n] which `tokens` of `text` hold a marked character; a token of no characters goes with the one before it.

    `marks`: [characters]. Of tokens that lose text words are looked up by their place among the words, characters by
    theirs among the characters; where neither fits, a document that holds a mark is marked whole.
    """
    if not marks.any():
        return np.zeros(len(tokens), dtype=np.bool_)
    if tokens.lossless:
        lengths = tokens.byte_lengths
        if int(lengths.sum()) == text.bytes:
            ends = np.cumsum(lengths)
            return _any(by_byte(text, marks), ends - lengths, ends)
    found = []
    after = np.cumsum(text.document_characters)
    for document, (first, last) in enumerate(zip(tokens.documents.tolist(), tokens.ends.tolist(), strict=True)):
        begin, end = int(after[document] - text.document_characters[document]), int(after[document])
        found.append(_of_document(text.document(document), last - first, marks[begin:end]))
    return np.concatenate(found)


def _of_document(text: str, size: int, marks: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """[size] of a document's tokens, its end the last of them."""
    if not marks.any():
        return np.zeros(size, dtype=np.bool_)
    spans = [match.span() for match in re.finditer(r"\S+", text)]
    if len(spans) != size - 1:
        spans = [(at, at + 1) for at in range(len(text))]
    if len(spans) != size - 1:
        return np.ones(size, dtype=np.bool_)
    starts, ends = np.array([*spans, (len(text), len(marks))], dtype=np.int64).reshape(-1, 2).T
    return _any(marks, starts, ends)


def _any(marks: NDArray[np.bool_], starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether there is a mark from each of `starts` to its end; of nothing, whether there is one just before it."""
    before = np.concatenate([[0], np.cumsum(marks)])
    starts = np.where(starts == ends, np.maximum(starts - 1, 0), starts)
    found: NDArray[np.bool_] = before[ends] > before[starts]
    return found
