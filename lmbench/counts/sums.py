"""Sums of groups of numbers, added in their own order on every device, so that the same input gives the same bits.

`Tensor.index_add_` on a GPU adds in whatever order its threads arrive.
"""

from __future__ import annotations

import torch
from torch import Tensor


def slice_sums(values: Tensor, first: Tensor) -> Tensor:
    """[m] the sum of `values` over each slice first[i] : first[i + 1]; `first`, [m + 1], covers all of them.

    `[0.5, 1.0, 2.0]` over `[0, 2, 2, 3]` gives `[1.5, 0.0, 2.0]`.
    """
    return torch.segment_reduce(values, "sum", offsets=first)


def _adds_in_order(device: torch.device) -> bool:
    """Whether `index_add_` goes through its values from the first to the last: on a processor, in one thread."""
    return device.type == "cpu"


def group_sums(values: Tensor, groups: Tensor, size: int) -> Tensor:
    """[size] the sum of the `values` of each group; `groups`: [n] int64 below `size`, in any order.

    `[0.5, 1.0, 2.0]` of the groups `[2, 0, 2]` gives, to size 3, `[1.0, 0.0, 2.5]`.
    """
    if _adds_in_order(values.device):
        return torch.zeros(size, dtype=values.dtype).index_add_(0, groups, values)
    ordered, order = torch.sort(groups, stable=True)
    bounds = torch.searchsorted(ordered, torch.arange(size + 1, device=groups.device))
    return slice_sums(values[order], bounds)
