"""On a GPU, sums of floating-point numbers must not depend on the order in which its threads arrive.

There is no GPU in the tests: what models of counts do on one is done on the processor instead, and every operation that
reaches torch is looked at.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from lmbench.counts import sums
from lmbench.model import models
from lmbench.progress import Silent
from lmbench.smoothing import _tuning, smoothings
from lmbench.tokens import Vocabulary, tokens_of

ADDING = (
    "index_add",
    "scatter_add",
    "scatter_reduce",
    "index_reduce",
    "bincount",
    "histc",
    "cumsum",
    "cumprod",
    "put_",
)
PLACING = ("index_copy", "index_put", "scatter", "masked_scatter")
SPECS = [
    *(f"ngram(order=4, smoothing={name})" for name in smoothings.names),
    "ngram(order=4, prune=[0, 0, 1])",
    "ngram(order=4, entropy_prune=1e-4)",
    "ngram(order=4, storage=quantized)",
    "pairs(distance=3)",
    "pairs(distance=3, combine=mixture)",
]


class Watched(TorchDispatchMode):
    """Fails at an operation that adds floating-point numbers, or puts several in one place, in no fixed order."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        self.operations += 1
        floats = any(isinstance(value, Tensor) and value.is_floating_point() for value in args)
        if floats and any(part in name for part in (*ADDING, *PLACING)) and not tuning():
            adds = any(part in name for part in ADDING) and not name.startswith("index_put")
            adds |= name.startswith(("index_put", "_index_put")) and len(args) > 3 and bool(args[3])
            assert not adds, f"{name} of floating-point numbers: the order of its sums is open on a GPU"
            if any(part in name for part in PLACING):
                assert distinct(name, args), f"{name}: two values for one place, either may win on a GPU"
        return func(*args, **(kwargs or {}))


def tuning() -> bool:
    """Whether discounts are being tuned, which is done on the processor wherever the counts are: its numbers come from
    numpy, and one thread adds up its gradients."""
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        if frame.f_code.co_filename == _tuning.__file__:
            return True
    return False


def distinct(name: str, args: Any) -> bool:
    """Whether no two of several different values go to one place."""
    if name.startswith("index_put"):
        places, values = args[1], args[2]
        if values.numel() == 1 or any(place is not None and place.dtype == torch.bool for place in places):
            return True
        places = torch.stack([place.flatten() for place in places if place is not None])
        return torch.unique(places, dim=1).shape[1] == places.shape[1]
    dimension, places = args[1], args[2]
    if name.startswith("index_copy"):
        return len(torch.unique(places)) == len(places)
    rows = places.movedim(dimension, -1).reshape(-1, places.shape[dimension])  # no place twice along its dimension
    return all(len(torch.unique(row)) == len(row) for row in rows)


@contextmanager
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    with monkeypatch.context() as patched, Watched() as watched:
        patched.setattr(sums, "_adds_in_order", lambda device: False)
        yield watched


def text(seed: int, *lengths: int) -> Any:
    rng = np.random.default_rng(seed)
    documents = [np.minimum(rng.zipf(1.3, length) - 1, 19).tolist() for length in lengths]
    return tokens_of(documents, Vocabulary((*(b"%d" % i for i in range(20)), b""), 20))


@pytest.mark.parametrize("spec", SPECS)
def test_counts_smoothing_pruning_and_scores_add_in_a_fixed_order(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And come to the bits that the processor comes to, with no more than twice the operations."""
    train, valid = text(0, 1200, 3), text(1, 200)

    def figures() -> list[np.ndarray[Any, Any]]:
        model = models.make(spec).fit(train, valid, Silent())
        return [model.log_probs(valid, Silent()), model.next_log_probs(valid.ids[:3])]

    with as_on_a_gpu(monkeypatch) as gpu:
        found = figures()
    monkeypatch.setattr(Watched, "__torch_dispatch__", counted)
    with Watched() as cpu:
        expected = figures()
    assert all(np.array_equal(*pair) for pair in zip(found, expected, strict=True))
    assert gpu.operations <= 2 * cpu.operations


def counted(self: Watched, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
    self.operations += 1
    return func(*args, **(kwargs or {}))


def test_what_is_forbidden_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    values, groups = torch.rand(9, dtype=torch.float64), torch.tensor([0, 1, 2] * 3)
    with as_on_a_gpu(monkeypatch):
        found = sums.group_sums(values, groups, 3)
    assert torch.equal(found, sums.group_sums(values, groups, 3))
    wrong = [
        lambda: torch.zeros(3, dtype=torch.float64).index_add_(0, groups, values),
        lambda: torch.zeros(3, dtype=torch.float64).scatter_add_(0, groups, values),
        lambda: torch.bincount(groups, values),
        lambda: torch.cumsum(values, 0),
        lambda: torch.zeros(3, dtype=torch.float64).index_put_((groups,), values, accumulate=True),
        lambda: torch.zeros(3, dtype=torch.float64).index_put_((groups,), values),
        lambda: torch.zeros(3, dtype=torch.float64).index_copy_(0, groups, values),
        lambda: torch.zeros(3, dtype=torch.float64).scatter_(0, groups, values),
    ]
    for way in wrong:
        with Watched(), pytest.raises(AssertionError, match="on a GPU"):
            way()
    with Watched():
        torch.bincount(groups)
        torch.cumsum(groups, 0)
        torch.zeros(3, dtype=torch.float64).index_copy_(0, groups[:3], values[:3])
