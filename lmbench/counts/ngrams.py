"""Every n-gram of a text, from one sort.

Sorting all positions of the text by the tokens that follow them, to a depth of n, puts
equal n-grams side by side for every order at once, and each (k+1)-gram under its k-gram
prefix: the tables of all orders are read off one sorted list, by looking at how many
tokens each entry shares with the one before it.

    text  a b a b b $        (a=0 b=1 $=2 ends the document and is also the context it begins with)
    sorted to depth 2:       a b | a b | b $ | b a | b b | $ a | $
    shared with the last:    0     2     0     1     1     0     1

The sort packs as many tokens as fit into one 63-bit key, and goes on only with the
windows that still have an equal: in natural text few do.

All of this is torch on any device; counts are exact integers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmbench.counts.trie import Trie
from lmbench.tokens import Tokens

_KEY_BITS = 63


def stream(ids: NDArray[np.integer[Any]], end_of_text: int, device: str = "cpu") -> Tensor:
    """[n + 1] int32: the end-of-text id, which is the first document's context, then the text."""
    narrow = np.empty(len(ids) + 1, dtype=np.int32)
    narrow[0] = end_of_text
    narrow[1:] = ids
    return torch.from_numpy(narrow).to(device)


@dataclass(eq=False)
class Level:
    """The distinct k-grams of one order, sorted; index into it is what `node` means below.

    `tokens`: [m] int32, the last token of each. `first`: [m + 1], where each one's
    children begin in the next level (absent at the highest order). `heads`: [m] where its
    run begins in the sorted list, `ends`: [m] just after it.
    """

    tokens: Tensor
    first: Tensor | None
    heads: Tensor
    ends: Tensor


class NgramCounts:
    """The n-grams of `tokens` up to `order`, with their counts and continuation counts.

    Order 1 is dense: its nodes are the token ids themselves, whether seen or not. An
    n-gram begins with the end-of-text id where it stands at the beginning of a document
    (KenLM's <s>) and ends with it at the end of one (</s>); none reaches across.
    """

    def __init__(self, tokens: Tokens, order: int, device: str = "cpu") -> None:
        self.order = order
        self.end_of_text = tokens.vocabulary.end_of_text
        self.vocabulary_size = len(tokens.vocabulary)
        self.stream = stream(tokens.ids, self.end_of_text, device)
        lengths = _lengths(self.stream, self.end_of_text, order)
        self._positions, self._shared = _sorted_windows(self.stream, lengths, order, self.vocabulary_size)
        self._sorted_lengths = lengths[self._positions]
        self.levels = self._read_levels()

    @property
    def device(self) -> torch.device:
        return self.stream.device

    @cached_property
    def trie(self) -> Trie:
        """The n-grams themselves, for looking things up."""
        first = [level.first for level in self.levels if level.first is not None]
        return Trie([level.tokens for level in self.levels], first)

    def __len__(self) -> int:
        """Distinct n-grams of all orders; of order 1, the tokens that occur."""
        return int((self.raw(1) > 0).sum()) + sum(len(level.tokens) for level in self.levels[1:])

    def _read_levels(self) -> list[Level]:
        tokens = torch.arange(self.vocabulary_size, dtype=torch.int32, device=self.device)
        starts = self.stream[self._positions]
        bounds = torch.searchsorted(starts, torch.arange(self.vocabulary_size + 1, device=self.device, dtype=torch.int32))
        del starts
        levels = [Level(tokens, None, bounds[:-1], bounds[1:])]
        for order in range(2, self.order + 1):
            runs = torch.nonzero(self._shared < order).squeeze(1)
            ends = torch.cat([runs[1:], runs.new_tensor([len(self._shared)])])
            whole = self._sorted_lengths[runs] >= order
            heads, ends = runs[whole], ends[whole]
            above = levels[-1]
            above.first = torch.searchsorted(heads, torch.cat([above.heads, above.heads.new_tensor([len(self._shared)])]))
            tokens = self.stream[self._positions[heads] + (order - 1)]
            levels.append(Level(tokens, None, heads, ends))
        return levels

    def raw(self, order: int) -> Tensor:
        """[m] int64: how often each k-gram of this order occurs. Order 1: [V], the document-initial context not counted."""
        level = self.levels[order - 1]
        counts = level.ends - level.heads
        if order == 1:
            counts = counts.clone()
            counts[self.end_of_text] -= 1
        return counts

    def continuation(self, order: int) -> Tensor:
        """[m] int64: N1+(. w1..wk), the number of distinct tokens that each k-gram was seen after.

        An n-gram that begins a document has nothing before it, and keeps its count
        (Kneser & Ney 1995; Chen & Goodman 1998, section 3.1.3; KenLM's adjusted counts).
        """
        level = self.levels[order - 1]
        new = (self._shared_before <= order).to(torch.int32)
        total = torch.cumsum(new, 0, dtype=torch.int32)
        del new
        zero = total.new_zeros(1)
        total = torch.cat([zero, total])
        counts = (total[level.ends] - total[level.heads]).to(torch.int64)
        if order > 1:
            initial = self._initial(order)
            counts[initial] = self.raw(order)[initial]
        return counts

    def adjusted(self, order: int) -> Tensor:
        """[m] int64: what Kneser-Ney counts at each order: `raw` at the highest, `continuation` below it."""
        return self.raw(order) if order == self.order else self.continuation(order)

    def _initial(self, order: int) -> slice:
        """The k-grams that begin a document: those whose first token is the end-of-text id."""
        heads = self.levels[order - 1].heads
        run = self.levels[0]
        bounds = torch.stack([run.heads[self.end_of_text], run.ends[self.end_of_text]])
        start, stop = torch.searchsorted(heads, bounds).tolist()
        return slice(start, stop)

    @cached_property
    def _shared_before(self) -> Tensor:
        """[n + 1] uint8, in sorted order: `shared` of the window one position earlier in the text.

        A (k+1)-gram is new where its window shares k tokens or fewer with the one sorted
        before it; seen from the window one later, that is a new left neighbour of the k-gram.
        The text's first position has nothing before it.
        """
        by_position = torch.empty_like(self._shared)
        by_position[self._positions] = self._shared
        before = torch.cat([by_position.new_full((1,), 255), by_position[:-1]])
        return before[self._positions]

    @cached_property
    def _slots(self) -> Tensor:
        """[n + 1] int32: where each position of the text stands in the sorted list."""
        slots = torch.empty(len(self._positions), dtype=torch.int32, device=self.device)
        slots[self._positions] = torch.arange(len(slots), dtype=torch.int32, device=self.device)
        return slots

    def suffixes(self, order: int) -> Tensor:
        """[m] the node, one order below, of each k-gram without its first token (order >= 2)."""
        level = self.levels[order - 1]
        if order == 2:
            return level.tokens
        later = self._slots[self._positions[level.heads] + 1]
        below = torch.zeros(len(self._positions), dtype=torch.int32, device=self.device)
        below[self.levels[order - 2].heads] = 1
        return (torch.cumsum(below, 0, dtype=torch.int32) - 1)[later]


