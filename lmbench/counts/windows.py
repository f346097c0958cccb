"""All positions of a text sorted by the tokens that follow them, to a given depth.

    text  $ a b a b b $        (a=0 b=1; $=2 ends the document, and is the context it begins with)
    sorted to depth 2:       a b | a b | b a | b b | b $ | $ a | $        ($ is the highest id)
    shared with the last:    0     2     0     1     1     0     1

The sort packs as many tokens as fit into one 63-bit key, and goes on only with the
windows that still have an equal: in natural text few do, so that any depth costs little
more than the first key's sort.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from lmbench.counts.arrays import flatnonzero
from lmbench.counts.grouping import grouped
from lmbench.counts.parallel import chunks, over_chunks, over_parts

KEY_BITS = 63


@dataclass(eq=False)
class Windows:
    """The windows of `text`, sorted. A window ends with the next end of text; shorter ones sort first.

    `text`: [n] int32. `lengths`: [n] uint8, tokens in the window at each position, at most `depth`.
    `positions`: [n] int32, sorted. `shared`: [n] uint8, in sorted order, how
    many tokens each has in common with the window before it, at most `depth`; where a window has
    ended, its missing tokens count as equal to another's missing tokens. `keys`: [n] int64, the
    first `packed` tokens of each, plus one, in fields of `bits` bits; 0 where the window has ended.
    """

    text: Tensor
    lengths: Tensor
    positions: Tensor
    shared: Tensor
    keys: Tensor
    packed: int
    bits: int

    def token(self, offset: int, slots: slice, picked: Tensor) -> Tensor:
        """[p] int32: the token at `offset` of the windows `picked`, indices into `slots`."""
        if offset < self.packed:
            field = self.keys[slots].index_select(0, picked) >> ((self.packed - 1 - offset) * self.bits)
            return ((field & ((1 << self.bits) - 1)) - 1).to(torch.int32)
        return self.text.index_select(0, self.positions[slots].index_select(0, picked) + offset)

    def reach(self, slots: slice) -> Tensor:
        """[s] uint8: tokens in each of the windows of `slots`."""
        return self.lengths.index_select(0, self.positions[slots])


def sorted_windows(text: Tensor, depth: int, vocabulary_size: int, end_of_text: int) -> Windows:
    """Sort the windows of `text` ([n] int32) to `depth` tokens.

    On a processor first into parts of neighbouring keys, each small enough for its cache, then each part by itself.
    """
    bits = int(vocabulary_size).bit_length()  # ids are shifted by one: 0 is "the window has ended"
    packed = min(depth, KEY_BITS // bits)
    lengths = torch.empty(len(text), dtype=torch.uint8, device=text.device)
    keys = torch.empty(len(text), dtype=torch.int64, device=text.device)

    def pack(part: slice) -> None:
        lengths[part] = _lengths(text[part.start : part.stop + depth], end_of_text, depth)[: part.stop - part.start]
        keys[part] = _pack(text[part.start : part.stop + packed], lengths[part], packed, bits)

    over_chunks(pack, len(text), text.device)
    keys, positions, parts = grouped(keys, packed * bits)
    shared = torch.zeros(len(text), dtype=torch.uint8, device=text.device)
    windows = Windows(text, lengths, positions, shared, keys, packed, bits)
    over_parts(partial(_sort, windows, depth), parts, text.device)
    # each part's first window was compared with none
    firsts = torch.tensor([part.start for part in parts if part.start], dtype=torch.int64, device=text.device)
    shared[firsts] = _equal_fields(keys[firsts] ^ keys[firsts - 1], packed, bits)
    return windows


def _sort(windows: Windows, depth: int, part: slice) -> None:
    """Sort the windows of one part of the slots, none of them equal to any of another part."""
    packed, bits = windows.packed, windows.bits
    keys, order = torch.sort(windows.keys[part])
    windows.keys[part] = keys
    positions = windows.positions[part].index_select(0, order)
    del order
    shared = windows.shared[part]
    _share(keys, shared, packed, bits)
    reached = packed
    while reached < depth:
        step = _refine(windows, positions, shared, reached, depth)
        if step == 0:
            break
        reached += step
    windows.positions[part] = positions


def _refine(windows: Windows, positions: Tensor, shared: Tensor, reached: int, depth: int) -> int:
    """Sort on, beyond `reached` tokens, the windows equal that far; returns by how many tokens, 0 if none are left.

    `positions`, `shared`: those of a part of the windows; changed in place.
    """
    text, lengths, bits = windows.text, windows.lengths, windows.bits
    equal = shared >= reached
    tied = equal.clone()
    tied[:-1] |= equal[1:]
    slots = flatnonzero(tied)
    where = positions.index_select(0, slots)
    # a window that ends just here is equal so far to those that go on, and sorts before them
    reach = lengths.index_select(0, where)
    if not bool((reach > reached).any()):
        return 0
    whole = flatnonzero(reach >= reached)
    slots, where = slots.index_select(0, whole), where.index_select(0, whole)
    same = equal.index_select(0, slots)
    # a group is a run of equal windows; its first is the one that differs from the one before
    group = torch.cumsum(~same, 0)
    step = min(depth - reached, max(1, (KEY_BITS - int(group[-1]).bit_length()) // bits))
    key = group << (step * bits)
    for chunk in chunks(len(where), where.device):
        at = where[chunk]
        reach = lengths.index_select(0, at)
        for offset in range(step):
            token = text.index_select(0, (at + (reached + offset)).clamp_(max=len(text) - 1)) + 1
            token *= reach > reached + offset
            key[chunk] += token.to(torch.int64) << ((step - 1 - offset) * bits)
    key, permutation = torch.sort(key)
    positions.index_copy_(0, slots, where.index_select(0, permutation))
    deeper = torch.zeros(len(key), dtype=torch.uint8, device=key.device)
    _share(key, deeper, step, bits)
    deeper += reached
    tail = flatnonzero(same)
    shared.index_copy_(0, slots.index_select(0, tail), deeper.index_select(0, tail))
    return step


def _lengths(text: Tensor, end_of_text: int, depth: int) -> Tensor:
    """[n] uint8: tokens in the window at each position, up to and with the next end of text, at most `depth`."""
    lengths = torch.ones(len(text), dtype=torch.uint8, device=text.device)
    inside = text != end_of_text
    unfinished = torch.ones(len(text), dtype=torch.bool, device=text.device)
    for reach in range(1, min(depth, len(text))):
        width = len(text) - reach
        unfinished = unfinished[:width]
        lengths[:width] += unfinished
        unfinished = unfinished & inside[reach : reach + width]
    return lengths


def _pack(text: Tensor, lengths: Tensor, count: int, bits: int) -> Tensor:
    """[len(lengths)] int64: the first `count` tokens of every window, plus one, the first token highest.

    `text` goes on beyond the last window, or ends with the text.
    """
    keys = torch.zeros(len(lengths), dtype=torch.int64, device=text.device)
    for offset in range(count):
        token = text[offset : offset + len(lengths)] + 1
        token *= lengths[: len(token)] > offset
        keys[: len(token)] += token.to(torch.int64) << ((count - 1 - offset) * bits)
    return keys


def _share(keys: Tensor, shared: Tensor, count: int, bits: int) -> None:
    """Put into `shared`, [m] uint8, how many leading tokens each sorted key has in common with the one before it.

    Of the first it stays what it is. Fields above the `count` packed tokens make two keys differ throughout.
    """
    for part in chunks(len(keys) - 1, keys.device):
        differing = keys[part.start + 1 : part.stop + 1] ^ keys[part]
        shared[part.start + 1 : part.stop + 1] = _equal_fields(differing, count, bits)


def _equal_fields(differing: Tensor, count: int, bits: int) -> Tensor:
    """[m] uint8: how many of the `count` fields of `bits` bits, from the highest, are zero before one is not."""
    equal = torch.zeros(len(differing), dtype=torch.uint8, device=differing.device)
    for tokens in range(1, count + 1):
        equal += differing < (1 << ((count - tokens) * bits))
    return equal
