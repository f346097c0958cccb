from __future__ import annotations

import errno
import socket
from pathlib import Path

import numpy as np
import pytest

from lmbench import machine
from lmbench.errors import UsageError

MEGABYTE = 1 << 20


def allocate(size: int) -> None:
    np.ones(size, dtype=np.uint8).sum()


def test_peak_is_that_of_the_block_not_of_the_past() -> None:
    allocate(300 * MEGABYTE)
    with machine.PeakMemory() as small:
        allocate(1 * MEGABYTE)
    with machine.PeakMemory() as large:
        allocate(200 * MEGABYTE)
    assert small.bytes is not None
    assert large.bytes is not None
    assert 150 * MEGABYTE < large.bytes - small.bytes < 250 * MEGABYTE


def test_a_thread_watches_where_the_kernel_keeps_no_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_reset_high_water", lambda: False)
    with machine.PeakMemory() as small:
        pass
    with machine.PeakMemory() as large:
        held = np.ones(200 * MEGABYTE, dtype=np.uint8)
        np.sort(held[: 40 * MEGABYTE])  # long enough for two looks
    assert small.bytes is not None
    assert large.bytes is not None
    assert large.bytes - small.bytes > 100 * MEGABYTE


def test_without_proc_the_peak_so_far_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_status", lambda key: None)
    monkeypatch.setattr(machine, "_reset_high_water", lambda: False)
    with machine.PeakMemory() as memory:
        pass
    assert memory.bytes is not None
    assert memory.bytes > 10 * MEGABYTE


def test_place_among_the_processes_that_were_started_together(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    assert machine.launch() == (1, 0, 0)
    for name, value in (("WORLD_SIZE", "8"), ("RANK", "5"), ("LOCAL_RANK", "1")):
        monkeypatch.setenv(name, value)
    assert machine.launch() == (8, 5, 1)


def test_a_server_that_answers_and_one_that_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "localhost")  # which is no proxy
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"https://127.0.0.1:{server.getsockname()[1]}"
        assert machine.reachable(url)
    assert not machine.reachable(url)
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("not asked of a proxy"))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    assert machine.reachable(url)


def test_device() -> None:
    import torch

    assert machine.resolve_device("cpu") == "cpu"
    assert machine.resolve_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    if not torch.cuda.is_available():
        with pytest.raises(UsageError, match="no GPU"):
            machine.resolve_device("cuda")


def test_reasons_name_file_and_remedy() -> None:
    full = OSError(errno.ENOSPC, "No space left on device", "/r/record.json")
    assert (
        machine.reason(full) == "/r/record.json: No space left on device; free some space, or give --out another disk"
    )
    assert "may write to" in machine.reason(PermissionError(errno.EACCES, "Permission denied", "/r"))
    assert machine.reason(OSError("odd")) == "odd"


def test_out_of_memory_is_told_from_other_errors() -> None:
    assert machine.out_of_memory(MemoryError())
    assert machine.out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"))
    assert not machine.out_of_memory(RuntimeError("shapes do not match"))


def test_what_a_processor_multiplies_with_is_read_from_its_flags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Intel's before and after AMX, AMD's without either, an ARM; and a system that does not say."""
    listed = tmp_path / "cpuinfo"
    monkeypatch.setattr(machine, "_PROCESSOR", listed)
    for line, expected in (
        ("flags : fpu avx2 avx512f avx512_bf16 amx_tile amx_bf16", ["AVX2", "AVX-512", "bfloat16", "AMX"]),
        ("flags : fpu avx2 avx512f", ["AVX2", "AVX-512"]),
        ("flags : fpu avx2", ["AVX2"]),
        ("Features : fp asimd bf16", ["bfloat16"]),
        ("processor : 0", []),
    ):
        listed.write_text(f"model name : x\n{line}\n", encoding="ascii")
        assert machine.instructions() == expected
    listed.unlink()
    assert machine.instructions() == []
