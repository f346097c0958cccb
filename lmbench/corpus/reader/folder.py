"""A folder of files: each text file is a document, the records of each other file are."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from lmbench.corpus.compression import bare_suffix
from lmbench.corpus.decode import Reading
from lmbench.corpus.reader.jsonl import JsonLines
from lmbench.corpus.reader.parquet import Parquet
from lmbench.corpus.reader.text import TextFile
from lmbench.corpus.spool import Spools
from lmbench.errors import LmbenchError
from lmbench.progress import Progress, Silent

__all__ = ["Folder"]

# What is certainly not text, and common beside it. Anything else is read, and refused if it is binary.
_NOT_TEXT = re.compile(
    r"\.(7z|a|aac|avi|bin|bmp|class|dll|doc|docx|dylib|eot|epub|exe|flac|gif|ico|jar|jpeg|jpg|m4a|mov|"
    r"mp3|mp4|npy|npz|o|odt|ogg|otf|pdf|pickle|pkl|png|ppt|pptx|pt|pth|pyc|pyd|pyo|rar|safetensors|so|"
    r"sqlite|tar|tgz|tif|tiff|ttf|wav|webm|webp|whl|woff|woff2|xls|xlsx)"
)


class Folder:
    """A folder, read with everything below it in the order of the names; hidden files are left out."""

    def __init__(self, source: str, reading: Reading) -> None:
        self.path = Path(source)
        self.reading = reading
        self.name = self.path.resolve().name
        self.files, self.skipped = _files(self.path)

    @staticmethod
    def claims(source: str) -> bool:
        return Path(source).is_dir()

    def key(self) -> Any:
        states = [(path, path.stat()) for path in self.files]
        return [
            str(self.path.resolve()),
            [[str(path.relative_to(self.path)), state.st_size, state.st_mtime_ns] for path, state in states],
        ]

    def write(self, spools: Spools, progress: Progress) -> dict[str, Any]:
        if not self.files:
            left = f" ({len(self.skipped)} that are not text: {_some(self.skipped)})" if self.skipped else ""
            raise LmbenchError(f"{self.path}: no text files in this folder{left}; pass a folder of text files")
        with progress.task(f"reading {self.path.name}", len(self.files)) as task:
            for path in self.files:
                kind = next((kind for kind in (JsonLines, Parquet) if kind.claims(str(path))), TextFile)
                kind(str(path), self.reading).write(spools, Silent())
                task.advance()
        notes = [f"{len(self.skipped)} files that are not text left out: {_some(self.skipped)}"] if self.skipped else []
        return {"files": len(self.files), "notes": notes}


def _files(folder: Path) -> tuple[list[Path], list[Path]]:
    """The files to read, and those whose suffix says that they are not text."""
    found: list[Path] = []

    def refuse(error: OSError) -> None:
        raise LmbenchError(f"{error.filename}: cannot be read ({error.strerror})")

    for where, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(where) / name for name in names if not name.startswith(".")]
    found = sorted((path for path in found if path.is_file()), key=lambda path: path.relative_to(folder).parts)
    skipped = [
        path for path in found if _NOT_TEXT.fullmatch(path.suffix.lower()) or _NOT_TEXT.fullmatch(bare_suffix(path))
    ]
    left_out = set(skipped)
    return [path for path in found if path not in left_out], skipped


def _some(paths: list[Path]) -> str:
    names = [path.name for path in paths[:3]]
    return ", ".join(names) + (", ..." if len(paths) > len(names) else "")
