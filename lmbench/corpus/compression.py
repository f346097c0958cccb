"""Compressed files as streams of what is in them."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from lmbench.disk import FULL
from lmbench.errors import LmbenchError


def bare_suffix(path: Path) -> str:
    """The suffix under the compression: ".jsonl" for "books.jsonl.xz"; "" where there is none."""
    return Path(path.stem).suffix.lower() if compressed(path) else path.suffix.lower()


def compressed(path: Path) -> bool:
    return path.suffix.lower() in _OPENERS


def open_binary(path: Path) -> BinaryIO:
    """The file's content, decompressed where its suffix says so. Reading may raise what `readable` explains."""
    return _OPENERS.get(path.suffix.lower(), _plain)(path)


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turns what goes wrong in opening or reading `path` into one clear line."""
    try:
        yield
    except PermissionError:
        raise LmbenchError(f"{path}: no permission to read it") from None
    except (EOFError, lzma.LZMAError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, _DamagedError) as error:
        raise LmbenchError(f"{path}: damaged or not {path.suffix[1:]} data ({error}); fetch the file again") from None
    except OSError as error:
        if error.errno in FULL:
            raise  # of the copy that is being written, not of this file
        if error.errno is not None or not compressed(path):
            raise LmbenchError(f"{path}: cannot be read ({error.strerror or error})") from None
        raise LmbenchError(f"{path}: damaged or not {path.suffix[1:]} data ({error}); fetch the file again") from None


class _DamagedError(Exception):
    pass


def _plain(path: Path) -> BinaryIO:
    return path.open("rb")


def _zstd(path: Path) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(_ZstdStream(path), 1 << 20))


def _zip(path: Path) -> BinaryIO:
    archive = zipfile.ZipFile(path)
    members = [item for item in archive.infolist() if not item.is_dir()]
    if len(members) != 1:
        archive.close()
        raise LmbenchError(f"{path}: holds {len(members)} files where one is wanted; unpack it and pass the folder")
    return cast(BinaryIO, _ZipMember(archive, archive.open(members[0])))


_OPENERS: dict[str, Callable[[Path], BinaryIO]] = {
    ".gz": lambda path: cast(BinaryIO, gzip.GzipFile(path)),
    ".xz": lambda path: cast(BinaryIO, lzma.open(path)),  # noqa: SIM115  the caller closes it
    ".bz2": lambda path: cast(BinaryIO, bz2.BZ2File(path)),
    ".zst": _zstd,
    ".zip": _zip,
}


class _ZipMember(io.BufferedReader):
    """The one file of an archive, which is closed with it."""

    def __init__(self, archive: zipfile.ZipFile, member: IO[bytes]) -> None:
        super().__init__(cast(io.RawIOBase, member))
        self._archive = archive

    def close(self) -> None:
        super().close()
        self._archive.close()


class _ZstdStream(io.RawIOBase):
    """One zstd frame after the other; zstandard's own reader takes a cut-off frame for the end of the file."""

    def __init__(self, path: Path) -> None:
        import zstandard

        self._file = path.open("rb")
        self._error = zstandard.ZstdError
        self._decompressor = zstandard.ZstdDecompressor()
        self._frame: Any = None
        self._pending = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._pending:
            if not self._fill():
                return 0
        size = min(len(buffer), len(self._pending))
        buffer[:size] = self._pending[:size]
        self._pending = self._pending[size:]
        return size

    def _fill(self) -> bool:
        """Decompress one block more; False at the end. Raises where the file ends inside a frame."""
        rest = self._frame.unused_data if self._frame is not None and self._frame.eof else b""
        block = rest or self._file.read(1 << 17)
        if not block:
            if self._frame is not None and not self._frame.eof:
                raise _DamagedError("it ends in the middle of a frame")
            return False
        if self._frame is None or self._frame.eof:
            self._frame = self._decompressor.decompressobj()
        try:
            self._pending = self._frame.decompress(block)
        except self._error as error:
            raise _DamagedError(str(error)) from None
        return True

    def close(self) -> None:
        self._file.close()
        super().close()
