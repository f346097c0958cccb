"""What is slow to make and easy to make again: kept in a folder, checked before use, safe to share.

An entry is a folder of files and `entry.json`, which holds the size and CRC-32 of each. It is
written under another name and renamed when whole, so a reader never sees half of one; where
two processes make the same entry at once, the second finds the first's and drops its own.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from lmbench.disk import FULL
from lmbench.errors import LmbenchError

Loaded = TypeVar("Loaded")
_STALE_SECONDS = 24 * 3600
_DAMAGE = (OSError, ValueError, KeyError, TypeError, EOFError)


def default_cache() -> Path:
    """`$LMBENCH_CACHE`, else `$XDG_CACHE_HOME/lmbench`, else `~/.cache/lmbench`."""
    if os.environ.get("LMBENCH_CACHE"):
        return Path(os.environ["LMBENCH_CACHE"]).expanduser()
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path("~/.cache").expanduser()) / "lmbench"


def key_of(*parts: Any) -> str:
    """A file name for whatever JSON can write: 32 hexadecimal digits of a SHA-256."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def cached(folder: Path, key: str, build: Callable[[Path], None], load: Callable[[Path], Loaded]) -> Loaded:
    """`load` of the entry `folder/key`, which `build` writes where it is missing or damaged.

    `build` is given an empty folder to write its files into. Raises LmbenchError where the
    disk is full or the cache cannot be written.
    """
    entry = folder / key
    if entry.is_dir():
        try:
            check(entry)
            return load(entry)
        except _DAMAGE:
            _discard(entry)
    publish(folder, lambda _: key, build)
    return load(entry)


def publish(folder: Path, name: Callable[[Path], str], build: Callable[[Path], None]) -> Path:
    """Build an entry and put it at `folder/name(built folder)`; where a whole one is there already, keep that."""
    temporary = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        temporary = Path(tempfile.mkdtemp(prefix=".making-", dir=folder))
        build(temporary)
        _seal(temporary)
        entry = folder / name(temporary)
        try:
            temporary.rename(entry)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
        return entry
    except OSError as error:
        raise _explained(error, folder) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def check(entry: Path) -> None:
    """Raises ValueError or OSError where a file of the entry is not what was written."""
    files = json.loads((entry / "entry.json").read_text(encoding="utf-8"))
    if not isinstance(files, dict):
        raise ValueError(f"{entry / 'entry.json'} is damaged")
    for name, (size, checksum) in files.items():
        if (entry / name).stat().st_size != size or _checksum(entry / name) != checksum:
            raise ValueError(f"{entry / name} is damaged")


def _seal(folder: Path) -> None:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    files = {path.relative_to(folder).as_posix(): [path.stat().st_size, _checksum(path)] for path in paths}
    (folder / "entry.json").write_text(json.dumps(files), encoding="utf-8")


def _checksum(path: Path) -> int:
    checksum = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            checksum = zlib.crc32(block, checksum)
    return checksum


def _discard(entry: Path) -> None:
    """Take a damaged entry away in one step, so that no other process finds half of it."""
    try:
        grave = Path(tempfile.mkdtemp(prefix=".making-", dir=entry.parent))
        entry.rename(grave / "damaged")
    except FileNotFoundError:
        pass  # another process was quicker
    except OSError as error:
        raise _explained(error, entry.parent) from error
    shutil.rmtree(grave, ignore_errors=True)


def _sweep(folder: Path) -> None:
    """Remove what killed processes left behind: unfinished entries that nothing has written to for a day."""
    for path in folder.glob(".making-*"):
        try:
            newest = max(item.stat().st_mtime for item in [path, *path.rglob("*")])
        except OSError:  # another process is just removing it
            continue
        if time.time() - newest > _STALE_SECONDS:
            shutil.rmtree(path, ignore_errors=True)


def _explained(error: OSError, folder: Path) -> LmbenchError | OSError:
    if error.errno in FULL:
        if error.filename and not Path(os.fsdecode(error.filename)).is_relative_to(folder):
            return error  # another disk's: of a copy in TMPDIR, from which the entry was to be made
        return LmbenchError(f"{folder}: the disk is full; free some space or point LMBENCH_CACHE at another disk")
    if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR) or isinstance(error, FileExistsError):
        return LmbenchError(
            f"{folder}: cannot write the cache ({error.strerror}); point LMBENCH_CACHE at another folder"
        )
    return error
