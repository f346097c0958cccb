"""How what training says of every suffix of a context becomes one distribution.

The estimate of each suffix is mixed with that of the next shorter one, `lower`: from the uniform
distribution below the empty suffix up to the longest suffix that was seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmbench.counts.suffix_array import Slots
from lmbench.counts.suffix_index import SuffixIndex
from lmbench.counts.suffix_matches import Level, Matches
from lmbench.smoothing._tuning import minimised

Rule = Callable[["Seen", Tensor], Tensor]
_ROWS = 10  # suffixes of 0 to 7 tokens, those of 8 or more, and the longest where it is longer than those walked
SETTINGS = ("discount", "discount per ln t", "repeats", "repeats per ln t", "strength", "strength per ln t")
_START = (1.8, 0.0, -2.5, 0.2, 0.0, 1.2)
_PRIOR = 2.0  # standard deviation of a setting about where it starts
_ROUNDS = 60


@dataclass
class Seen:
    """What training says of suffixes h of one length: [q] float64, or of one suffix: `count` and `left_count` [V].

    `total`: c(h .), how often it occurs with something after it. `count`: c(h w). `types`: N1+(h .), distinct
    tokens after it. `left_total`, `left_count`: N1+(. h .) and N1+(. h w), distinct left neighbours of the same,
    summed over w in the first. `row`: of the settings.
    """

    row: int
    total: Tensor
    count: Tensor
    types: Tensor
    left_total: Tensor
    left_count: Tensor


def maximum_likelihood(seen: Seen, _: Tensor) -> Tensor:
    """p(w | h) = c(hw) / c(h .), whatever shorter suffixes say: the infinity-gram of Liu et al. 2024, section 2."""
    return seen.count / seen.total


@dataclass(frozen=True)
class PitmanYor:
    """The predictive rule of a hierarchical Pitman-Yor process of unbounded depth, with settings for each length.

        p(w | h) = (b(hw) - D + (D t(h) + S) p(w | h')) / (b(h) + S)         for w seen after h, else without b - D
        b(hw) = N1+(. h w) + K (c(hw) - N1+(. h w))

    Teh 2006; over suffixes of any length the sequence memoizer, Wood et al. 2009. What a longer
    suffix sends to the shorter lies between one count for each token seen after it (K = 0, Kneser and Ney's
    continuation counts) and all of its counts (K = 1). D and K are logistic functions, S an exponential one,
    of x + y ln t(h), t being N1+(h .); `settings`: [rows, 6], x and y of D, K and S.

    Worked example, K = 0: after h "a" has 3 left neighbours and "b" 1, t = 2; D = 1/2, S = 1, shorter p(a) = 1/4:
    p(a | h) = (3 - 1/2 + (1/2 2 + 1) 1/4) / (4 + 1) = 0.6.
    """

    settings: Tensor

    def __call__(self, seen: Seen, lower: Tensor) -> Tensor:
        row = self.settings[seen.row]
        log_types = seen.types.log()
        discount = torch.sigmoid(row[0] + row[1] * log_types)
        repeats = torch.sigmoid(row[2] + row[3] * log_types)
        strength = torch.exp(row[4] + row[5] * log_types)
        total = torch.lerp(seen.left_total, seen.total, repeats)
        count = torch.lerp(seen.left_count, seen.count, repeats) - discount * (seen.count > 0)
        return (count + (discount * seen.types + strength) * lower) / (total + strength)


def untuned() -> Tensor:
    """[rows, 6]: settings that serve where there is no validation text, and from which tuning starts."""
    return torch.tensor(_START, dtype=torch.float64).repeat(_ROWS, 1)


def tuned(levels: list[tuple[Level, Seen]], size: int, vocabulary_size: int) -> Tensor:
    """[rows, 6]: the settings of most likelihood for a text; those that it says little of stay where they start."""
    begin = untuned()

    def loss(trial: Tensor) -> Tensor:
        pull = ((trial - begin) ** 2).sum() / (2 * _PRIOR**2)
        return (pull - mixed(levels, PitmanYor(trial), size, vocabulary_size).log().sum()) / size

    return minimised(loss, begin, maxiter=_ROUNDS)


def mixed(levels: Iterable[tuple[Level, Seen]], rule: Rule, size: int, vocabulary_size: int) -> Tensor:
    """[size] the probabilities of the tokens 1 .. `size` of a text; `levels` as `observed` gives them."""
    probs = torch.full((size + 1,), 1.0 / vocabulary_size, dtype=torch.float64)
    for level, seen in levels:
        positions = torch.from_numpy(level.positions)
        probs = probs.index_copy(0, positions, rule(seen, probs[positions]))
    return probs[1:]


def observed(index: SuffixIndex, matches: Matches) -> Iterator[tuple[Level, Seen]]:
    """The lengths of suffix, shortest first, and what training says of those of a text that it saw."""
    for level in matches.levels():
        total, types = _of_context(index, level)
        count = level.child_high - level.child_low
        left_total: Slots = level.high - level.low
        left_count: Slots = count
        if isinstance(level.depth, int):
            if index.left is not None:
                smaller = np.zeros(len(index) + 1, dtype=index.positions.dtype)
                np.cumsum(index.left <= level.depth, out=smaller[1:])
                left_total = smaller[level.high] - smaller[level.low]
                left_count = smaller[level.child_high] - smaller[level.child_low]
            if level.depth == 0:
                count = count - (matches.text[level.positions] == index.end_of_text)
        columns = [torch.from_numpy(column).double() for column in (total, count, types, left_total, left_count)]
        yield level, Seen(row_of(level.depth), *columns)


def distribution(index: SuffixIndex, context: NDArray[np.integer[Any]], rule: Rule, limit: int) -> Tensor:
    """[V] the probabilities of what follows `context`, an end of text and the ids of a document so far."""
    probs = torch.full((index.vocabulary_size,), 1.0 / index.vocabulary_size, dtype=torch.float64)
    found = suffixes(index, context, limit)
    for level in found[-1:] if rule is maximum_likelihood else found:
        probs = rule(seen_by_all(index, level), probs)
    return probs


def suffixes(index: SuffixIndex, context: NDArray[np.integer[Any]], limit: int) -> list[Level]:
    """The suffixes of `context` that were seen, up to `limit` tokens and the longest, as levels of one position."""
    width = 2 * limit
    while True:
        window = np.asarray(context)[-width:]
        found = [
            level.part(level.positions == len(window))
            for level in Matches(index, np.append(window, index.end_of_text), limit).levels()
        ]
        found = [level for level in found if len(level.positions)]
        longest = int(np.max(found[-1].depth))
        if longest < len(window) or len(window) == len(context):
            return found
        width *= 2


def longest(index: SuffixIndex, context: NDArray[np.integer[Any]], limit: int) -> tuple[int, int, int]:
    """(tokens, c(h .), N1+(h .)) of the longest suffix h of `context` that was seen; `context` and `limit` as above."""
    level = suffixes(index, context, limit)[-1]
    total, types = _of_context(index, level)
    return int(np.max(level.depth)), int(total[0]), int(types[0])


def row_of(depth: int | NDArray[np.int64]) -> int:
    return min(depth, _ROWS - 2) if isinstance(depth, int) else _ROWS - 1


def _of_context(index: SuffixIndex, level: Level) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """([q] c(h .), [q] N1+(h .)), without the end of text before the first document, which follows nothing."""
    total, types = level.high - level.low, index.types(level.low, level.high, level.depth)
    if isinstance(level.depth, int) and level.depth == 0:
        low, high = index.begin(np.array([index.end_of_text]))
        return total - 1, types - (high - low == 1)
    return total, types


def seen_by_all(index: SuffixIndex, level: Level) -> Seen:
    """The counts of the one context of `level` with every token of the vocabulary."""
    depth = int(np.max(level.depth))
    low, high = int(level.low[0]), int(level.high[0])
    tokens, bounds = index.continuations(low, high, depth)
    counts = left_counts = np.diff(bounds)
    if isinstance(level.depth, int) and index.left is not None:
        left_counts = index.left_types(bounds, depth) if depth else index.unigram_left_types[tokens]
    count, left_count = torch.zeros(2, index.vocabulary_size, dtype=torch.float64)
    count[tokens], left_count[tokens] = torch.from_numpy(counts).double(), torch.from_numpy(left_counts).double()
    if depth == 0:
        count[index.end_of_text] -= 1
    total, types = (torch.from_numpy(column).double() for column in _of_context(index, level))
    return Seen(row_of(level.depth), total, count, types, left_count.sum(), left_count)
