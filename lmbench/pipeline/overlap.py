"""A text beside the training text of a run: what it repeats word for word, and how much of it is new."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from lmbench.corpus.text import Text
from lmbench.counts.bisection import Ints
from lmbench.counts.suffix_index import SuffixIndex
from lmbench.counts.suffix_matches import Matches
from lmbench.errors import LmbenchError
from lmbench.progress import Progress
from lmbench.score.overlap import creativity_index, ngram_novelty, passages, remaining_in, uniqueness
from lmbench.tokenizer.base import Tokenizer
from lmbench.tokens import Tokens, Vocabulary

# Where words are written side by side (Han and hiragana), a character stands for one, as in Unicode's default
# word boundaries (UAX 29); else it is a word with what is inside it (don't, mother-in-law), or a mark.
_ALONE = r"\u3040-\u309f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U0001b000-\U0001b16f\U00020000-\U0003ffff"
_WORD = re.compile(rf"[{_ALONE}]|[^\W{_ALONE}]+(?:[-'’][^\W{_ALONE}]+)*|[^\w\s]")
_BESIDE = re.compile(rf"(?<=[{_ALONE}]) | (?=[{_ALONE}])")


@dataclass(frozen=True)
class Passage:
    """A match: `at` this token of a document of the text; `count` times in training, once there in `training_document`.

    Documents are numbered from 1, places in them from 0.
    """

    text: str
    tokens: int
    document: int
    at: int
    count: int
    training_document: int


@dataclass(frozen=True)
class Overlap:
    """`unit`: token or word, in which all sizes are; ends of documents are left out.

    `lengths`: the longest match from each unit on, by document. `novelty`: by n, the share of n-grams that are not in
    training. `uniqueness`: by L, the share of units in no L-gram of it; `creativity_index`: their sum over `span`,
    both ends included. A share of nothing is None.
    """

    unit: str
    size: int
    training_size: int
    documents: int
    unknown: int
    mean_length: float
    longest: int
    novelty: dict[int, float | None]
    uniqueness: dict[int, float | None]
    span: tuple[int, int]
    creativity_index: float | None
    passages: list[Passage]
    lengths: list[list[int]]


def overlap(
    index: SuffixIndex,
    tokenizer: Tokenizer,
    text: Text,
    progress: Progress,
    *,
    words: bool = False,
    novelty: int = 12,
    span: tuple[int, int] = (5, 12),
    most: int = 5,
) -> Overlap:
    """Match every position of `text` with the training text of `index`.

    `words`: count words and marks instead of the tokens of `tokenizer`; the training text is then split and indexed
    again. Raises LmbenchError where the text has none, or the words cannot be had from the tokens.
    """
    if words:
        index, text_tokens, vocabulary = _in_words(index, tokenizer.vocabulary, text, progress)
    else:
        text_tokens, vocabulary = tokenizer.encode(text, None, progress), tokenizer.vocabulary
    end = index.end_of_text
    inside = text_tokens.ids != end
    size = int(inside.sum())
    if not size:
        raise LmbenchError("the text has no tokens to look for; give another one")
    stream = np.concatenate([[end], text_tokens.ids]).astype(np.int64)
    with progress.task("matching") as task:
        lengths = Matches(index, stream).longest()[1:]
        task.advance()
    # a match may take the end of the document with it, which is no token of the text
    documents = text_tokens.documents - np.arange(len(text_tokens.documents))
    remaining = remaining_in(documents, size)
    lengths = np.minimum(lengths[inside], remaining)
    first, last = span
    return Overlap(
        unit="word" if words else "token",
        size=size,
        training_size=len(index) - 1 - len(index.document_starts),
        documents=len(documents),
        unknown=0 if vocabulary.unknown is None else int((text_tokens.ids == vocabulary.unknown).sum()),
        mean_length=float(lengths.mean()),
        longest=int(lengths.max()),
        novelty={n: ngram_novelty(lengths, remaining, n) for n in range(1, novelty + 1)},
        uniqueness={n: uniqueness(lengths, n) for n in range(first, last + 1)},
        span=span,
        creativity_index=creativity_index(lengths, first, last),
        passages=_passages(index, text_tokens.ids[inside], lengths, documents, vocabulary, words, most),
        lengths=[part.tolist() for part in np.split(lengths, documents[1:])],
    )


def _passages(
    index: SuffixIndex, ids: Ints, lengths: Ints, documents: Ints, vocabulary: Vocabulary, words: bool, most: int
) -> list[Passage]:
    found = passages(lengths, 1, most)
    starts = np.array([start for start, _ in found], dtype=np.int64)
    low, high = index.find(ids, starts, np.array([length for _, length in found], dtype=np.int64))
    places = index.positions[low].astype(np.int64)
    training = np.searchsorted(index.document_starts, places, "right")
    owners = np.searchsorted(documents, starts, "right")
    between = b" " if words or not vocabulary.lossless else b""
    pieces = [[vocabulary.tokens[token] for token in ids[start : start + length].tolist()] for start, length in found]
    texts = [between.join(piece).decode("utf-8", errors="replace") for piece in pieces]
    return [
        Passage(
            text=_BESIDE.sub("", text) if words else text,
            tokens=length,
            document=int(owner),
            at=int(start - documents[owner - 1]),
            count=int(times),
            training_document=int(place),
        )
        for text, (start, length), owner, times, place in zip(texts, found, owners, high - low, training, strict=True)
    ]


def _in_words(
    index: SuffixIndex, vocabulary: Vocabulary, text: Text, progress: Progress
) -> tuple[SuffixIndex, Tokens, Vocabulary]:
    """The training text indexed in words, `text` in the same, and their vocabulary; 0 is any word not in training."""
    if not vocabulary.lossless:
        raise LmbenchError("words cannot be had from this run's tokens, which do not keep the text; leave --words out")
    bounds = np.append(index.document_starts, len(index)) + 1
    numbers: dict[str, int] = {}
    training: list[Ints] = []
    with progress.task("words", len(index)) as task:
        for start, stop in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
            found = _WORD.findall(vocabulary.decode(index.text[start : stop - 1]).decode("utf-8", errors="replace"))
            training.append(np.array([numbers.setdefault(word, len(numbers) + 1) for word in found], dtype=np.int64))
            task.advance(stop - start)
    own = [
        np.array([numbers.get(word, 0) for word in _WORD.findall(text.document(at))], dtype=np.int64)
        for at in range(len(text.starts))
    ]
    end = len(numbers) + 1
    known = Vocabulary((b"", *(word.encode() for word in numbers), b""), end, unknown=0, lossless=False)
    return SuffixIndex.build(_joined(training, known), progress), _joined(own, known), known


def _joined(documents: list[Ints], vocabulary: Vocabulary) -> Tokens:
    ends = np.cumsum([len(document) + 1 for document in documents])
    ids = np.concatenate([np.append(document, vocabulary.end_of_text) for document in documents])
    return Tokens(ids.astype(vocabulary.dtype), np.concatenate([[0], ends[:-1]]).astype(np.int64), vocabulary)
