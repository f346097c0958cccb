"""What models expect next: distributions, the likeliest continuations as a tree, and what each token of a text cost."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field
from itertools import count as numbers
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmbench.errors import LmbenchError
from lmbench.generation.following import Following
from lmbench.model.base import Evidence, Model, evidence
from lmbench.progress import Silent
from lmbench.tokenizer.base import Tokenizer
from lmbench.tokens import Tokens, Vocabulary

Floats = NDArray[np.float64]
Ids = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Prediction:
    """`log_probs`: [V] nats. `entropy_bits`: of that distribution; None where it is none. `evidence`: what a model of
    counts goes by."""

    log_probs: Floats
    entropy_bits: float | None
    evidence: Evidence | None

    def likeliest(self, count: int) -> list[tuple[int, float]]:
        """(id, probability) of the `count` likeliest tokens, of equal ones the lower id first."""
        return likeliest(self.log_probs, count)


@dataclass
class Branch:
    """A token that may follow: its probability `here`, and that of all the tokens from the root to it, `total`."""

    token: int
    here: float
    total: float
    branches: list[Branch] = field(default_factory=list)


def predicted(model: Model, ids: Ids, end_of_text: int) -> Prediction:
    """What `model` expects after `ids`, documents with their ends and the one that goes on. Raises LmbenchError where
    what it gives are no numbers."""
    text = Following(model, end_of_text, ids.tolist())
    log_probs = text.log_probs()
    if np.isnan(log_probs).any():
        raise LmbenchError("the model gives what is no log-probability: it has diverged; fit it again")
    ends = np.flatnonzero(ids == end_of_text)
    start = int(ends[-1]) + 1 if len(ends) else 0
    known = entropy_bits(log_probs) if model.card.distribution else None
    return Prediction(log_probs, known, evidence(model, ids[start:]))


def entropy_bits(log_probs: Floats) -> float:
    """H = - sum p log2 p of a distribution [V] in nats; what has probability zero adds nothing.

    >>> entropy_bits(np.log([0.5, 0.25, 0.25]))
    1.5
    """
    possible = log_probs[log_probs > -np.inf]
    return max(0.0, float(-(np.exp(possible) * possible).sum() / math.log(2)))


def likeliest(log_probs: Floats, count: int) -> list[tuple[int, float]]:
    """(id, probability) of the `count` likeliest tokens, of equal ones the lower id first."""
    count = min(count, len(log_probs))
    near = log_probs >= np.partition(log_probs, len(log_probs) - count)[len(log_probs) - count] if count else []
    found = np.flatnonzero(near)
    ranked = found[np.lexsort((found, -log_probs[found]))][:count]
    return [(int(token), float(np.exp(log_probs[token]))) for token in ranked]


def unfolded(model: Model, ids: Ids, end_of_text: int, count: int) -> list[Branch]:
    """The `count` likeliest strings of tokens that go on from `ids`, as a tree; of each, those that it begins with are
    as likely or likelier, and so are in it. What comes after the end of a document is left out."""
    roots: list[Branch] = []
    order = numbers()  # of two that are as likely, the one that was found first
    waiting: list[tuple[float, int, Branch, list[Branch], list[int]]] = []

    def grow(before: list[int], total: float, branches: list[Branch], wanted: int) -> None:
        text = Following(model, end_of_text, [*ids.tolist(), *before])
        for token, here in likeliest(text.log_probs(), wanted):
            if here > 0:
                branch = Branch(token, here, total * here)
                heapq.heappush(waiting, (-branch.total, next(order), branch, branches, [*before, token]))

    grow([], 1.0, roots, count)
    for left in range(count - 1, -1, -1):
        if not waiting:
            break
        _, _, branch, branches, path = heapq.heappop(waiting)
        branches.append(branch)
        if left and branch.token != end_of_text:
            grow(path, branch.total, branch.branches, left)
    return roots


def surprisals(model: Model, ids: Ids, vocabulary: Vocabulary) -> Floats:
    """[n] bits: -log2 p of each of `ids`, which begin a document."""
    text = Tokens(ids.astype(vocabulary.dtype), np.zeros(min(1, len(ids)), dtype=np.int64), vocabulary)
    found: Floats = -model.log_probs(text, Silent()) / math.log(2)
    return found


def prompt_ids(tokenizer: Tokenizer, text: str) -> Ids:
    """[n] ids of `text`, which has no end; where documents are lines, a line's end within it ends a document."""
    if not tokenizer.vocabulary.lines:
        return tokenizer.encode_text(text)
    *whole, last = [tokenizer.encode_text(line) for line in text.split("\n")]
    end = tokenizer.vocabulary.end_of_text
    return np.concatenate([*(np.append(line, end) for line in whole), last]).astype(tokenizer.vocabulary.dtype)


def token_text(vocabulary: Vocabulary, token: int) -> str:
    r"""A token as it can be read: its text, or its bytes as `\xe7` where they are no whole characters."""
    return vocabulary.tokens[token].decode("utf-8", errors="backslashreplace")
