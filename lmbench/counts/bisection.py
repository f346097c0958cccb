"""Bisection in many runs of slots at once, a numpy operation for each halving of the widest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
ValueAt = Callable[[Ints, Ints], NDArray[np.integer[Any]]]  # (slots, which of the queries asks for each)


def bisect(value_at: ValueAt, low: Ints, high: Ints, wanted: Ints) -> Ints:
    """[q] the first slot from `low` to `high` whose value, ascending there, is not below `wanted`; `high` for none."""
    found = low.copy()
    lanes = np.flatnonzero(low < high)
    base, width, goal = low[lanes], (high - low)[lanes], wanted[lanes]
    while len(lanes):
        half = width >> 1
        middle = base + half
        less = value_at(middle, lanes) < goal
        base = np.where(less, middle + 1, base)
        width = np.where(less, width - half - 1, half)
        open_ = width > 0
        if not open_.all():
            found[lanes[~open_]] = base[~open_]
            lanes, base, width, goal = lanes[open_], base[open_], width[open_], goal[open_]
    return found


def end_of_run(value_at: ValueAt, low: Ints, high: Ints, value: Ints) -> Ints:
    """[q] the end of the run of `value` that begins at `low`, if one does: by doubling steps, as most are short."""
    ends = low.copy()
    going = np.flatnonzero(low < high)
    going = going[value_at(low[going], going) == value[going]]
    ends[going] += 1
    limit, step = high.copy(), 1
    while len(going):
        going = going[ends[going] < high[going]]
        probe = np.minimum(ends[going] + step, high[going]) - 1
        same = value_at(probe, going) == value[going]
        limit[going[~same]] = probe[~same]
        going, probe = going[same], probe[same]
        ends[going] = probe + 1
        step *= 2
    open_ = np.flatnonzero((ends > low) & (ends < limit))
    ends[open_] = bisect(
        lambda slots, lanes: value_at(slots, open_[lanes]), ends[open_], limit[open_], value[open_] + 1
    )
    return ends
