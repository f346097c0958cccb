"""Full disks: a limit on the size of files stands in for them, or a small file system where one can be mounted."""

from __future__ import annotations

import errno
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import lmbench as command
from small_texts import text as text_of

import lmbench
from lmbench import machine
from lmbench.counts.ngrams import NgramCounts
from lmbench.counts.shards import ShardedCounts
from lmbench.disk import Scratch, mapped, naming, save_array, save_tensors
from lmbench.errors import LmbenchError

resource = pytest.importorskip("resource", reason="limits on the size of files are a Unix thing")


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes within the block."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


ARRAYS = [
    np.arange(1000, dtype=np.int32),
    np.zeros((0,), dtype=np.uint16),
    np.arange(12.0).reshape(3, 4).T,
    np.arange(6, dtype=">u2"),
    np.zeros((2, 0, 3)),
]


@pytest.mark.parametrize("array", ARRAYS)
def test_arrays_are_read_by_numpy_as_they_were(array: np.ndarray[Any, Any], tmp_path: Path) -> None:
    save_array(tmp_path / "a.npy", array)
    read = np.load(tmp_path / "a.npy", allow_pickle=False)
    assert read.dtype == array.dtype
    assert np.array_equal(read, array)


def test_whatever_does_not_fit_is_named_and_said_why(tmp_path: Path) -> None:
    path = tmp_path / "large"
    ways = [
        lambda: save_array(path, np.zeros(100_000)),
        lambda: save_tensors(path, {"a": torch.zeros(100_000)}),
        lambda: mapped(path, np.int64, 100_000),
    ]
    for way in ways:
        with largest_file(50_000), pytest.raises(OSError, match="too large") as raised:
            way()
        assert raised.value.filename == str(path)
        assert machine.reason(raised.value).startswith(f"{path}: File too large; free some space, or give --out")
    file = path.open("wb")
    with largest_file(50_000), pytest.raises(OSError, match="too large") as raised, naming(path), file:
        file.write(bytes(100_000))
    assert raised.value.filename == str(path)


def test_what_is_in_a_temporary_folder_has_another_remedy_than_a_result() -> None:
    scratch = Scratch("counting")
    inside = OSError(errno.ENOSPC, "No space left on device", str(scratch.folder / "a" / "b"))
    assert "set TMPDIR" in machine.reason(inside)
    beside = OSError(errno.ENOSPC, "No space left on device", str(Path(tempfile.gettempdir()) / "results" / "b"))
    assert "give --out another disk" in machine.reason(beside)


def test_a_library_that_says_it_in_its_own_way_is_understood(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left") as raised, naming(tmp_path):
        raise RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")
    assert raised.value.filename == str(tmp_path)
    with pytest.raises(RuntimeError, match="shapes"), naming(tmp_path):
        raise RuntimeError("shapes do not match")


def test_counting_says_at_every_size_of_the_disk_that_it_is_full_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As much as fits goes well, to the bit; below that, in whatever file it is, one line with folder and remedy."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    text = text_of(0, 1500, 400)
    whole = NgramCounts(text, 4)
    for size in (0, 100, 200, 400, 600, 800):
        with (
            largest_file(size),
            pytest.raises(LmbenchError, match="set TMPDIR to a folder on another disk") as raised,
        ):
            ShardedCounts(text, 4, 900)
        assert str(raised.value).startswith(f"counting on disk: File too large: {tmp_path} (")
        assert list(tmp_path.iterdir()) == []
    with largest_file(1 << 20):
        counts = ShardedCounts(text, 4, 900)
    assert all(torch.equal(*pair) for pair in zip(counts.raw, whole.raw, strict=True))
    del counts
    assert list(tmp_path.iterdir()) == []


def test_a_row_that_found_the_disk_full_fails_alone(
    small_text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("lmbench.counts.shards.save_array", full)
    done = command(
        "run", small_text, "--tokenizer", "byte", "--model", "ngram(order=3, memory=0.1)", "--model", "uniform",
        "--estimator", "none", "--out", tmp_path, "-q",
    )  # fmt: skip
    assert done.exit_code == 1
    assert "counting on disk: the disk is full: " in done.stderr
    assert "set TMPDIR" in done.stderr
    [folder] = tmp_path.iterdir()
    assert [row.model for row in lmbench.read_record(folder).rows] == ["uniform"]


def test_nothing_else_writes_arrays() -> None:
    """`np.save` and `tofile` do not say that the disk is full, and a mapped file with holes ends the process."""
    wrong = re.compile(r"np\.save\w*\(|\.tofile\(|torch\.save\(|mode=\"w\+\"|\bsave_file\(")
    package = Path(lmbench.__file__).parent
    found = [
        f"{path.relative_to(package)}: {line.strip()}"
        for path in sorted(package.rglob("*.py"))
        if path.name != "disk.py"
        for line in path.read_text(encoding="utf-8").splitlines()
        if wrong.search(line)
    ]
    assert found == []
