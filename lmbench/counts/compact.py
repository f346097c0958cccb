"""The same arrays in fewer bytes: quantised columns and packed pointers, read as tensors are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from lmbench import files
from lmbench.counts.parallel import over_chunks
from lmbench.counts.sums import group_sums

_BLOCK = 16
_ESCAPE = 255
_SAMPLE = 1 << 20
_LEAST = -1e4  # stands for the logarithm of zero


@dataclass(eq=False)
class Codes:
    """A column of numbers, one byte each. `codes`: [m] uint8, `book`: [256] float32; reading gives `book[codes[i]]`.

    The bins hold equally many numbers and stand for their mean (as KenLM's quantisation
    does, Federico & Bertoldi 2006); exact zeros keep a bin of their own, and
    so does the logarithm of zero, as -1e4.
    """

    codes: Tensor
    book: Tensor

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def device(self) -> torch.device:
        device: torch.device = self.codes.device
        return device

    def __getitem__(self, index: Tensor | slice | int) -> Tensor:
        return self.book[self.codes[index].long()]

    def index_select(self, dim: int, index: Tensor) -> Tensor:
        """As a tensor's."""
        return self.book.index_select(dim, self.codes.index_select(dim, index).to(torch.int32))

    def check(self, high: float) -> None:
        """Raises ValueError where a code has no number, or one that is NaN or above `high`."""
        if self.codes.dtype != torch.uint8 or self.codes.ndim != 1 or self.book.shape != (256,):
            raise ValueError(f"codes of {self.codes.dtype}, for a book of {tuple(self.book.shape)}")
        if self.book.dtype != torch.float32:
            raise ValueError(f"a book of {self.book.dtype}")
        files.within(self.book, -math.inf, high, "the book of codes")

    @classmethod
    def of(cls, values: Tensor) -> Codes:
        """Quantise a column."""
        values = values.clamp(min=_LEAST)
        sample = values[:: max(1, len(values) // _SAMPLE)]
        sample = sample[(sample != 0) & (sample > _LEAST)].sort().values
        ranks = (torch.arange(1, 254, device=values.device) * len(sample)) // 254
        edges = torch.unique_consecutive(sample[ranks]) if len(sample) else sample
        edges = torch.cat([edges.new_tensor([_LEAST / 2]), edges])  # below it only what was zero probability
        codes = torch.empty(len(values), dtype=torch.uint8, device=values.device)

        def encode(part: slice) -> Tensor:
            """How many values got each code, and their sum."""
            code = (torch.bucketize(values[part], edges, right=True) + 1) * (values[part] != 0)
            codes[part] = code.to(torch.uint8)
            return torch.stack([group_sums(values[part].double(), code, 256), torch.bincount(code, minlength=256)])

        totals = sum(
            over_chunks(encode, len(values), values.device),
            torch.zeros(2, 256, dtype=torch.float64, device=values.device),
        )
        return cls(codes, (totals[0] / totals[1].clamp(min=1)).float())


@dataclass(eq=False)
class Pointers:
    """An ascending column of whole numbers in little more than a byte each, such as a trie's `first`.

    `bases`: every 16th number. `steps`: [m] uint8, what each is above its base; 255 where that
    does not fit: then `far` holds its place, ascending, and `values` the number itself.
    """

    bases: Tensor
    steps: Tensor
    far: Tensor
    values: Tensor

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, index: slice) -> Tensor:
        return self.index_select(0, torch.arange(len(self), device=self.steps.device)[index])

    def index_select(self, dim: int, index: Tensor) -> Tensor:
        """As a tensor's."""
        step = self.steps.index_select(dim, index)
        found = self.bases.index_select(dim, index // _BLOCK) + step
        escaped = torch.nonzero(step == _ESCAPE).squeeze(1)
        if len(escaped):
            found[escaped] = self.values[torch.searchsorted(self.far, index[escaped].to(self.far.dtype))]
        return found

    def diff(self) -> Tensor:
        return self[:].diff()

    def check(self) -> None:
        """Raises ValueError where a number cannot be read off: `far` has to hold the places whose step is 255."""
        kinds = (self.bases.dtype, self.steps.dtype, self.far.dtype, self.values.dtype)
        if kinds != (torch.int32, torch.uint8, torch.int32, torch.int32) or self.steps.ndim != 1:
            raise ValueError(f"pointers of {kinds}")
        far = torch.nonzero(self.steps == _ESCAPE).squeeze(1).to(torch.int32)
        blocks = (len(self.steps) + _BLOCK - 1) // _BLOCK
        if self.bases.shape != (blocks,) or not torch.equal(far, self.far) or self.values.shape != far.shape:
            raise ValueError("pointers that lead nowhere")

    @classmethod
    def of(cls, column: Tensor) -> Pointers:
        """Pack a column of int32."""
        bases = column[::_BLOCK].contiguous()
        steps = column - bases.repeat_interleave(_BLOCK)[: len(column)]
        far = torch.nonzero(steps >= _ESCAPE).squeeze(1)
        packed = steps.clamp(max=_ESCAPE).to(torch.uint8)
        return cls(bases, packed, far.to(torch.int32), column[far])


Column = Tensor | Codes
"""[m] float64 or float32 numbers, or quantised ones."""

Pointer = Tensor | Pointers
"""[m + 1] ascending whole numbers."""
