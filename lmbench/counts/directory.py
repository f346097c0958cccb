"""Where to begin looking among the children of a node that has many.

The children of a node are a sorted slice. One of w = 8 b children or more is divided into b
buckets by the rank of the token among the last tokens of all bigrams, which makes buckets about
equally full whatever the token ids mean; the directory holds where each bucket begins. A look-up
goes on in one bucket of about 8 children, side by side in memory, instead of halving the whole slice.

Bucket j of the node whose slice begins at `at` has entry at // 8 + j: as the slices follow one
another, so do their entries, without anything more to be stored. Worked example: a slice 16 .. 39
has 3 buckets, with entries 2, 3 and 4, and the next slice, from 40 on, begins at entry 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from lmbench import files
from lmbench.counts.arrays import flatnonzero, repeated, replace_, widened
from lmbench.counts.compact import Pointer
from lmbench.counts.parallel import chunks, over_parts

_SHIFT = 3
_SPREAD_BITS = 15


@dataclass(eq=False)
class Directory:
    """`spread`: [V] int32, 0 up to 2^15, the rank of each token, ascending with its id. `starts[k]`: int32,
    where each bucket begins among the (k+2)-grams; entries that no bucket has are the number of those."""

    spread: Tensor
    starts: list[Tensor]

    def bucket(self, order: int, at: Tensor, end: Tensor, spread: Tensor) -> tuple[Tensor, Tensor]:
        """The part, [q] each, of the slices at .. end of level `order` + 1 in which tokens of `spread` must lie.

        Overwrites `at` and `end`, which are int32.
        """
        starts = self.starts[order - 1]
        buckets = (end - at) >> _SHIFT
        entry = (at >> _SHIFT) + ((spread.long() * buckets) >> _SPREAD_BITS)
        wide = buckets > 0
        replace_(at, starts.index_select(0, entry), wide)
        replace_(end, torch.minimum(starts.index_select(0, entry + 1), end), wide)
        return at, end

    def check(self, sizes: Sequence[int]) -> None:
        """Raises ValueError where it leads out of the levels of a trie, which have so many nodes."""
        if self.spread.shape != (sizes[0],) or self.spread.dtype != torch.int32:
            raise ValueError(f"ranks of {self.spread.dtype} {tuple(self.spread.shape)}")
        files.index(self.spread, 1 << _SPREAD_BITS, "the rank of a token")
        if len(self.starts) != len(sizes) - 1:
            raise ValueError(f"buckets of {len(self.starts)} levels")
        for starts, size in zip(self.starts, sizes[1:], strict=True):
            if not isinstance(starts, Tensor) or starts.shape != ((size >> _SHIFT) + 2,) or starts.dtype != torch.int32:
                raise ValueError("buckets of another length")
            files.index(starts, size + 1, "the beginning of a bucket")

    @classmethod
    def of(
        cls, tokens: Sequence[Tensor], first: Sequence[Pointer], vocabulary_size: int, device: torch.device
    ) -> Directory:
        """The directory of a trie; `tokens`: of each level from order 2 on, [m] in the form of `narrow`."""
        if tokens:
            parts = [tokens[0][part] for part in chunks(len(tokens[0]), tokens[0].device)]
            occurring = torch.zeros(vocabulary_size, dtype=torch.int64, device=device)
            for part in parts:
                occurring += torch.bincount(widened(part), minlength=vocabulary_size)
        else:
            occurring = torch.ones(vocabulary_size, dtype=torch.int64, device=device)
        below = (occurring.cumsum(0) - occurring).double() / max(1, int(occurring.sum()))
        spread = (below * (1 << _SPREAD_BITS)).to(torch.int32).clamp(max=(1 << _SPREAD_BITS) - 1)
        return cls(spread, [_starts(level, column, spread) for level, column in zip(tokens, first, strict=True)])


def _starts(tokens: Tensor, first: Pointer, spread: Tensor) -> Tensor:
    size = len(tokens)
    starts = torch.full(((size >> _SHIFT) + 2,), size, dtype=torch.int32, device=tokens.device)

    def fill(part: slice) -> None:
        bounds = first[part.start : part.stop + 1]
        widths = bounds.diff()
        wide = flatnonzero(widths >= 1 << _SHIFT)
        if len(wide) == 0:
            return
        at, width = bounds.index_select(0, wide), widths.index_select(0, wide)
        buckets = width >> _SHIFT
        # the children of wide nodes side by side, and their buckets; `ahead`: of one's place beyond that
        owner, earlier = repeated(width), width.cumsum(0) - width
        ahead = at - earlier
        places = torch.arange(len(owner), device=tokens.device) + ahead.index_select(0, owner)
        ranks = spread.index_select(0, widened(tokens.index_select(0, places))).long()
        earlier_buckets = buckets.cumsum(0) - buckets
        bucket = ((ranks * buckets.index_select(0, owner)) >> _SPREAD_BITS) + earlier_buckets.index_select(0, owner)
        counts = torch.bincount(bucket, minlength=int(buckets.sum()))
        owner = repeated(buckets)
        entries = torch.arange(len(owner), device=tokens.device) + ((at >> _SHIFT) - earlier_buckets).index_select(
            0, owner
        )
        begins = counts.cumsum(0) - counts + ahead.index_select(0, owner)
        starts.index_copy_(0, entries, begins.to(torch.int32))

    over_parts(fill, _parts(first[:], size), tokens.device)
    return starts


def _parts(first: Tensor, size: int) -> list[slice]:
    """The nodes in parts of no more than a chunk, whose children, `size` in all, are about one chunk at most too."""
    nodes, device = len(first) - 1, first.device
    begins = torch.tensor([chunk.start for chunk in chunks(size, device)], dtype=first.dtype, device=device)
    edges = {*torch.searchsorted(first, begins).tolist(), *(chunk.start for chunk in chunks(nodes, device)), nodes}
    return [slice(start, stop) for start, stop in pairwise(sorted(edges))]
