"""A file of JSON objects, one a line: each is a document."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from lmbench.corpus.compression import bare_suffix, open_binary, readable
from lmbench.corpus.decode import Reading, utf8
from lmbench.corpus.reader.text import TextFile, counted
from lmbench.corpus.spool import Spools
from lmbench.errors import LmbenchError
from lmbench.progress import Progress

__all__ = ["JsonLines"]


class JsonLines(TextFile):
    """JSON objects, one a line, each a document: the text is in the field that `--text-field` names."""

    @staticmethod
    def claims(source: str) -> bool:
        return bare_suffix(Path(source)) in (".jsonl", ".ndjson") and Path(source).is_file()

    def in_place(self, progress: Progress) -> None:
        return None

    def write(self, spools: Spools, progress: Progress) -> dict[str, Any]:
        with progress.task(f"reading {self.path.name}") as task, readable(self.path), open_binary(self.path) as stream:
            blocks = utf8(stream, str(self.path), self.reading, lambda: open_binary(self.path))
            for number, line in enumerate(_lines(counted(blocks, task)), 1):
                if line.strip():
                    where = f"{self.path}, line {number}"
                    spools.train.add(_document(line, where, self.reading), where, self.reading.errors)
        return {}


def _lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    rest: list[bytes] = []
    for block in blocks:
        first, *others = block.split(b"\n")
        rest.append(first)
        for other in others:
            yield b"".join(rest)
            rest = [other]
    if any(rest):
        yield b"".join(rest)


def _document(line: bytes, where: str, reading: Reading) -> str:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise LmbenchError(f"{where}: not JSON ({error}); each line holds one JSON object") from None
    if not isinstance(record, dict):
        raise LmbenchError(f"{where}: not a JSON object but {json.dumps(record)[:40]}; each line holds one object")
    return field_of(record, where, reading)


def field_of(record: dict[str, Any], where: str, reading: Reading) -> str:
    """The record's text; "" where it is null. Raises LmbenchError that lists the fields there are."""
    if reading.text_field not in record:
        fields = ", ".join(map(str, record)) or "none"
        raise LmbenchError(
            f"{where}: no field {reading.text_field!r}; name one with --text-field (there are: {fields})"
        )
    value = record[reading.text_field]
    if value is None:
        return ""
    if not isinstance(value, str):
        raise LmbenchError(
            f"{where}: field {reading.text_field!r} holds {type(value).__name__}, not text; "
            f"name another with --text-field (there are: {', '.join(map(str, record))})"
        )
    return value
