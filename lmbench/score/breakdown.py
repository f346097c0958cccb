"""Where one model is better than another: their losses by what each token is, and how it came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Group:
    """Tokens that have something in common. `nats`: what each model loses per token of them, in the models' order."""

    label: str
    tokens: int
    share: float
    nats: tuple[float, ...]


@dataclass(frozen=True)
class Breakdown:
    """All tokens of a text in groups by one property `by`; groups without tokens are left out."""

    by: str
    models: tuple[str, ...]
    groups: tuple[Group, ...]


def breakdown(by: str, labels: Sequence[str], group: Ints, losses: dict[str, Floats]) -> Breakdown:
    """Mean losses by group: `group` [n] is the place in `labels` of each token's, `losses` {model: [n] nats}.

    Worked example: labels a, b; group 0 1 1; losses m: 1 2 4 give a: 1.0 (1 token), b: 3.0 (2 tokens).
    """
    counts = np.bincount(group, minlength=len(labels))
    means = {
        name: np.bincount(group, weights=each, minlength=len(labels)) / np.maximum(counts, 1)
        for name, each in losses.items()
    }
    groups = tuple(
        Group(label, int(count), float(count) / max(1, len(group)), tuple(float(means[name][place]) for name in losses))
        for place, (label, count) in enumerate(zip(labels, counts, strict=True))
        if count
    )
    return Breakdown(by, tuple(losses), groups)


def doubling(values: Ints, most: int) -> tuple[list[str], Ints]:
    """(labels, [n] places): 0, 1, 2, 3-4, 5-8, .. and all from `most` (a power of two) + 1 on."""
    bounds = [0, 1]
    while bounds[-1] < most:
        bounds.append(bounds[-1] * 2)
    labels = ["0", "1"]
    labels += [f"{low + 1}-{high}" if low + 1 < high else f"{high}" for low, high in pairwise(bounds[1:])]
    return [*labels, f"{bounds[-1] + 1:,} and more"], np.searchsorted(bounds, values).astype(np.int64)
