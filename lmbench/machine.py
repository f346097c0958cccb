"""Facts about where a run takes place, device, processes, network, versions, and how much memory it needed."""

from __future__ import annotations

import errno
import importlib.metadata
import os
import platform
import socket
import sys
import threading
import urllib.parse
from pathlib import Path
from typing import Any, NamedTuple, Self

from lmbench.disk import FULL, remedy
from lmbench.errors import UsageError

_RECORDED = ("lmbench", "torch", "numpy", "tokenizers", "datasets", "safetensors")
_PROCESSOR = Path("/proc/cpuinfo")
_PATIENCE = 5.0  # seconds to wait for a server to answer at all
_INTERVAL = 0.02  # seconds between two looks at the memory where the kernel keeps no high-water mark


class Launch(NamedTuple):
    """This process among the `size` that torchrun started: its number in all, and among those on its machine."""

    size: int
    rank: int
    local_rank: int


def launch() -> Launch:
    """As torchrun's environment variables say; without them this process is alone."""
    size, rank, local_rank = (int(os.environ.get(name, 0)) for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK"))
    return Launch(max(1, size), rank, local_rank)


def reachable(url: str) -> bool:
    """Whether the server of `url` takes connections; taken as given behind a proxy: from here there is no telling."""
    if any(os.environ.get(name) for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")):
        return True
    address = urllib.parse.urlsplit(url)
    try:
        socket.create_connection((address.hostname, address.port or address.scheme), timeout=_PATIENCE).close()
    except OSError:
        return False
    return True


def resolve_device(device: str) -> str:
    """`auto`, `cpu` or `cuda` to `cpu` or `cuda`. Imports torch. Raises UsageError where there is no such device."""
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            f"--device cuda: torch {torch.__version__} sees no GPU here; use --device cpu, or install a CUDA build"
        )
    return device


def synchronise(device: str) -> None:
    """Wait until the GPU has done all that it was given, so that a clock read now tells the truth."""
    if device == "cuda":
        import torch

        torch.cuda.synchronize()


def versions() -> dict[str, str]:
    """{package: version} of everything whose change can change a number."""
    found = {"python": platform.python_version()}
    for package in _RECORDED:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def machine(device: str) -> dict[str, Any]:
    """Processor, cores this process may use, memory, and the GPU where `device` is one."""
    facts: dict[str, Any] = {
        "platform": platform.platform(),
        "cpu": _cpu(),
        "instructions": instructions(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_bytes": _memory(),
        "gpu": None,
    }
    if device == "cuda":
        import torch

        facts["gpu"] = torch.cuda.get_device_name()
    return facts


def instructions() -> list[str]:
    """What the processor multiplies with, of AVX2, AVX-512, bfloat16 and AMX; a step of training depends on it. Empty
    where the system does not say."""
    try:
        lines = _PROCESSOR.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []
    flags = next(
        (set(line.partition(":")[2].split()) for line in lines if line.lower().startswith(("flags", "features"))), set()
    )
    known = {
        "AVX2": {"avx2"},
        "AVX-512": {"avx512f"},
        "bfloat16": {"avx512_bf16", "amx_bf16", "bf16"},
        "AMX": {"amx_tile"},
    }
    return [name for name, any_of in known.items() if flags & any_of]


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


class PeakMemory:
    """The most memory held at once inside a `with` block, in bytes.

    On a GPU: what torch allocated there. Otherwise the resident memory of this process, all
    of it, not only what the block added: what a machine needs to do the same. The kernel's own
    high-water mark is set back and read where it allows that (Linux); elsewhere a thread
    looks fifty times a second; where neither can be had, the process's peak so far is given,
    and None where not even that is known.
    """

    def __init__(self, device: str = "cpu") -> None:
        self.bytes: int | None = None
        self._cuda = device == "cuda"
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        if self._cuda:
            import torch

            torch.cuda.reset_peak_memory_stats()
        elif not _reset_high_water() and _resident() is not None:
            self._thread = threading.Thread(target=self._watch, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._cuda:
            import torch

            self.bytes = torch.cuda.max_memory_allocated()
        elif self._thread:
            self._thread.join()
        else:
            self.bytes = _high_water() or _lifetime_peak()

    def _watch(self) -> None:
        while True:
            self.bytes = max(self.bytes or 0, _resident() or 0)
            if self._stop.wait(_INTERVAL):
                return


def _reset_high_water() -> bool:
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return _high_water() is not None


def _high_water() -> int | None:
    return _status("VmHWM")


def _resident() -> int | None:
    return _status("VmRSS")


def _status(key: str) -> int | None:
    try:
        text = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        return None
    found = [line.split()[1] for line in text.splitlines() if line.startswith(key + ":")]
    return int(found[0]) * 1024 if found else None


def _lifetime_peak() -> int | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that memory, the GPU's or the machine's, is used up."""
    text = str(error)
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "DefaultCPUAllocator" in text
        or "CUDA out of memory" in text
    )


def disk_full(error: BaseException) -> bool:
    """Whether the disk ran out of space; safetensors and tokenizers have exceptions of their own for it."""
    return "No space left on device" in str(error)


def reason(error: Exception) -> str:
    """What the operating system says of a file, in one line, with what to do where that is plain."""
    if not isinstance(error, OSError):
        return "the disk is full; free some space, or give --out another disk" if disk_full(error) else str(error)
    name = f"{error.filename}: " if error.filename else ""
    what = f"{name}{error.strerror or error}"
    if error.errno in FULL:
        return f"{what}; {remedy(error.filename)}"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{what}; give a place that you may write to"
    return what
