"""What memory can be had, from files as Linux has them, and from real limits."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lmbench import memory

GB = 1 << 30


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with 20 GB to be had, and no limits."""
    monkeypatch.setattr(memory, "_PROC", tmp_path / "proc")
    monkeypatch.setattr(memory, "_CGROUPS", tmp_path / "cgroup")
    write(tmp_path / "proc/meminfo", f"MemTotal: {30 * GB >> 10} kB\nMemAvailable:   {20 * GB >> 10} kB\n")
    return tmp_path


def write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="ascii")


def test_a_machine_without_limits(machine: Path) -> None:
    assert memory.free_memory() == 20 * GB
    write(machine / "proc/self/cgroup", "0::/user\n")
    write(machine / "cgroup/user/memory.max", "max\n")
    write(machine / "cgroup/user/memory.current", "1\n")
    write(machine / "cgroup/user/memory.stat", "anon 1\n")
    assert memory.free_memory() == 20 * GB


def test_a_container_of_version_2_and_the_ones_around_it(machine: Path) -> None:
    """The cache of files is no use of memory: 8 - (5 - 1 - 1) GB are left inside, 9 - 7 in what is around it."""
    write(machine / "proc/self/cgroup", "1:name=systemd:/\n0::/pod/box\n")
    write(machine / "cgroup/pod/box/memory.max", f"{8 * GB}\n")
    write(machine / "cgroup/pod/box/memory.current", f"{5 * GB}\n")
    write(machine / "cgroup/pod/box/memory.stat", f"anon {3 * GB}\ninactive_file {GB}\nactive_file {GB}\n")
    assert memory.free_memory() == 5 * GB
    write(machine / "cgroup/pod/memory.high", f"{9 * GB}\n")
    write(machine / "cgroup/pod/memory.current", f"{7 * GB}\n")
    write(machine / "cgroup/pod/memory.stat", "anon 1\n")
    assert memory.free_memory() == 2 * GB


def test_a_container_of_version_1_that_does_not_see_the_machines_path(machine: Path) -> None:
    write(machine / "proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/docker/abc\n")
    write(machine / "cgroup/memory/memory.limit_in_bytes", f"{4 * GB}\n")
    write(machine / "cgroup/memory/memory.usage_in_bytes", f"{3 * GB}\n")
    write(machine / "cgroup/memory/memory.stat", f"cache 7\ntotal_inactive_file {GB}\ntotal_active_file 0\n")
    assert memory.free_memory() == 2 * GB


def test_a_container_that_is_full_has_none(machine: Path) -> None:
    write(machine / "proc/self/cgroup", "0::/\n")
    for name, content in (("max", GB), ("current", 2 * GB), ("stat", "anon 1")):
        write(machine / f"cgroup/memory.{name}", f"{content}\n")
    assert memory.free_memory() == 0


def test_where_nothing_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_PROC", tmp_path)
    assert 0 < memory.free_memory() < 1 << 50


@pytest.mark.parametrize("limit", ["RLIMIT_AS", "RLIMIT_DATA"])
def test_a_limit_of_this_process(limit: str) -> None:
    pytest.importorskip("resource", reason="limits of a process are a Unix thing")
    code = (
        f"import resource; from lmbench.memory import free_memory\n"
        f"resource.setrlimit(resource.{limit}, (700 << 20, 700 << 20)); print(free_memory() >> 20)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert 300 < int(done.stdout) < 700
