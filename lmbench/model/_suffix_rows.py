"""Whole next-token distributions of a suffix model, many contexts at once.

Every rule of `_suffixes` is affine in the shorter suffix: p(w | h) = own(hw) + share(h) p(w | h'). From the longest
suffix of each context to the shortest, what a suffix adds to the tokens seen after it is multiplied with the shares of
the longer ones, and what is left goes to the tokens that follow the empty suffix.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmbench.counts.bisection import Ints, bisect
from lmbench.counts.suffix_index import SuffixIndex
from lmbench.counts.suffix_matches import Level, Matches
from lmbench.model._suffixes import Rule, Seen, row_of, seen_by_all

_PIECE = 1 << 14  # tokens of a text that are matched together
_BACK = 1 << 10  # tokens before them that are read too, at first


@dataclass(frozen=True, eq=False)
class Runs:
    """The suffixes of q contexts that training has, a lane each: `row` of the context, `depth` in tokens, and the run
    of slots from `low` to `high`; [l] int64 each."""

    row: Ints
    depth: Ints
    low: Ints
    high: Ints

    @classmethod
    def none(cls) -> Runs:
        nothing = np.zeros(0, dtype=np.int64)
        return cls(nothing, nothing, nothing, nothing)

    def then(self, index: SuffixIndex, tokens: NDArray[np.integer[Any]]) -> Runs:
        """Those of the contexts with one more token each, `tokens` [q]; a context begins anew with an end of text."""
        going = tokens[self.row] != index.end_of_text
        row, depth = self.row[going], self.depth[going]
        low, high = index.refine(self.low[going], self.high[going], depth, tokens[row])
        first, last = index.begin(tokens)
        row = np.concatenate([np.arange(len(tokens)), row])
        depth = np.concatenate([np.ones(len(tokens), dtype=np.int64), depth + 1])
        low, high = np.concatenate([first, low]), np.concatenate([last, high])
        seen = low < high
        return Runs(row[seen], depth[seen], low[seen], high[seen])

    def levels(self, index: SuffixIndex, limit: int) -> list[Level]:
        """As `Matches.levels` from one token on: `positions` are the rows."""
        low = index.followed(self.low, self.high, self.depth)
        seen = low < self.high
        found = [_level(self, low, seen & (self.depth == depth), depth) for depth in range(1, limit + 1)]
        deep = np.flatnonzero(seen & (self.depth > limit))
        deep = deep[np.lexsort((self.depth[deep], self.row[deep]))]
        longest = deep[np.append(self.row[deep][1:] != self.row[deep][:-1], True)[: len(deep)]]
        found.append(_level(self, low, longest, self.depth[longest]))
        return [level for level in found if len(level.positions)]


def _level(runs: Runs, low: Ints, lanes: Any, depth: int | Ints) -> Level:
    nothing = np.zeros(0, dtype=np.int64)
    return Level(depth, runs.row[lanes], low[lanes], runs.high[lanes], nothing, nothing)


def window_probs(index: SuffixIndex, windows: NDArray[np.integer[Any]], rule: Rule, limit: int) -> Tensor:
    """[q, V] the probabilities of what follows each window [q, N]; one that holds an end of text is read from the last
    one on."""
    runs = Runs.none()
    for tokens in np.asarray(windows).astype(np.int64).T:
        runs = runs.then(index, tokens)
    return probs(index, runs.levels(index, limit), rule, len(windows))


def text_probs(
    index: SuffixIndex, ids: NDArray[np.integer[Any]], rule: Rule, limit: int, rows: int
) -> Iterator[Tensor]:
    """[m, V] the probabilities of what is predicted at each place of a text that begins a document, up to `rows` places
    at a time."""
    text = np.concatenate([[index.end_of_text], ids]).astype(np.int64)
    for start in range(1, len(text), _PIECE):
        stop = min(start + _PIECE, len(text))
        levels = [_by_position(level) for level in _piece(index, text, start, stop, limit)]
        for begin in range(start, stop, rows):
            end = min(begin + rows, stop)
            inside = [_between(level, begin, end) for level in levels]
            yield probs(index, [level for level in inside if len(level.positions)], rule, end - begin)


def _piece(index: SuffixIndex, text: Ints, start: int, stop: int, limit: int) -> list[Level]:
    """The contexts of one token and more of the places `start` to `stop` of a text, whole as far as training has them;
    `positions` are those of the text."""
    back = max(_BACK, 2 * limit)
    while True:
        before = max(0, start - back)
        levels = []
        whole = True
        for level in Matches(index, text[before:stop], limit).levels():
            inside = level.part(level.positions >= start - before)
            inside.positions = inside.positions + before
            whole = whole and bool((inside.positions - inside.depth > before).all())
            if not isinstance(level.depth, int) or level.depth > 0:
                levels.append(inside)
        if whole or before == 0:
            return levels
        back *= 4


def _by_position(level: Level) -> Level:
    order = np.argsort(level.positions, kind="stable")
    depth = level.depth if isinstance(level.depth, int) else level.depth[order]
    nothing = np.zeros(0, dtype=np.int64)
    return Level(depth, level.positions[order], level.low[order], level.high[order], nothing, nothing)


def _between(level: Level, begin: int, end: int) -> Level:
    """The places of a sorted `level` from `begin` to `end`, numbered from 0."""
    part = slice(*np.searchsorted(level.positions, [begin, end]))
    depth = level.depth if isinstance(level.depth, int) else level.depth[part]
    nothing = np.zeros(0, dtype=np.int64)
    return Level(depth, level.positions[part] - begin, level.low[part], level.high[part], nothing, nothing)


def probs(index: SuffixIndex, levels: Sequence[Level], rule: Rule, rows: int) -> Tensor:
    """[rows, V] float64 of contexts whose suffixes of one token and more are `levels`, shortest first; `positions` of
    a level are rows."""
    size = index.vocabulary_size
    found = torch.zeros(rows, size, dtype=torch.float64)
    flat, above = found.view(-1), torch.ones(rows, dtype=torch.float64)  # above: the shares of all longer suffixes
    for level in reversed(levels):
        at = torch.from_numpy(level.positions)
        lanes, tokens, entries, contexts = _seen(index, level)
        own = rule(entries, torch.zeros(len(tokens), dtype=torch.float64))
        values = own * above[at].index_select(0, lanes)
        cells = (at * size).index_select(0, lanes) + tokens
        flat.index_copy_(0, cells, flat.index_select(0, cells) + values)
        above[at] *= rule(contexts, torch.ones(len(at), dtype=torch.float64))
    nothing = np.zeros(0, dtype=np.int64)
    whole = Level(0, np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64), np.array([len(index)]), nothing, nothing)
    empty = rule(seen_by_all(index, whole), torch.full((size,), 1.0 / size, dtype=torch.float64))
    return found.addcmul_(above[:, None], empty)


def _seen(index: SuffixIndex, level: Level) -> tuple[Tensor, Tensor, Seen, Seen]:
    """What training has after each context of `level`, one entry for each token: [e] the lane of each, [e] the token,
    what `Seen` says of each entry, and of each context with a token that never follows it."""
    lanes, tokens, counts, heads = _continuations(index, level)
    types = np.bincount(lanes, minlength=len(level.positions))
    total = level.high - level.low
    left_total, left_counts = total, counts
    if isinstance(level.depth, int) and index.left is not None:
        left_counts = _left_counts(index, heads, counts, level.depth)
        left_total = np.bincount(lanes, left_counts, minlength=len(level.positions))
    lane = torch.from_numpy(lanes)
    of_lane = [torch.from_numpy(column).double() for column in (total, types, left_total)]
    total_, types_, left_total_ = of_lane
    whole, kinds, left = (column.index_select(0, lane) for column in of_lane)
    count_, left_count_ = (torch.from_numpy(column).double() for column in (counts, left_counts))
    none = torch.zeros_like(total_)
    row = row_of(level.depth)
    entries = Seen(row, whole, count_, kinds, left, left_count_)
    return lane, torch.from_numpy(tokens), entries, Seen(row, total_, none, types_, left_total_, none)


def _continuations(index: SuffixIndex, level: Level) -> tuple[Ints, Ints, Ints, Ints]:
    """[e] each: the lane, the token, its count, and the first slot of its run, for all tokens that follow the contexts.

    As `SuffixIndex.continuations`, for many contexts.
    """
    low, high = level.low, level.high
    depth = np.broadcast_to(np.asarray(level.depth, dtype=np.int64), low.shape)
    at = np.minimum(np.searchsorted(index.depths, depth), max(0, len(index.depths) - 1))
    if len(index.depths):
        begin, end = index.starts[at], index.starts[at + 1]
        begin = np.where(index.depths[at] == depth, begin, end)
        after = bisect(lambda places, _: index.branches.take(places), begin, end, low + 1)
        inside = bisect(lambda places, _: index.branches.take(places), after, end, high) - after
    else:
        after = inside = np.zeros(len(low), dtype=np.int64)
    inside = np.where(high - low > 2, inside, (high - low == 2).astype(np.int64))
    counts = inside + 1
    lanes = np.repeat(np.arange(len(low)), counts)
    number = np.arange(len(lanes)) - np.repeat(np.cumsum(counts) - counts, counts)  # of the entry within its lane
    branch = np.minimum(after[lanes] + number - 1, max(0, len(index.branches) - 1))
    wide = (high - low > 2)[lanes] & (number > 0)
    heads = low[lanes] + number  # of a run of two the second slot, where it begins another token
    heads[wide] = index.branches[branch[wide]]
    tokens = index.text.take(index.positions[heads].astype(np.int64) + depth[lanes], mode="clip").astype(np.int64)
    second = (number == 1) & ~wide
    same = np.flatnonzero(second)
    same = same[tokens[same] == tokens[same - 1]]
    kept = np.ones(len(lanes), dtype=np.bool_)
    kept[same] = False
    lanes, tokens, heads = lanes[kept], tokens[kept], heads[kept]
    last = np.append(lanes[1:] != lanes[:-1], True)[: len(lanes)]
    ends = np.where(last, high[lanes], np.append(heads[1:], 0)[: len(heads)])
    return lanes, tokens, ends - heads, heads


def _left_counts(index: SuffixIndex, heads: Ints, counts: Ints, depth: int) -> Ints:
    """[e] N1+(. h w): the slots of each run whose suffix shares no more than `depth` tokens with its left neighbour."""
    assert index.left is not None
    if int(counts.sum()) > len(index):
        smaller = np.zeros(len(index) + 1, dtype=np.int32 if len(index) < 1 << 31 else np.int64)
        np.cumsum(index.left <= depth, out=smaller[1:])
        found: Ints = (smaller[heads + counts] - smaller[heads]).astype(np.int64)
        return found
    starts = np.cumsum(counts) - counts
    slots = np.arange(int(counts.sum())) + np.repeat(heads - starts, counts)
    return np.add.reduceat(index.left[slots] <= depth, starts, dtype=np.int64) if len(starts) else starts
