"""How much memory can be had now: of the machine, of the container (cgroup), and of this process (limits)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc")
_CGROUPS = Path("/sys/fs/cgroup")
_UNKNOWN = 8 << 30  # bytes, where nothing tells
_CACHE = ("inactive_file", "active_file")


def free_memory() -> int:
    """Bytes of memory that can be had now: the least of what the machine, each cgroup above this process, and the
    limits on its address space and its data leave; where the machine does not tell, half of all of it, else 8 GB."""
    return max(0, min([_of_machine(), *_of_cgroups(), *_of_limits()]))


def _of_machine() -> int:
    try:
        return _kilobytes(_PROC / "meminfo", "MemAvailable:")
    except (OSError, IndexError, ValueError):
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, OSError, ValueError):
        return _UNKNOWN


def _of_limits() -> Iterator[int]:
    """What RLIMIT_AS and RLIMIT_DATA (`ulimit -v` and `-d`) leave."""
    try:
        import resource
    except ImportError:  # Windows
        return
    for limit, key in ((resource.RLIMIT_AS, "VmSize:"), (resource.RLIMIT_DATA, "VmData:")):
        most = resource.getrlimit(limit)[0]
        if most == resource.RLIM_INFINITY:
            continue
        try:
            yield most - _kilobytes(_PROC / "self/status", key)
        except (OSError, IndexError, ValueError):
            yield most


def _kilobytes(path: Path, key: str) -> int:
    return int(path.read_text(encoding="ascii", errors="replace").split(key)[1].split()[0]) * 1024


def _of_cgroups() -> Iterator[int]:
    """What the cgroup of this process and each above it leave: limit less usage, the cache of files not counted, which
    makes room when it is needed."""
    try:
        lines = (_PROC / "self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, kinds, path = line.split(":", 2)
        if kinds == "":  # version 2
            yield from _up(_CGROUPS, path, ("memory.max", "memory.high"), "memory.current", "")
        elif "memory" in kinds.split(","):
            yield from _up(_CGROUPS / "memory", path, ("memory.limit_in_bytes",), "memory.usage_in_bytes", "total_")


def _up(root: Path, path: str, limits: tuple[str, ...], usage: str, prefix: str) -> Iterator[int]:
    """Of each folder from `path` up to `root`; in a container the path may be the machine's, and be missing here."""
    parts = [part for part in path.split("/") if part not in ("", "..")]
    for depth in range(len(parts), -1, -1):
        folder = root.joinpath(*parts[:depth])
        for limit in limits:
            try:
                most = int((folder / limit).read_text(encoding="ascii"))  # "max" is no number
                used = int((folder / usage).read_text(encoding="ascii"))
                stat = dict(line.split() for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines())
            except (OSError, ValueError):
                continue
            yield most - max(0, used - sum(int(stat.get(f"{prefix}{name}", 0)) for name in _CACHE))
