"""Whole pieces of work side by side, each on one thread, in place of every operation split among all.

Counting is many short operations. Split among threads, each ends in a barrier, and on a
machine that does anything else besides, one of them is always late: measured on two cores
with one more process running, counting took over ten times as long. Pieces of an array that
fit a processor's cache are worked on to their end instead, by as many threads as torch had.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

T = TypeVar("T")

_workers = 1


@contextmanager
def coarse_threads() -> Iterator[None]:
    """Inside, torch does each operation on one thread, and `over_chunks` works on several pieces at once."""
    global _workers
    outside, threads = _workers, torch.get_num_threads()
    if threads == 1:  # already inside, or there is but one
        yield
        return
    _workers = threads
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        _workers = outside


def chunks(size: int, device: torch.device) -> list[slice]:
    """Slices that cover `size`: small enough for a processor's cache, or whole on a GPU."""
    width = 1 << 17 if device.type == "cpu" else 1 << 27
    return [slice(start, min(start + width, size)) for start in range(0, size, width)]


def over_chunks(work: Callable[[slice], T], size: int, device: torch.device) -> list[T]:
    """What `work` returns for each chunk, in order. It must write nowhere but in its own chunk."""
    parts = chunks(size, device)
    if _workers == 1 or len(parts) < 2 or device.type != "cpu":
        return [work(part) for part in parts]
    with ThreadPoolExecutor(_workers) as pool:
        return list(pool.map(work, parts))
