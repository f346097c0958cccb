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

import torch
from torch import Tensor

from lmbench.counts.parallel import chunks, over_chunks

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

    def all_reach(self, length: int, slots: slice) -> bool:
        """Whether all windows of `slots` have at least `length` tokens."""
        return bool((self.lengths.index_select(0, self.positions[slots]) >= length).all())

    def reaches(self, length: int, slots: slice) -> Tensor:
        """[s] bool: which windows of `slots` have at least `length` tokens."""
        if length <= self.packed:
            return (self.keys[slots] & (((1 << self.bits) - 1) << ((self.packed - length) * self.bits))) != 0
        return self.lengths.index_select(0, self.positions[slots]) >= length


def sorted_windows(text: Tensor, depth: int, vocabulary_size: int, end_of_text: int) -> Windows:
    """Sort the windows of `text` ([n] int32) to `depth` tokens."""
    bits = int(vocabulary_size).bit_length()  # ids are shifted by one: 0 is "the window has ended"
    lengths = _lengths(text, end_of_text, depth)
    packed = min(depth, KEY_BITS // bits)
    keys, positions = torch.sort(_pack(text, lengths, packed, bits))
    positions = positions.to(torch.int32)
    shared = _shared(keys, packed, bits)
    windows = Windows(text, lengths, positions, shared, keys, packed, bits)
    reached = packed
    while reached < depth:
        step = _refine(windows, reached, depth)
        if step == 0:
            break
        reached += step
    return windows


def _refine(windows: Windows, reached: int, depth: int) -> int:
    """Sort on, beyond `reached` tokens, the windows equal that far; returns by how many tokens, 0 if none are left."""
    shared, positions, bits = windows.shared, windows.positions, windows.bits
    equal = shared >= reached
    tied = equal.clone()
    tied[:-1] |= equal[1:]
    slots = torch.nonzero(tied).squeeze(1)
    del tied
    where = positions.index_select(0, slots)
    # a window that ends just here is equal so far to those that go on, and sorts before them
    reach = windows.lengths.index_select(0, where)
    whole = reach >= reached
    slots, where = slots[whole], where[whole]
    if not bool((reach > reached).any()):
        return 0
    same = equal[slots]
    del equal
    # a group is a run of equal windows; its first is the one that differs from the one before
    group = torch.cumsum(~same, 0)
    step = min(depth - reached, max(1, (KEY_BITS - int(group[-1]).bit_length()) // bits))
    key = group << (step * bits)
    for part in chunks(len(where), where.device):
        at = where[part]
        reach = windows.lengths.index_select(0, at)
        for offset in range(step):
            token = windows.text.index_select(0, (at + (reached + offset)).clamp_(max=len(windows.text) - 1)) + 1
            token *= reach > reached + offset
            key[part] += token.to(torch.int64) << ((step - 1 - offset) * bits)
    key, permutation = torch.sort(key)
    positions.index_copy_(0, slots, where.index_select(0, permutation))
    deeper = _shared(key, step, bits) + reached
    shared.index_copy_(0, slots, torch.where(same, deeper, shared.index_select(0, slots)))
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
    """[n] int64: the first `count` tokens of every window, plus one, the first token highest."""
    keys = torch.zeros(len(text), dtype=torch.int64, device=text.device)

    def pack(part: slice) -> None:
        key = keys[part]
        for offset in range(count):
            token = text[part.start + offset : part.stop + offset] + 1
            token *= lengths[part][: len(token)] > offset
            key[: len(token)] += token.to(torch.int64) << ((count - 1 - offset) * bits)

    over_chunks(pack, len(text), text.device)
    return keys


def _shared(keys: Tensor, count: int, bits: int) -> Tensor:
    """[m] uint8: leading tokens that each sorted key has in common with the one before it; 0 for the first.

    Fields above the `count` packed tokens make two keys differ throughout.
    """
    shared = torch.zeros(len(keys), dtype=torch.uint8, device=keys.device)

    def compare(part: slice) -> None:
        differing = keys[part.start + 1 : part.stop + 1] ^ keys[part]
        equal = shared[part.start + 1 : part.stop + 1]
        for tokens in range(1, count + 1):
            equal += differing < (1 << ((count - tokens) * bits))

    over_chunks(compare, len(keys) - 1, keys.device)
    return shared
