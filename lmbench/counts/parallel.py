"""Whole pieces of work side by side, each on one thread, in place of every operation split among all.

Counting is many short operations. Split among threads, each ends in a barrier, and on a
machine that does anything else besides, one of them is always late: measured on two cores
with one more process running, counting took over ten times as long. Pieces of an array that
fit a processor's cache are worked on to their end instead, by as many threads as torch had.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

T = TypeVar("T")
CPU_CHUNK = 1 << 17

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
    width = CPU_CHUNK if device.type == "cpu" else 1 << 27
    return [slice(start, min(start + width, size)) for start in range(0, size, width)]


def over_chunks(work: Callable[[slice], T], size: int, device: torch.device) -> list[T]:
    """What `work` returns for each chunk, in order. It must write only where no other chunk does."""
    return over_parts(work, chunks(size, device), device)


def over_parts(work: Callable[[slice], T], parts: Sequence[slice], device: torch.device) -> list[T]:
    """What `work` returns for each of `parts`, in order; the longest are begun first."""
    if _workers == 1 or len(parts) < 2 or device.type != "cpu":
        return [work(part) for part in parts]
    by_length = sorted(range(len(parts)), key=lambda index: parts[index].start - parts[index].stop)
    with ThreadPoolExecutor(_workers) as pool:
        futures = {index: pool.submit(work, parts[index]) for index in by_length}
        try:
            return [futures[index].result() for index in range(len(parts))]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # what has not begun need not be done
            raise
