"""A phrase in the training text: how often it occurs, what follows it, and where."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from lmbench.counts.bisection import Ints
from lmbench.counts.suffix_index import SuffixIndex
from lmbench.errors import UsageError
from lmbench.tokenizer.base import Tokenizer

_AROUND = 240  # tokens on either side that are decoded for an example: enough for its width, even of bytes


@dataclass(frozen=True)
class Continuation:
    """A token that follows a phrase: its text, how often, and its share of all that follow. `end`: of a document."""

    token: str
    id: int
    count: int
    probability: float
    end: bool


@dataclass(frozen=True)
class Example:
    """An occurrence: the text before it, itself and after it; the number of its document, from 1.

    `at`: the tokens of that document before it.
    """

    document: int
    at: int
    left: str
    phrase: str
    right: str


@dataclass(frozen=True)
class Concordance:
    """`tokens`: the token sequences that were looked for. `followed`: occurrences with something after them.

    `given`: how often something follows `context`, the phrase without its last token; `probability`: in what share of
    those that token does, None where `given` is 0. `types`: distinct tokens after the phrase. `sparse`: one
    token has all the count. Where the phrase does not occur, `suffix` is the longest end of it that does, and
    what follows and the examples are of that; None where the phrase occurs.
    """

    phrase: str
    tokens: list[list[str]]
    count: int
    training_tokens: int
    unknown: int
    context: str = ""
    given: int = 0
    suffix: str | None = None
    suffix_count: int = 0
    followed: int = 0
    types: int = 0
    continuations: list[Continuation] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)

    @property
    def probability(self) -> float | None:
        return self.count / self.given if self.given else None

    @property
    def sparse(self) -> bool:
        return self.types == 1


def concordance(
    index: SuffixIndex, tokenizer: Tokenizer, phrase: str, *, top: int = 10, examples: int = 5, width: int = 40
) -> Concordance:
    """Look `phrase` up in the training text.

    A byte-pair tokenizer writes a word after a space otherwise than at the beginning of a text: both are looked for,
    and counted together. Matches begin and end where tokens do. Where there is none, the phrase is shortened from
    the left, as the infinity-gram backs off. Examples are spread evenly over the occurrences, which are sorted by
    what follows them, and reach `width` characters to either side. Raises UsageError for an empty phrase.
    """
    variants = _variants(tokenizer, phrase)
    if not variants:
        raise UsageError("there is nothing to count: the phrase has no tokens")
    vocabulary = tokenizer.vocabulary
    unknown = 0 if vocabulary.unknown is None else variants[0].count(vocabulary.unknown)
    runs = [run for variant in variants if (run := _run(index, variant))[1] > run[0]]
    count = sum(high - low for low, high, _ in runs)
    suffix, suffix_count = None, 0
    if not runs:
        runs = [_longest_end(index, variants)]
        low, high, length = runs[0]
        suffix = tokenizer.decode(np.array(variants[0][len(variants[0]) - length :], dtype=np.int64))
        suffix_count = high - low if length else 0
        runs = runs if length else []
    ids, counts = _following(index, runs)
    return Concordance(
        phrase=phrase,
        tokens=[[tokenizer.decode(np.array([token])) for token in variant] for variant in variants],
        count=count,
        training_tokens=len(index) - 1,
        unknown=unknown,
        context=tokenizer.decode(np.array(variants[0][:-1], dtype=np.int64)),
        given=sum(_followed(index, variant[:-1]) for variant in variants),
        suffix=suffix,
        suffix_count=suffix_count,
        followed=int(counts.sum()),
        types=len(ids),
        continuations=_top(tokenizer, ids, counts, top),
        examples=[_example(index, tokenizer, *place, width) for place in _spread(index, runs, examples)],
    )


def _variants(tokenizer: Tokenizer, phrase: str) -> list[list[int]]:
    """The phrase as ids, as it stands and after a space where that is not the same with something before it."""
    plain: list[int] = tokenizer.encode_text(phrase).tolist()
    spaced: list[int] = tokenizer.encode_text(" " + phrase).tolist() if phrase[:1].strip() else plain
    if not plain or spaced[len(spaced) - len(plain) :] == plain:
        return [plain] if plain else []
    return [plain, spaced]


def _run(index: SuffixIndex, ids: list[int]) -> tuple[int, int, int]:
    """(low, high, number of tokens)."""
    text = np.array(ids, dtype=np.int64)
    low, high = index.find(text, np.zeros(1, dtype=np.int64), np.array([len(ids)]))
    return int(low[0]), int(high[0]), len(ids)


def _followed(index: SuffixIndex, ids: list[int]) -> int:
    """How often a token follows `ids`; of no ids, the tokens there are."""
    low, high, depth = _run(index, ids)
    if not ids:
        return high - low - 1  # the end of text before the first document follows nothing
    return high - int(index.followed(np.array([low]), np.array([high]), depth)[0])


def _longest_end(index: SuffixIndex, variants: list[list[int]]) -> tuple[int, int, int]:
    """The run of the longest end of the phrase that occurs; of length 0 where not even its last token does."""
    last = variants[0]
    return next(run for start in range(1, len(last) + 1) if (run := _run(index, last[start:]))[1] > run[0])


def _following(index: SuffixIndex, runs: list[tuple[int, int, int]]) -> tuple[Ints, Ints]:
    """([t] ids, [t] counts) of the tokens after the occurrences of all runs."""
    found = [index.continuations(low, high, depth) for low, high, depth in runs]
    if not found:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    ids, places = np.unique(np.concatenate([tokens for tokens, _ in found]), return_inverse=True)
    weights = np.concatenate([np.diff(bounds) for _, bounds in found])
    return ids, np.bincount(places, weights=weights, minlength=len(ids)).astype(np.int64)


def _top(tokenizer: Tokenizer, ids: Ints, counts: Ints, top: int) -> list[Continuation]:
    end, total = tokenizer.vocabulary.end_of_text, int(counts.sum())
    ranked = np.lexsort((ids, -counts))[:top].tolist()
    return [
        Continuation(
            token=tokenizer.decode(ids[at : at + 1]),
            id=int(ids[at]),
            count=int(counts[at]),
            probability=int(counts[at]) / total,
            end=int(ids[at]) == end,
        )
        for at in ranked
    ]


def _spread(index: SuffixIndex, runs: list[tuple[int, int, int]], count: int) -> list[tuple[int, int]]:
    """(position, number of tokens) of `count` occurrences, evenly spread over the sorted ones of all runs."""
    sizes = np.array([high - low for low, high, _ in runs], dtype=np.int64)
    total = int(sizes.sum())
    chosen = np.unique((np.arange(min(count, total)) + 0.5) * total // max(1, min(count, total))).astype(np.int64)
    run = np.searchsorted(np.cumsum(sizes), chosen, "right")
    before = np.cumsum(sizes) - sizes
    return [
        (int(index.positions[runs[r][0] + int(place - before[r])]), runs[r][2])
        for r, place in zip(run.tolist(), chosen, strict=True)
    ]


def _example(index: SuffixIndex, tokenizer: Tokenizer, position: int, length: int, width: int) -> Example:
    starts = index.document_starts
    document = int(np.searchsorted(starts, position, "right")) - 1
    begin = int(starts[document]) + 1
    end = int(starts[document + 1]) if document + 1 < len(starts) else len(index)
    end -= bool(end == len(index) and index.text[end - 1] == index.end_of_text)
    stop = position + length
    left = tokenizer.decode(index.text[max(begin, position - _AROUND) : position])
    right = tokenizer.decode(index.text[stop : min(end, stop + _AROUND)])
    if not tokenizer.lossless:  # words, which are decoded without the space between them
        left, right = left + " " * bool(left), " " * bool(right) + right
    phrase = tokenizer.decode(index.text[position:stop])
    return Example(document + 1, position - begin, left[-width:], phrase, right[:width])
