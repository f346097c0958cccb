"""All files of a run held against its record, read from the first byte to the last."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lmbench import files, store
from lmbench.errors import LmbenchError
from lmbench.pipeline.opened import scored_tokens_of, tokenizer_of
from lmbench.progress import Progress
from lmbench.record import Record, Row

_CLOSE = 1e-9  # relative: the order of a sum


@dataclass(frozen=True)
class Verified:
    """`files` whose hashes are known, of so many `bytes`; `faults`: a line for each that is missing or another one, and
    for each figure that its log-probabilities do not give. `unknown`: files of models, tokenizer and test text that the
    record has no hash of."""

    files: int
    bytes: int
    faults: list[str]
    unknown: list[str]


def verify(folder: Path, progress: Progress) -> Verified:
    """Read all that the record has a hash of. Raises LmbenchError where the record itself is damaged."""
    record = store.read_record(folder)
    known = dict(_known(record))
    faults: list[str] = []
    wrong: list[str] = []
    size = 0
    with progress.task("checking", len(known)) as task:
        for name, wanted in known.items():
            task.show(name)
            fault, length = _looked_at(folder, name, wanted)
            if fault:
                faults.append(fault)
                wrong.append(name)
            size += length
            task.advance()
    for part, check in (("tokenizer/", tokenizer_of), ("test/", scored_tokens_of)):
        if not any(name.startswith(part) for name in wrong):
            try:
                check(folder, record.card)
            except LmbenchError as error:
                faults.append(str(error))
    for row in record.rows:
        if f"{row.folder}/{store.LOG_PROBS}" not in wrong:
            faults += _figures(folder, row)
    unknown = [name for name in _present(folder) if name not in known]
    return Verified(len(known), size, faults, unknown)


def _known(record: Record) -> Iterator[tuple[str, str]]:
    """(place in the run, SHA-256) of every file that the record has a hash of."""
    yield from record.card.files.items()
    for row in record.rows:
        for name, wanted in row.files.items():
            yield f"{row.folder}/{name}", wanted


def _looked_at(folder: Path, name: str, wanted: str) -> tuple[str, int]:
    """What is wrong with a file, empty where nothing is; and how many bytes it has."""
    try:
        path = files.inside(folder, name)
        size = files.size_of(path)
        same = store.sha256(path) == wanted
    except FileNotFoundError:
        return f"{folder / name} is missing", 0
    except (LmbenchError, OSError, ValueError) as error:
        return f"{folder / name}: {error}", 0
    return "" if same else f"{path} is not the file that this run's record was made with: its SHA-256 is another", size


def _figures(folder: Path, row: Row) -> list[str]:
    """That the cross-entropy of a row is that of its log-probabilities."""
    if row.nats_per_token is None or row.zero_probability_tokens:
        return []
    try:
        scores = store.read_log_probs(folder, row)
    except LmbenchError as error:
        return [str(error)]
    found = -float(scores.sum()) / max(1, len(scores))
    if math.isclose(found, row.nats_per_token, rel_tol=_CLOSE, abs_tol=_CLOSE):
        return []
    return [f"{folder}: {row.model} has {row.nats_per_token} nats/token in the record and {found} in its scores"]


def _present(folder: Path) -> list[str]:
    """The files there are of tokenizer, test text and models."""
    homes = [files.sealed(folder / name) for name in ("tokenizer", "test", "models") if (folder / name).is_dir()]
    return sorted(path.relative_to(folder).as_posix() for home in homes for path in home.rglob("*") if path.is_file())
