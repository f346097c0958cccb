"""A file on the web, read as a file of its kind would be."""

from __future__ import annotations

import tempfile
import urllib.error
import urllib.request
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from lmbench.corpus.decode import Reading
from lmbench.corpus.reader.base import UnreachableError
from lmbench.corpus.reader.jsonl import JsonLines
from lmbench.corpus.reader.parquet import Parquet
from lmbench.corpus.reader.text import TextFile
from lmbench.corpus.spool import Spools
from lmbench.disk import PREFIX, naming
from lmbench.errors import LmbenchError
from lmbench.progress import Progress

__all__ = ["Url"]

_PATIENCE = 10.0  # seconds without a byte
_BLOCK = 1 << 20


class Url:
    """A file at `http://` or `https://`, fetched once; its suffix says how it is read."""

    def __init__(self, source: str, reading: Reading) -> None:
        self.source = source
        self.reading = reading
        self.file = PurePosixPath(unquote(urlsplit(source).path)).name or "index.html"
        self.name = PurePosixPath(self.file).stem

    @staticmethod
    def claims(source: str) -> bool:
        return source.startswith(("http://", "https://"))

    def key(self) -> Any:
        return [self.source]

    def write(self, spools: Spools, progress: Progress) -> dict[str, Any]:
        with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
            path = Path(folder) / self.file
            self._fetch(path, progress)
            kind = next((kind for kind in (JsonLines, Parquet) if kind.claims(str(path))), TextFile)
            return kind(str(path), self.reading).write(spools, progress)

    def _fetch(self, path: Path, progress: Progress) -> None:
        try:
            request = urllib.request.Request(self.source, headers={"User-Agent": "lmbench"})
            with urllib.request.urlopen(request, timeout=_PATIENCE) as answer, path.open("wb") as file:
                size = answer.headers.get("Content-Length")
                received = 0
                with progress.task(f"fetching {self.file}", float(size) if size else None) as task:
                    while block := answer.read(_BLOCK):
                        with naming(path):
                            received += file.write(block)
                        task.advance(len(block))
                if size and received != int(size):
                    raise UnreachableError(f"{self.source}: the connection broke off after {received:,} bytes")
        except urllib.error.HTTPError as error:
            raise LmbenchError(f"{self.source}: the server answers {error.code} {error.reason}") from None
        except (urllib.error.URLError, ConnectionError, TimeoutError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise UnreachableError(f"{self.source}: cannot be reached ({reason})") from None
