"""The contract of a form that the figures of runs are written in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lmbench.record import Record, Row


@dataclass(frozen=True, eq=False)
class Documents:
    """The documents of a test text under one model, [d] each, their ends left out: `nats`, `words` as
    `len(re.split(r"\\s+", text))` counts them, and `bytes` of UTF-8."""

    nats: NDArray[np.float64]
    words: NDArray[np.int64]
    bytes: NDArray[np.int64]


@dataclass(frozen=True)
class Exported:
    """A run whose figures are written. `name`: of its folder. `documents`: what its test text costs under a row, read
    when it is asked for; None where the tokens lose text."""

    name: str
    record: Record
    documents: Callable[[Row], Documents | None]


class Export(Protocol):
    """A form. What comes from a record is text from strangers: it is escaped as the form demands."""

    def text(self, runs: Sequence[Exported]) -> str:
        """The whole of the file, its last line ended. Raises UsageError where so many runs have no place in it."""
