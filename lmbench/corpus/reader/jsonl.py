"""A file of JSON objects, one a line: each is a document."""

from __future__ import annotations

import json
import re
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

MISSING = object()
_END = re.compile(rb"\r\n?|\n")
_STEP = re.compile(r"\.|(?=\[)")
_INDEX = re.compile(r"(?:\[(\d{1,9})\]|(\d{1,9}))(?:\.|(?=\[)|$)")


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
    """Lines end at LF, CR LF or CR, none of which may stand in a JSON string; a block may end between CR and LF."""
    rest: list[bytes] = []
    returned = False
    for block in blocks:
        first, *others = _END.split(block.removeprefix(b"\n") if returned else block)
        returned = block.endswith(b"\r") if block else returned
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
    value = walk(record, reading.text_field)
    if value is MISSING:
        fields = ", ".join(names_of(record)) or "none"
        raise LmbenchError(
            f"{where}: no field {reading.text_field!r}; name one with --text-field (there are: {fields})"
        )
    if value is None:
        return ""
    if not isinstance(value, str):
        raise LmbenchError(
            f"{where}: field {reading.text_field!r} holds {type(value).__name__}, not text; "
            f"name another with --text-field (there are: {', '.join(names_of(record))})"
        )
    return value


def walk(value: Any, path: str) -> Any:
    """What lies at `path` in objects and lists: `a.b`, `a.0.text`, `a[0].text`; MISSING where nothing does.

    A field whose own name holds the dots is found first, and null wherever the way ends at null.
    """
    if not path or value is None:
        return value
    if isinstance(value, list):
        index = _INDEX.match(path)
        place = int(index[1] or index[2]) if index else len(value)
        return walk(value[place], path[index.end() :]) if index and place < len(value) else MISSING
    if not isinstance(value, dict):
        return MISSING
    if path in value:
        return value[path]
    for step in reversed(list(_STEP.finditer(path))):
        if path[: step.start()] in value:
            found = walk(value[path[: step.start()]], path[step.end() :])
            if found is not MISSING:
                return found
    return MISSING


def names_of(value: Any, prefix: str = "") -> list[str]:
    """The paths to what is neither an object nor a list of objects; of a list that to its first item."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return names_of(value[0], f"{prefix}.0")
    if not isinstance(value, dict):
        return [prefix]
    return [name for key, item in value.items() for name in names_of(item, f"{prefix}.{key}" if prefix else str(key))]