def _lengths(text: Tensor, end_of_text: int, order: int) -> Tensor:
    """[n + 1] uint8: tokens in the window at each position, up to and with the next end of text, at most `order`.

    One step of the recursion: a window is one longer than the next position's, unless
    that position ends the document.
    """
    remaining = torch.ones(len(text), dtype=torch.uint8, device=text.device)
    inside = text[1:] != end_of_text
    open_ended = torch.ones(len(text) - 1, dtype=torch.bool, device=text.device)
    for reach in range(1, order):
        width = len(text) - reach
        if width <= 0:
            break
        open_ended = open_ended[:width]
        remaining[:width] += open_ended.to(torch.uint8)
        open_ended = open_ended & inside[reach - 1 : reach - 1 + width]
    return remaining


def _sorted_windows(text: Tensor, lengths: Tensor, order: int, vocabulary_size: int) -> tuple[Tensor, Tensor]:
    """All positions sorted by their windows, and how many tokens each shares with the one before.

    Returns positions [n + 1] int32 or int64 and shared [n + 1] uint8, at most `order`.
    A window cut short by the end of its document sorts before its continuations.
    """
    bits = int(vocabulary_size).bit_length()  # ids are shifted by one: 0 is "the window has ended"
    depth = min(order, _KEY_BITS // bits)
    key = _pack(text, lengths, None, 0, depth, bits)
    key, positions = torch.sort(key)
    if len(text) < 1 << 31:
        positions = positions.to(torch.int32)
    shared = _shared_tokens(key, depth, bits)
    while depth < order:
        # go on with the windows that are equal so far and not yet at their end
        equal = shared >= depth
        tied = equal.clone()
        tied[:-1] |= equal[1:]
        slots = torch.nonzero(tied & (lengths[positions] >= depth)).squeeze(1)
        if len(slots) == 0:
            break
        group = torch.cumsum((~equal[slots]).to(torch.int32), 0, dtype=torch.int32).to(torch.int64)
        room = _KEY_BITS - int(group[-1]).bit_length()
        step = min(order - depth, max(1, room // bits))
        where = positions[slots]
        key = _pack(text, lengths, where, depth, step, bits) | (group << (step * bits))
        key, permutation = torch.sort(key)
        positions[slots] = where[permutation]
        deeper = _shared_tokens(key, step, bits)
        # the first of each group keeps what it shared with the group before
        same = equal[slots]
        shared[slots] = torch.where(same, deeper + depth, shared[slots])
        depth += step
    return positions, shared


def _pack(text: Tensor, lengths: Tensor, where: Tensor | None, start: int, count: int, bits: int) -> Tensor:
    """[m] int64: `count` tokens from `start` on of the windows at positions `where` (None: everywhere), first token highest."""
    size = len(text) if where is None else len(where)
    key = torch.zeros(size, dtype=torch.int64, device=text.device)
    reach = lengths if where is None else lengths[where]
    for offset in range(start, start + count):
        key <<= bits
        if where is None:
            width = size - offset
            if width > 0:
                key[:width] += torch.where(reach[:width] > offset, text[offset:] + 1, 0)
        else:
            at = (where + offset).clamp_(max=len(text) - 1)
            key += torch.where(reach > offset, text[at] + 1, 0)
    return key


def _shared_tokens(key: Tensor, count: int, bits: int) -> Tensor:
    """[m] uint8: leading tokens that each sorted key has in common with the one before it; 0 for the first.

    The fields above the packed tokens (the group) are not looked at: the caller knows them.
    """
    shared = torch.zeros(len(key), dtype=torch.uint8, device=key.device)
    differing = key[1:] ^ key[:-1]
    for tokens in range(1, count + 1):
        shared[1:] += ((differing >> ((count - tokens) * bits)) == 0).to(torch.uint8)
    return shared
