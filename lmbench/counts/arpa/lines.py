"""Lines of n-grams to columns: a block at once by Arrow's CSV reader, or line by line.

The slow way reads one line after the other, and is what the fast way is held against: it
takes over where a block is in any way unusual, and says in which line what is wrong.
"""

from __future__ import annotations

import io
import re
from collections.abc import Container
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmbench.errors import LmbenchError

LOG_ZERO = -99.0  # log10 of a probability: this, and less, stands for the logarithm of zero
_NUMBER = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|-inf(inity)?", re.IGNORECASE)
_MOST = 99.0  # log10 of a back-off weight: more is no weight, and more yet no float32
_SPACE = re.compile(rb"[ \t\r]+")
_AS_TABS = bytes.maketrans(b" \r", b"\t\t")


@dataclass
class Lines:
    """`words`: an Arrow array of [m] strings for each place in the n-gram; the rest [m] float64, log10."""

    log_probs: NDArray[np.float64]
    words: list[Any]
    log_backoffs: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.log_probs)


def read_fast(block: bytes, order: int) -> Lines | None:
    """The n-grams of whole lines; None where any of them is not plainly right."""
    text = block.translate(_AS_TABS).rstrip(b"\t\n")
    lines = _parse(text, order)
    if lines is None:
        text = _tidy(text)
        lines = _parse(text, order) or _parse(_pad(text, order), order)
    if lines is None or not (lines.log_probs <= 0).all() or not (lines.log_backoffs <= _MOST).all():
        return None
    return lines


def _parse(text: bytes, order: int) -> Lines | None:
    """Lines that all have as many fields as the first, separated by one tab; None where any is otherwise."""
    import pyarrow as pa
    from pyarrow import csv

    if not text:
        return Lines(np.zeros(0), [pa.array([], pa.string())] * order, np.zeros(0))
    width = text[: text.find(b"\n") if b"\n" in text else None].count(b"\t") + 1
    if width not in (order + 1, order + 2):
        return None
    fields = [str(number) for number in range(width)]
    types = dict.fromkeys(fields[: order + 1], pa.string()) | dict.fromkeys(fields[:: order + 1], pa.float64())
    try:
        table = csv.read_csv(
            io.BytesIO(text),
            csv.ReadOptions(use_threads=False, column_names=fields, block_size=len(text) + 1),
            csv.ParseOptions(delimiter="\t", quote_char=False, double_quote=False, ignore_empty_lines=False),
            csv.ConvertOptions(column_types=types, null_values=[]),
        )
    except pa.ArrowInvalid:
        return None
    words = [table.column(place).combine_chunks() for place in range(1, order + 1)]
    if order == 1 and words[0].index(pa.scalar("")).as_py() >= 0:
        return None
    log_backoffs = np.zeros(len(table)) if width == order + 1 else table.column(order + 1).to_numpy()
    return Lines(table.column(0).to_numpy(), words, log_backoffs)


def _tidy(text: bytes) -> bytes:
    """One tab between the fields of a line and none around them; no empty lines."""
    return re.sub(rb"\t*\n[\t\n]*", b"\n", re.sub(rb"\t\t+", b"\t", text)).strip(b"\t\n")


def _pad(text: bytes, order: int) -> bytes:
    """Where some lines have a back-off and some have none, those get a 0."""
    data = np.frombuffer(text + b"\n", dtype=np.uint8)
    ends = np.flatnonzero(data == ord("\n"))
    separators = np.diff(np.searchsorted(np.flatnonzero(data == ord("\t")), ends), prepend=0)
    places = np.repeat(ends[separators == order], 2)
    zeros = np.tile(np.frombuffer(b"\t0", dtype=np.uint8), len(places) // 2)
    return np.insert(data, places, zeros)[:-1].tobytes()


def read_slowly(block: bytes, order: int, known: Container[str] | None, where: str, number: int) -> Lines:
    """The n-grams of whole lines, one after the other; `known`: the words of the 1-grams, None for them.

    Raises LmbenchError with `where`, the line (the block's first is `number`) and what is wrong there.
    """
    import pyarrow as pa

    log_probs: list[float] = []
    log_backoffs: list[float] = []
    words: list[list[str]] = [[] for _ in range(order)]
    for at, line in enumerate(block.split(b"\n"), number):
        fields = _SPACE.split(line.strip(b" \t\r"))
        if fields == [b""]:
            continue
        try:
            if len(fields) not in (order + 1, order + 2):
                what = f"{order} word{'s' * (order > 1)} and, but for the highest order, a back-off"
                raise ValueError(f"{len(fields)} fields, where a log-probability, {what} are wanted")
            log_prob, log_backoff = (_number(field) for field in (fields[0], (*fields, b"0")[order + 1]))
            if not log_prob <= 0:
                raise ValueError(f"{fields[0].decode()} is a log-probability above 0")
            if log_backoff > _MOST:
                raise ValueError(f"the back-off {fields[-1].decode()} is above {_MOST:g}")
            gram = [field.decode("utf-8") for field in fields[1 : order + 1]]
            for word in gram:
                if known is not None and word not in known:
                    raise ValueError(f"{word!r} is not among the 1-grams")
        except UnicodeDecodeError as error:
            raise LmbenchError(f"{where}:{at}: not UTF-8 ({error.reason})") from None
        except ValueError as error:
            raise LmbenchError(f"{where}:{at}: {error}") from None
        log_probs.append(log_prob)
        log_backoffs.append(log_backoff)
        for column, word in zip(words, gram, strict=True):
            column.append(word)
    arrays = [pa.array(column, pa.string()) for column in words]
    return Lines(np.array(log_probs), arrays, np.array(log_backoffs))


def _number(field: bytes) -> float:
    if not _NUMBER.fullmatch(field):
        shown = field[:40].decode("utf-8", errors="replace")
        raise ValueError(f"{shown!r} is not a number")
    return float(field)
