"""Sums of groups, against adding one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lmbench.counts.sums import group_sums, slice_sums


def test_by_hand() -> None:
    values = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
    assert slice_sums(values, torch.tensor([0, 2, 2, 3], dtype=torch.int32)).tolist() == [1.5, 0.0, 2.0]
    assert group_sums(values, torch.tensor([2, 0, 2]), 3).tolist() == [1.0, 0.0, 2.5]
    assert slice_sums(values[:0], torch.zeros(3, dtype=torch.int64)).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_groups_are_added_in_their_own_order_to_the_bit(size: int) -> None:
    rng = np.random.default_rng(size)
    values, groups = rng.standard_normal(2000) * 10.0 ** rng.integers(-9, 9, 2000), rng.integers(0, size, 2000)
    expected = [0.0] * size
    for value, group in zip(values.tolist(), groups.tolist(), strict=True):
        expected[group] += value
    assert group_sums(torch.from_numpy(values), torch.from_numpy(groups), size).tolist() == expected
    by_group = np.argsort(groups, kind="stable")
    bounds = np.searchsorted(groups[by_group], np.arange(size + 1))
    assert slice_sums(torch.from_numpy(values[by_group]), torch.from_numpy(bounds)).tolist() == expected
