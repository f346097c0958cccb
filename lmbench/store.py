"""Run records: one folder a run, written atomically, validated whenever they are read or written.

    OUT/2026-05-04-python-docs-1a2b3c4d/
      record.json        the Record: protocol card, rows, entropy (schema/record.schema.json)
      tokenizer/         the tokenizer, as it was fitted
      test/              the test tokens that every row was scored on
      models/<slug>/     one fitted model: its files, card.json, fit.json, log_probs.npy [n] float64 nats
      suffix/            the index of the training text, once `lmbench count` or `overlap` has needed one

`python -m lmbench.store` prints the schema of record.json.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from lmbench.errors import LmbenchError, UsageError
from lmbench.spec import Spec

RECORD = "record.json"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Split(_Strict):
    """One part of the text: `hash` is over its bytes and documents, `tokens_hash` over its ids."""

    hash: str
    tokens_hash: str
    documents: int
    bytes: int
    characters: int
    tokens: int


class Card(_Strict):
    """The protocol: everything about a run that is not a model, and that a figure depends on."""

    corpus: str
    corpus_card: dict[str, JsonValue]
    split_rule: str
    refit: bool
    train: Split
    valid: Split
    test: Split
    tokenizer: str
    vocabulary: int
    vocabulary_hash: str
    lossless: bool
    boundary: str
    device: str
    seed: int
    started: str
    command: str | None
    versions: dict[str, str]
    commit: str | None
    machine: dict[str, JsonValue]


class Behind(_Strict):
    """How far a row is behind the best one, paired on the same blocks, in nats per token."""

    best: str
    nats_per_token: float
    ci95: tuple[float, float] | None


class Pass(_Strict):
    """Where a net's learning curve goes below a count-based row: `nats_per_token` is that row's cross-entropy on the
    validation tokens that the net was validated on; `tokens`, `seconds` and `flops` are what training had cost by
    then, interpolated between two validations, and null where the curve stays above."""

    model: str
    nats_per_token: float
    tokens: int | None
    seconds: float | None
    flops: float | None


class Row(_Strict):
    """One model on the test text. A figure that is not defined is null, and `notes` says why.

    `valid_nats_per_token` is the cross-entropy of the whole validation text, for models of counts
    while they know the training text alone; a net's own is in `training`, on a sample. `control`
    marks a model trained on a destroyed text, which no other is compared with. `passes` has the
    count-based rows that a net could overtake. `folder` is relative to the run's. `mean_nats` is
    the score of a model that is not a distribution. `peak_memory_bytes` is the process's while it
    fitted and scored.
    """

    model: str
    nats_per_token: float | None
    bits_per_token: float | None
    bits_per_character: float | None
    bits_per_byte: float | None
    perplexity: float | None
    ci95_nats_per_token: tuple[float, float] | None
    ci95_bits_per_byte: tuple[float, float] | None
    tokens: int
    bytes: int
    parameters: int | None
    stored_ngrams: int | None
    bytes_on_disk: int
    fit_seconds: float
    score_seconds: float
    peak_memory_bytes: int | None
    device: str
    dtype: str
    context: int | None
    stride: int | None
    adaptive: bool
    distribution: bool
    zero_probability_tokens: int
    mean_nats: float | None
    blocks: str
    behind: Behind | None
    training: dict[str, JsonValue]
    folder: str
    notes: list[str]
    valid_nats_per_token: float | None = None
    control: bool = False
    passes: list[Pass] = []


class Entropy(_Strict):
    """One estimate of the entropy rate of the source."""

    estimator: str
    kind: Literal["upper bound", "estimate", "lower bound", "true rate"]
    bits_per_byte: float | None
    bits_per_character: float | None
    bits_per_token: float | None
    ci95_bits_per_character: tuple[float, float] | None
    seconds: float
    note: str
    curve: dict[str, JsonValue]


class Failure(_Strict):
    """A model or estimator that could not do its work, and the line that says why."""

    spec: str
    message: str


class ShannonPoint(_Strict):
    """Shannon's bounds from a model's ranks at one context length (in tokens), in bits per token.

    `cross_entropy` is the model's own, on the same tokens; null where it is infinite or no distribution. `first` is
    the share of tokens that it ranked first, `guesses` their mean rank.
    """

    context: int
    lower: float
    upper: float
    ci95_lower: tuple[float, float] | None
    ci95_upper: tuple[float, float] | None
    cross_entropy: float | None
    first: float
    guesses: float


class Shannon(_Strict):
    """A model of the run in Shannon's prediction game: `positions` of the test text guessed at each context length.

    `alphabet`: how many tokens there are to guess from. `characters_per_token`: of the test text, what turns bits per
    token into bits per character; null where the tokens lose text.
    """

    model: str
    alphabet: int
    positions: int
    characters_per_token: float | None
    points: list[ShannonPoint]
    notes: list[str]


class Record(_Strict):
    """What a run leaves behind. `plan` is what was asked for, and what `--resume` goes on with.

    `status` is "interrupted" from the first row on, and "complete" once every model and
    estimator of the plan has had its turn; those in `failures` had it and failed.
    """

    format: Literal[1] = 1
    status: Literal["complete", "interrupted"]
    plan: dict[str, JsonValue]
    card: Card
    rows: list[Row]
    entropy: list[Entropy]
    failures: list[Failure]
    shannon: list[Shannon] = []


def schema() -> str:
    """The JSON schema of record.json, as the repository holds it."""
    return json.dumps(Record.model_json_schema(), indent=2, ensure_ascii=False) + "\n"


def finite(values: Mapping[str, Any]) -> dict[str, JsonValue]:
    """`values` as JSON: every infinite or NaN number in it is null, numpy's numbers are plain, keys are text."""
    return {str(key): _finite(value) for key, value in values.items()}


