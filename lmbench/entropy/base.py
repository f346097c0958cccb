"""The contract of the estimators of a source's entropy rate."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from lmbench.progress import Progress
from lmbench.tokens import Tokens

Kind = Literal["upper bound", "estimate", "lower bound"]
Unit = Literal["byte", "char", "token", "word"]


@dataclass(frozen=True)
class Estimate:
    """One figure for the entropy rate of the source.

    `bits_per_character` and `bits_per_byte` are per unit of text, None where that unit is not
    defined (a vocabulary that loses text); `bits_per_token` is per symbol that the estimator
    read, None where it reads no symbols one by one. An "upper bound" is a code length: on average
    over texts it is at or above the rate, exact for the text it codes, and without an interval.
    `interval` is a 95 % interval in bits per character, and its `note` says how it was made, or
    why there is none. `curve` holds what the figure was read off
    (F_n against n, say) as JSON values, for the plots.
    """

    estimator: str
    kind: Kind
    bits_per_character: float | None
    bits_per_byte: float | None
    interval: tuple[float, float] | None = None
    note: str = ""
    seconds: float = 0.0
    curve: dict[str, Any] = field(default_factory=dict)
    bits_per_token: float | None = None


class Estimator(Protocol):
    """Reads Tokens directly; no model in between. `unit` says in which symbols: byte, char, token or word."""

    unit: Unit

    def estimate(self, train: Tokens, test: Tokens, progress: Progress) -> list[Estimate]:
        """Raises LmbenchError, in one line, where the text is too short to carry the estimate."""
