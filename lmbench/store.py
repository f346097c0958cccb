"""Run records: one folder a run, written atomically, validated whenever they are read or written.

    OUT/2026-05-04-python-help-1a2b3c4d/
      record.json        the Record: protocol card, rows, entropy (schema/record.schema.json)
      tokenizer/         the tokenizer, as it was fitted
      test/              the test tokens that every row was scored on
      models/<slug>/     one fitted model: its files, card.json, fit.json, log_probs.npy [n] float64 nats
      fits/<key>/        while it goes on: what is fitted already, of which rows and models in them have links
      suffix/            the index of the training text, once `lmbench count` or `overlap` has needed one

`lmbench.record` says what is in record.json; the hashes of all these files but those of `fits` and `suffix` are in it.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import math
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from lmbench import files, written
from lmbench.errors import LmbenchError, UsageError
from lmbench.record import Record, Row, first_fault
from lmbench.record.migration import migrated
from lmbench.runs import LATEST as LATEST
from lmbench.runs import LONGEST_RECORD, outline
from lmbench.runs import RECORD as RECORD
from lmbench.runs import find_run as find_run
from lmbench.runs import names_run as names_run
from lmbench.spec import Spec, parse

_PARTS = re.compile(  # of a run's folder
    r"tokenizer|test|models|fits|checkpoints|suffix|(record|report|entropy)[\w.-]*\.(json|html|png)|\..*\.part"
)
LOG_PROBS = "log_probs.npy"
_HIGHEST = 1.0  # nats of a score: one that is no distribution may lie a little above zero


@contextmanager
def atomic(path: Path) -> Iterator[IO[bytes]]:
    """A file that appears under `path` whole, when the block ends well, or not at all.

    An OSError names `path`, not the file of another name that comes before it.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        part.replace(path)
        written.note(path)
    except BaseException as error:
        with suppress(OSError):  # its folder may be missing, or be no folder
            part.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno and error.filename in (None, str(part)):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def create_folder(out: Path, date: str, corpus: str, content: str) -> Path:
    """A new folder OUT/<date>-<corpus>-<hash of content>, never one that exists.

    Two runs of the same content at once get `...` and `...-2`. Raises LmbenchError where `out` is a file.
    """
    make_folder(out)
    digest = hashlib.sha256(content.encode()).hexdigest()[:8]
    stem = f"{date}-{slug(corpus, 40)}-{digest}"
    for number in range(1, 10_000):
        folder = out / (stem if number == 1 else f"{stem}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise LmbenchError(f"{out} holds ten thousand runs called {stem}; give --out another folder")


@contextmanager
def removed_if_empty(folder: Path) -> Iterator[Path]:
    """`folder`, just made; where the block fails before anything is in it, it goes again."""
    try:
        yield folder
    except BaseException:
        with suppress(OSError):
            folder.rmdir()
        raise


def make_folder(out: Path) -> None:
    """The folder `out` and those above it, where they are missing. Raises LmbenchError where one of them is a file."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        file = next((path for path in (out, *out.parents) if path.is_file()), out)
        raise LmbenchError(f"{file} is a file, not a folder; give --out another name") from error


def slug(text: str, longest: int = 60) -> str:
    """`text` as the name of a folder: letters, digits, dots and hyphens of any script, at most `longest`."""
    return re.sub(r"[^\w.]+", "-", text).strip("-.")[:longest].strip("-.") or "x"


def write_record(folder: Path, record: Record) -> None:
    """Replace FOLDER/record.json by `record`, in one step."""
    content = Record.model_validate(record.model_dump()).model_dump(mode="json")
    with atomic(folder / RECORD) as handle:
        handle.write((json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())


def amend_record(folder: Path, record: Record) -> None:
    """Replace FOLDER/record.json by `record`; the run stays as old as it was, so that `latest` means what it meant."""
    path = folder / RECORD
    then = path.stat()
    write_record(folder, record)
    os.utime(path, ns=(then.st_atime_ns, then.st_mtime_ns))


def read_record(folder: Path) -> Record:
    """The record of a run, one of an earlier format brought up to today's. Raises LmbenchError naming the file where it
    is missing, cut, not a record, or of a later version."""
    path = folder / RECORD
    remedy = "restore it, or run again into another folder"
    try:
        return Record.model_validate(migrated(files.read_json(path, LONGEST_RECORD), str(path)))
    except FileNotFoundError as error:
        raise LmbenchError(f"{folder} holds no {RECORD}: it is not the folder of a run") from error
    except ValidationError as error:
        raise LmbenchError(f"{path} is not a whole record ({first_fault(error)}); {remedy}") from error
    except files.FAULTS as error:
        raise LmbenchError(f"{path} is not a whole record ({error}); {remedy}") from error


def folder_of(run: Path, row: Row) -> Path:
    """Where the files of a row are. Raises LmbenchError where its record says that they are outside of the run."""
    return files.inside(run, row.folder)


def check_removable(run: Path) -> None:
    """Raise LmbenchError where `run` is no folder of a run, or a link to one, or holds what no run writes."""
    if run.is_symlink():
        raise LmbenchError(f"{run} is a symbolic link; remove the link itself, or name the folder that it leads to")
    if (run / RECORD).is_symlink() or not {"format", "card", "rows"} <= outline(run).keys():
        raise LmbenchError(f"{run}: its {RECORD} is not that of a run; remove it by hand if you know what it is")
    others = [path.name for path in sorted(run.iterdir()) if not _PARTS.fullmatch(path.name)]
    if others:
        raise LmbenchError(
            f"{run} holds {others[0]}, which is no part of a run; move it elsewhere, then remove the run"
        )


def remove_run(run: Path) -> None:
    """Remove the folder of a run, its record last, so that what is left after an interruption can be removed too.

    No link is followed: one in the folder goes, what it leads to stays. Raises LmbenchError as `check_removable` does.
    """
    check_removable(run)
    for path in run.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != RECORD:
            path.unlink()
    (run / RECORD).unlink()
    run.rmdir()


def model_slug(spec: Spec) -> str:
    """The folder of a model's files: readable, and different for different specs."""
    return f"{slug(str(spec))}-{hashlib.sha256(str(spec).encode()).hexdigest()[:6]}"


def find_row(record: Record, name: str) -> Row:
    """The row whose spec is `name`, or the only one of that kind, or that has it as a part; `best` is the lowest
    cross-entropy.

    Raises UsageError that lists the rows.
    """
    scored = [row for row in record.rows if row.nats_per_token is not None and not row.control]
    if name == "best" and scored:
        return min(scored, key=lambda row: row.nats_per_token or 0.0)
    wanted = _squeezed(_canonical(name))
    names = {row.model: row for row in record.rows}
    found = [row for row in record.rows if _squeezed(row.model) == wanted]
    of_kind = [row for row in record.rows if parse(row.model).name == wanted]
    found = found or (of_kind if len(of_kind) == 1 else [])
    found = found or [row for row in record.rows if wanted in _squeezed(row.model)]
    if len(found) == 1:
        return found[0]
    choices = ", ".join(names) or "none"
    if found:
        fitting = ", ".join(row.model for row in found)
        raise UsageError(f"{name!r} fits {len(found)} models of this run: {fitting}; give more of the one you mean")
    near = difflib.get_close_matches(name, [*names, *(parse(model).name for model in names)], n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise UsageError(f"this run has no model {name!r}{hint} (choose from {choices})")


def _canonical(name: str) -> str:
    """A SPEC as rows have it; a part of one as it is."""
    try:
        return str(parse(name))
    except UsageError:
        return name


def _squeezed(text: str) -> str:
    return "".join(text.split())


def write_array(path: Path, array: NDArray[np.float64]) -> None:
    """Write a .npy file, in one step."""
    with atomic(path) as handle:
        header = np.lib.format.header_data_from_array_1_0(array)
        np.lib.format.write_array_header_1_0(handle, header)
        handle.write(np.ascontiguousarray(array).data)


def read_log_probs(run: Path, row: Row) -> NDArray[np.float64]:
    """[n] nats: a row's log-probabilities of the test tokens. Raises LmbenchError naming a file that is damaged, or is
    not the one that the row was made from."""
    home = folder_of(run, row)
    scores = read_scores(home / LOG_PROBS, row.tokens)
    check_files(home, row.files, [LOG_PROBS])
    return scores


def read_scores(path: Path, count: int) -> NDArray[np.float64]:
    """[count] nats: log-probabilities that `write_array` wrote. Raises LmbenchError naming a damaged file."""
    with files.whole(path, f"array of {count} scores", "run the model again"):
        scores = files.read_array(path, (np.float64,), (count,))
        files.within(scores, -math.inf, _HIGHEST, "a score")
    return scores


def now() -> datetime:
    """The time, to the second, in UTC."""
    return datetime.now(UTC).replace(microsecond=0)


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hashes_of(folder: Path, *parts: str) -> dict[str, str]:
    """SHA-256 of each file in `parts` of `folder`, or in all of it, by its place in `folder`."""
    homes = [folder / part for part in parts] or [folder]
    found = sorted(path for home in homes for path in home.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256(path) for path in found}


def check_files(home: Path, known: Mapping[str, str], names: Iterable[str], most: float = math.inf) -> None:
    """Raise LmbenchError where a file of `home` is not the one whose hash is `known` under its name.

    A name without a hash, as records of before they were kept have none, and a file of more than `most` bytes are not
    looked at.
    """
    for name in names:
        path = files.inside(home, name)
        if name in known and path.is_file() and files.size_of(path) <= most and sha256(path) != known[name]:
            raise LmbenchError(
                f"{path} is not the file that this run's record was made with: its SHA-256 is another one; restore it, "
                "or run the model again"
            )
