"""Large arrays in files, written so that a full disk is one line: which folder, and what to set."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from lmbench.errors import LmbenchError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_BLOCK = 1 << 24  # bytes written at a time
PREFIX = "lmbench-"  # of what is put where TMPDIR says
Kind = TypeVar("Kind", bound=np.generic)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """An error of the block that the disk is full, or an OSError that names no file, becomes an OSError of `path`.

    A file already open does not say which it is, and some libraries have exceptions of their own for a full disk.
    """
    try:
        yield
    except OSError as error:
        if error.errno and error.filename is None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    except Exception as error:
        number = next((number for number in FULL if os.strerror(number) in str(error)), None)
        if number is None:
            raise
        raise OSError(number, os.strerror(number), str(path)) from error


def save_array(path: Path, array: NDArray[Any]) -> None:
    """Write a `.npy` file. Raises OSError with its name and the reason.

    Not by `np.save`: where the disk is full, that says "n requested and m written" and neither file nor reason.
    """
    array = np.ascontiguousarray(array)
    with naming(path), path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
        flat = array.reshape(-1)
        width = max(1, _BLOCK // max(1, array.itemsize))
        for start in range(0, len(flat), width):
            file.write(flat[start : start + width].data)


def save_tensors(path: Path, tensors: dict[str, Any], metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file. Raises OSError with its name and the reason. Imports torch."""
    from safetensors.torch import save_file

    with naming(path):
        save_file(tensors, path, metadata)


def mapped(path: Path, kind: np.dtype[Kind] | type[Kind], size: int) -> NDArray[Kind]:
    """[size] zeros in a new file, memory-mapped. Raises OSError with its name where the disk has no room for it.

    Its blocks are taken now: a file with holes would end the process by a signal once the disk is full.
    """
    kind = np.dtype(kind)
    if size == 0:
        return np.zeros(0, dtype=kind)
    with naming(path), path.open("wb") as file:
        length = size * kind.itemsize
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, length)
        else:
            for start in range(0, length, _BLOCK):
                file.write(bytes(min(_BLOCK, length - start)))
    return np.asarray(np.memmap(path, dtype=kind, mode="r+"))


Arrays = Callable[[str, Any, int], NDArray[Any]]
"""Where large arrays live: (name, kind, size) -> [size] of that kind, contents open."""


def in_memory(_: str, kind: Any, size: int) -> NDArray[Any]:
    """An array without a file."""
    return np.empty(size, dtype=kind)


class Scratch:
    """A folder for what does not fit in memory, where Python's `tempfile` puts it: TMPDIR says where. It goes with this
    object. `what`: whose it is, for the message."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        self.remove = weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)

    def array(self, name: str, kind: np.dtype[Kind] | type[Kind], size: int) -> NDArray[Kind]:
        """[size] zeros in a new file of the folder; see `mapped`. It takes the place of one of that name."""
        path = self.folder / name
        path.unlink(missing_ok=True)
        return mapped(path, kind, size)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Says a full disk in one line, and removes the folder where the block fails."""
        try:
            yield
        except BaseException as error:
            line = self._explained(error) if isinstance(error, OSError) and error.errno in FULL else None
            self.remove()
            if line is not None:
                raise LmbenchError(line) from error
            raise

    def _explained(self, error: OSError) -> str:
        written = sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())
        free = shutil.disk_usage(self.folder).free
        reason = "the disk is full" if error.errno == errno.ENOSPC else error.strerror
        return (
            f"{self.what}: {reason}: {self.folder.parent} ({written / 1e6:,.1f} MB were written there, "
            f"{free / 1e6:,.1f} MB are free); {remedy(self.folder)}"
        )


def remedy(path: Path | str | None) -> str:
    """What to do where the disk of `path` is full."""
    temporary = Path(tempfile.gettempdir()).resolve()
    above = [] if path is None else [Path(path).resolve(), *Path(path).resolve().parents]
    if any(folder.parent == temporary and folder.name.startswith(PREFIX) for folder in above):
        return "free some space there, or set TMPDIR to a folder on another disk"
    return "free some space, or give --out another disk"
