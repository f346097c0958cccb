"""What suits the device: precision, threads, compilation, rows at once."""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from lmbench.machine import instructions
from lmbench.net.base import Net
from lmbench.training.budget import Budget

BATCH = {"cpu": 2_048, "cuda": 16_384}  # tokens in a step
_LOGITS = 1 << 26  # whose gradient is held at once, on a CPU
_BYTES_PER_LOGIT = 64  # of a GPU's memory: a logit, its gradient and copies of both take about a quarter of it
_TOKENS_PER_THREAD = 512


def autocast_type(precision: str, device: str) -> torch.dtype | None:
    """The type that training multiplies in, None for float32."""
    if precision == "auto":
        # a GPU before Ampere only emulates it
        gpu = device == "cuda"
        native = torch.cuda.is_bf16_supported(including_emulation=False) if gpu else "bfloat16" in instructions()
        return torch.bfloat16 if native else None
    return torch.bfloat16 if precision == "bfloat16" else None


def worth_compiling(budget: Budget, device: str, flops_per_token: float, by_region: bool) -> bool:
    """A region, compiled once for all layers, costs about ten seconds: on a GPU it comes back in a training of one
    minute and more; a whole net costs about a minute, which comes back in three."""
    tokens = budget.tokens_at(flops_per_token)
    seconds, many = (60.0, 30_000_000) if by_region else (180.0, 100_000_000)
    long = (budget.seconds or 0.0) >= seconds or (budget.seconds is None and (tokens or 0) >= many)
    return device == "cuda" and long


def compile_regions(net: Net) -> None:
    """Have torch.compile fuse each of the net's regions when it is first called, in place."""
    for region in net.regions():
        region.compile()


def leave_regions(net: Net) -> None:
    """The net as it is written again; the nets of a process share a limit of compiled graphs."""
    for region in net.regions():
        region._compiled_call_impl = None
    torch.compiler.reset()


def micro_rows(rows: int, logits: int, device: str) -> int:
    """How many of a batch's rows, of so many `logits` each, to take at once so that they stay small.

    The parts are equal where that costs less than half of the size: a part of another size would be compiled anew, and
    for sizes that vary, which is slower. 64 rows of which 10 fit: 8, not 10, 10, 10, 10, 10, 10, 4.
    """
    most = max(1, min(rows, (_LOGITS if device == "cpu" else _gpu_memory() // _BYTES_PER_LOGIT) // logits))
    return next((size for size in range(most, most // 2, -1) if rows % size == 0), most)


def _gpu_memory() -> int:
    """Bytes of the current GPU, free or not."""
    return int(torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory)


def compiler_failed(error: BaseException) -> bool:
    """Whether `error` came from torch.compile (no C compiler, no Triton, an operation it does not know)."""
    return any(kind.__module__.startswith(("torch._dynamo", "torch._inductor")) for kind in type(error).__mro__)


_TRIM_THRESHOLD, _MMAP_MAX, _MMAPS = -1, -4, 65_536  # of glibc's malloc.h, and what it has by default


@contextmanager
def memory_kept(device: str) -> Iterator[None]:
    """On a CPU, keep the memory that a step frees for the next one.

    glibc gives large blocks back to the system at once and asks for them anew, which fills them with zeros page by page
    at each step. Elsewhere nothing is done. What was kept is given back at the end.
    """
    if device != "cpu" or platform.libc_ver()[0] != "glibc":
        yield
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(_MMAP_MAX, 0)
    libc.mallopt(_TRIM_THRESHOLD, 2**31 - 1)
    try:
        yield
    finally:
        libc.mallopt(_MMAP_MAX, _MMAPS)
        libc.mallopt(_TRIM_THRESHOLD, 128 * 1024)
        libc.malloc_trim(0)


@contextmanager
def few_threads(tokens: int) -> Iterator[None]:
    """No more CPU threads than a batch of `tokens` keeps busy; the number before comes back at the end."""
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, min(before, os.cpu_count() or 1, tokens // _TOKENS_PER_THREAD)))
    try:
        yield
    finally:
        torch.set_num_threads(before)
