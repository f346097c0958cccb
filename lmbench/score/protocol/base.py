"""The contract of another program's way to measure, and what such ways share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lmbench.errors import LmbenchError
from lmbench.model.base import Model, Piecewise, Rereading
from lmbench.progress import Progress
from lmbench.tokens import Tokens

Floats = NDArray[np.float64]
Pieces = Sequence[NDArray[np.integer[Any]]]
CONTEXT = 1024  # tokens of a window, for a model that has no end to its context
_TOGETHER = 1 << 18  # ids that are scored before progress is shown


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
    if not isinstance(model, Piecewise):
        raise LmbenchError(
            f"{measured.name} cannot be asked about a window by itself, as this protocol does; n-gram models, nets and "
            "pretrained models can"
        )
    found: list[Floats] = []
    with progress.task(measured.name, len(pieces)) as task:
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


def without_ends(tokens: Tokens) -> NDArray[np.integer[Any]]:
    """All ids one after the other, the ends of documents left out."""
    found: NDArray[np.integer[Any]] = tokens.ids[tokens.ids != tokens.vocabulary.end_of_text]
    return found
