"""The source files of the running Python's standard library: in a folder, or in the zip that some Pythons come with."""

from __future__ import annotations

import sys
import sysconfig
import tokenize
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from lmbench.errors import LmbenchError

_LEFT_OUT = frozenset(["__pycache__", "dist-packages", "idle_test", "site-packages", "test", "tests"])


def library_root() -> Path:
    """The folder of the library, or its zip. Where neither is there, the folder as it should be."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    zipped = f"python{sys.version_info.major}{sys.version_info.minor}.zip"
    archives = [Path(entry) for entry in sys.path if Path(entry).name == zipped]
    return next((path for path in archives if not folder.is_dir() and zipfile.is_zipfile(path)), folder)


def library_files() -> Iterator[tuple[PurePosixPath, bytes]]:
    """(path within the library, content) of every source file but the tests, sorted by path."""
    root = library_root()
    if root.is_file():
        with zipfile.ZipFile(root) as archive:
            for path in _chosen(PurePosixPath(name) for name in archive.namelist()):
                yield path, archive.read(str(path))
        return
    for path in _chosen(PurePosixPath(file.relative_to(root).as_posix()) for file in root.rglob("*.py")):
        yield path, (root / path).read_bytes()


def decoded(content: bytes, path: PurePosixPath) -> str:
    """A source file's text, in the encoding that it declares. Raises LmbenchError naming a file that is not in it."""
    try:
        encoding = tokenize.detect_encoding(iter(content.splitlines(keepends=True)).__next__)[0]
        return content.decode(encoding)
    except (SyntaxError, UnicodeDecodeError) as error:
        raise LmbenchError(f"{library_root() / path}: {error}; pass a folder of sources instead") from None


def _chosen(paths: Iterator[PurePosixPath]) -> list[PurePosixPath]:
    found = (path for path in paths if path.suffix == ".py" and not _LEFT_OUT & set(path.parts))
    return sorted(found, key=lambda path: path.parts)