def _finite(value: Any) -> JsonValue:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return finite(value)
    if isinstance(value, list | tuple | np.ndarray):
        return [_finite(item) for item in value]
    return value if value is None or isinstance(value, bool | int | str) else str(value)


@contextmanager
def atomic(path: Path) -> Iterator[IO[bytes]]:
    """A file that appears under `path` whole, when the block ends well, or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def create_folder(out: Path, date: str, corpus: str, content: str) -> Path:
    """A new folder OUT/<date>-<corpus>-<hash of content>, never one that exists.

    Two runs of the same content at once get `...` and `...-2`. Raises LmbenchError where `out` is a file.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise LmbenchError(f"{out} is a file, not a folder; give --out another name") from error
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


def slug(text: str, longest: int = 60) -> str:
    """`text` as the name of a folder: letters, digits, dots and hyphens of any script, at most `longest`."""
    return re.sub(r"[^\w.]+", "-", text).strip("-.")[:longest].strip("-.") or "x"


def write_record(folder: Path, record: Record) -> None:
    """Replace FOLDER/record.json by `record`, in one step."""
    content = Record.model_validate(record.model_dump()).model_dump(mode="json")
    with atomic(folder / RECORD) as handle:
        handle.write((json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())


def read_record(folder: Path) -> Record:
    """The record of a run. Raises LmbenchError naming the file where it is missing, cut or not a record."""
    path = folder / RECORD
    try:
        return Record.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise LmbenchError(f"{folder} holds no {RECORD}: it is not the folder of a run") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise LmbenchError(
            f"{path} is not a whole record ({where}: {first['msg']}); restore it, or run again into another folder"
        ) from error


def find_run(name: str, out: Path) -> Path:
    """The folder of the run called `name`: a path, `latest`, or a unique part of a folder's name under `out`.

    Raises UsageError that lists what there is.
    """
    given = Path(name)
    if given.name == RECORD and given.is_file():
        return given.parent
    if (given / RECORD).is_file():
        return given
    found = sorted((path.parent for path in out.glob(f"*/{RECORD}")), key=lambda run: (run / RECORD).stat().st_mtime)
    if name == "latest" and found:
        return found[-1]
    runs = [run for run in found if run.name == name] or [run for run in found if name in run.name]
    if len(runs) == 1:
        return runs[0]
    if not found:
        raise UsageError(f"there is no run {name!r}: {out} holds none; make one with: lmbench run")
    shown = ", ".join(run.name for run in (runs or found)[-8:])
    problem = f"{name!r} fits {len(runs)} runs" if runs else f"there is no run {name!r} in {out}"
    raise UsageError(f"{problem}; choose one of: {shown} (or `latest`)")


def model_slug(spec: Spec) -> str:
    """The folder of a model's files: readable, and different for different specs."""
    return f"{slug(str(spec))}-{hashlib.sha256(str(spec).encode()).hexdigest()[:6]}"


def find_row(record: Record, name: str) -> Row:
    """The row whose spec is `name`, or has it as a part that no other has; `best` is the lowest cross-entropy.

    Raises UsageError that lists the rows.
    """
    scored = [row for row in record.rows if row.nats_per_token is not None and not row.control]
    if name == "best" and scored:
        return min(scored, key=lambda row: row.nats_per_token or 0.0)
    wanted = _squeezed(name)
    names = {row.model: row for row in record.rows}
    found = [row for row in record.rows if _squeezed(row.model) == wanted]
    found = found or [row for row in record.rows if wanted in _squeezed(row.model)]
    if len(found) == 1:
        return found[0]
    choices = ", ".join(names) or "none"
    if found:
        raise UsageError(f"{name!r} fits {len(found)} models of this run: {', '.join(row.model for row in found)}")
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise UsageError(f"this run has no model {name!r}{hint} (choose from {choices})")


def _squeezed(text: str) -> str:
    return "".join(text.split())


def write_array(path: Path, array: NDArray[np.float64]) -> None:
    """Write a .npy file, in one step."""
    with atomic(path) as handle:
        header = np.lib.format.header_data_from_array_1_0(array)
        np.lib.format.write_array_header_1_0(handle, header)
        # not np.save: it says "n requested and m written" where the disk is full, without the reason
        handle.write(np.ascontiguousarray(array).data)


def read_log_probs(run: Path, row: Row) -> NDArray[np.float64]:
    """[n] nats: a row's log-probabilities of the test tokens. Raises LmbenchError naming a damaged file."""
    path = run / row.folder / "log_probs.npy"
    try:
        with path.open("rb") as handle:
            array = np.lib.format.read_array(handle, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise LmbenchError(f"{path} cannot be read ({error}); run the model again") from error
    if array.shape != (row.tokens,) or array.dtype != np.float64:
        raise LmbenchError(f"{path} holds {array.dtype} {array.shape}, not {row.tokens} scores; run the model again")
    return np.asarray(array, dtype=np.float64)


class Mismatch(_Strict):
    """One line of the protocol card on which two runs disagree, and which figures that spoils."""

    line: str
    first: str
    second: str
    spoils: Literal["every figure", "figures per token"]


def comparable(first: Card, second: Card) -> list[Mismatch]:
    """Where two cards disagree in a way that matters; empty where every figure may be compared.

    Another tokenizer spoils figures per token; bits per byte still compare if both keep all
    the text. Seed, device, dtype, versions and machine are not held against a figure.
    """
    lossless = first.lossless and second.lossless
    by_token: Literal["every figure", "figures per token"] = "figures per token" if lossless else "every figure"
    lines: list[tuple[str, object, object, Literal["every figure", "figures per token"]]] = [
        ("test text", first.test.hash, second.test.hash, "every figure"),
        ("train text", first.train.hash, second.train.hash, "every figure"),
        ("valid text", first.valid.hash, second.valid.hash, "every figure"),
        ("refit on valid", first.refit, second.refit, "every figure"),
        ("boundary", first.boundary, second.boundary, "every figure"),
        ("tokenizer", first.tokenizer, second.tokenizer, by_token),
        ("vocabulary", first.vocabulary_hash, second.vocabulary_hash, by_token),
    ]
    return [
        Mismatch(line=line, first=str(one), second=str(two), spoils=spoils)
        for line, one, two, spoils in lines
        if one != two
    ]


def now() -> datetime:
    """The time, to the second, in UTC."""
    return datetime.now(UTC).replace(microsecond=0)


if __name__ == "__main__":
    print(schema(), end="")
