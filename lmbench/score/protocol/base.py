"""The contract of another program's way to measure, and what such ways share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lmbench.errors import LmbenchError
from lmbench.model.base import Model, Piecewise, Rereading, Windowed
from lmbench.progress import Progress
from lmbench.tokens import Tokens

Floats = NDArray[np.float64]
Pieces = Sequence[NDArray[np.integer[Any]]]
CONTEXT = 1024  # tokens of a window, for a model that has no end to its context
_TOGETHER = 1 << 18  # ids that are scored before progress is shown
_ROWS = 1024  # windows that are asked together


@dataclass(frozen=True, eq=False)
class Measured:
    """A model on a text: `log_probs` [n] nats of `tokens`, exact. `texts`: [d] the documents, None where the tokens do
    not keep them. `name` is for messages."""

    name: str
    model: Model
    tokens: Tokens
    log_probs: Floats
    texts: list[str] | None

    @property
    def own(self) -> Tokens:
        """The text in the tokens that the model predicts."""
        if isinstance(self.model, Rereading):
            return self.model.reread(self.tokens)
        return self.tokens

    @property
    def window(self) -> int:
        """Tokens that a window has at most."""
        return int(self.model.card.context or CONTEXT)

    @property
    def inner(self) -> Floats:
        """[m] nats of all tokens but the ends of documents."""
        found: Floats = self.log_probs[self.tokens.ids != self.tokens.vocabulary.end_of_text]
        return found


@dataclass(frozen=True)
class Figure:
    """What the other program calls it and comes to; `exact`: the same quantity as it is here; None: has none."""

    name: str
    value: float
    exact: float | None = None


@dataclass(frozen=True)
class Found:
    """`sentences`: what of the difference comes from what."""

    figures: list[Figure]
    sentences: list[str]


class Measure(Protocol):
    """Another program's way. `conventions` says what it does, in a sentence or two."""

    conventions: str

    def measure(self, measured: Measured, progress: Progress) -> Found:
        """Raises LmbenchError or UsageError where the model or the text cannot be measured so."""


def piece_log_probs(measured: Measured, pieces: Pieces, progress: Progress) -> list[Floats]:
    """Of each piece of ids ln p of all but the first, whatever stood before the piece. Raises LmbenchError for a model
    that cannot be asked so."""
    model = measured.model
    if isinstance(model, Piecewise):
        return _read_once(model, measured.name, pieces, progress)
    if isinstance(model, Windowed):
        return _place_by_place(model, measured.name, pieces, progress)
    raise LmbenchError(
        f"{measured.name} cannot be asked about a window by itself, as this protocol does; choose another"
    )


def _read_once(model: Piecewise, name: str, pieces: Pieces, progress: Progress) -> list[Floats]:
    """By a model that reads a piece from end to end."""
    found: list[Floats] = []
    with progress.task(name, len(pieces)) as task:
        start = 0
        while start < len(pieces):
            stop, size = start, 0
            while stop < len(pieces) and (size == 0 or size + len(pieces[stop]) <= _TOGETHER):
                size += len(pieces[stop])
                stop += 1
            found += model.piece_log_probs(pieces[start:stop])
            task.advance(stop - start)
            start = stop
    return found


def _place_by_place(model: Windowed, name: str, pieces: Pieces, progress: Progress) -> list[Floats]:
    """By a model that is asked anew at each place of a piece, many pieces at once: much slower."""
    found = [np.zeros(max(0, len(piece) - 1)) for piece in pieces]
    lengths = np.array([len(piece) for piece in pieces])
    with progress.task(f"{name}, place by place", float(lengths.sum())) as task:
        for place in range(1, int(lengths.max(initial=0))):
            rows = np.flatnonzero(lengths > place)
            for chosen in np.split(rows, range(_ROWS, len(rows), _ROWS)):
                windows = np.stack([pieces[row][:place] for row in chosen.tolist()])
                scores = model.window_log_probs(windows)
                for at, row in enumerate(chosen.tolist()):
                    found[row][place - 1] = scores[at, pieces[row][place]]
                task.advance(len(chosen))
    return found


def without_ends(tokens: Tokens) -> NDArray[np.integer[Any]]:
    """All ids one after the other, the ends of documents left out."""
    found: NDArray[np.integer[Any]] = tokens.ids[tokens.ids != tokens.vocabulary.end_of_text]
    return found
