"""Differences between models on the same text, with intervals that know they share it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lmbench.errors import LmbenchError
from lmbench.score.bootstrap import Interval
from lmbench.score.interval import Estimate, Floats, Layout, layout_of, seeded
from lmbench.score.measure import BITS
from lmbench.tokens import Tokens

NATS, BITS_PER_BYTE = "nats/token", "bits/byte"


@dataclass(frozen=True)
class Difference:
    """`value` in `unit`, first model minus second: negative where the first is better.

    `error`: its standard error, on `freedom` degrees of freedom. `p_value`: two-sided, of this pair alone.
    `detectable`: the smallest true difference that this text had shown in 80 % of cases. `wins`: the share of
    documents (of spans, where there is one) in which the first model is better. None where the text is too short.
    """

    value: float
    interval: Interval | None
    unit: str
    wins: float
    blocks: str
    error: float | None = None
    freedom: float | None = None
    p_value: float | None = None
    detectable: float | None = None

    @property
    def decided(self) -> bool:
        """Whether the 95 % interval leaves zero out."""
        return self.interval is not None and not self.interval[0] <= 0 <= self.interval[1]


@dataclass(frozen=True, eq=False)
class Sums:
    """Losses of one model of one text, summed over the pieces of a layout.

    `losses`: [A] nats or bits; `sizes`: [A] tokens or bytes, the same for all models of the text. `trainings`: {seed:
    loss per unit} of a model that was trained several times, of which `losses` are the mean.
    """

    layout: Layout
    losses: Floats
    sizes: Floats
    unit: str
    trainings: dict[int, float] = field(default_factory=dict)

    def minus(self, other: Sums) -> Difference:
        """How much more this model loses per unit of text than `other`, on the same pieces.

        Trainings with the same seeds are paired too: one model may be a part of the other.
        """
        losses = self.losses - other.losses
        found = self.layout.estimate(losses, self.sizes)
        if self.trainings.keys() == other.trainings.keys():
            found = seeded(found, np.array([loss - other.trainings[seed] for seed, loss in self.trainings.items()]))
        else:
            for each in (self, other):
                found = seeded(found, np.array(list(each.trainings.values())))
        return described(found, self.unit, float(np.mean(self.layout.shares(losses) < 0)))


def described(found: Estimate, unit: str, wins: float) -> Difference:
    """An estimate of a difference as a Difference."""
    return Difference(
        found.value, found.interval, unit, wins, found.blocks, found.error, found.freedom, found.p_value,
        found.detectable,
    )  # fmt: skip


def by_token(log_probs: Sequence[NDArray[np.float64]], tokens: Tokens) -> list[Sums]:
    """Nats over tokens of models of one text, from [n] log-probabilities each. Raises LmbenchError where a token has
    probability zero."""
    layout = layout_of(tokens)
    sizes = layout.sums(np.ones(len(tokens)))
    for each in log_probs:
        _check(each, tokens)
    return [Sums(layout, layout.sums(-each), sizes, NATS) for each in log_probs]


def by_byte(scored: Sequence[tuple[NDArray[np.float64], Tokens]]) -> list[Sums]:
    """Bits over bytes of models with different, lossless tokenizers on one text.

    A token is counted where its last byte lies. Pieces are cut at the tokens of the first, and laid over the text of
    the others at the same bytes. Raises LmbenchError where the tokens do not stand for the same number of bytes.
    """
    first = scored[0][1]
    for log_probs, tokens in scored:
        _check(log_probs, tokens)
        if tokens.bytes != first.bytes or not (tokens.lossless and first.lossless) or not first.bytes:
            raise LmbenchError("the two models read different bytes: bits per byte cannot be compared")
    layout = layout_of(first)
    ends = _byte_ends(first)
    edges = np.append(ends[layout.starts[1:] - 1], ends[-1])
    sizes = np.diff(edges, prepend=0).astype(np.float64)
    return [
        Sums(layout, -_sums_until(log_probs, _byte_ends(tokens), edges) * BITS, sizes, BITS_PER_BYTE)
        for log_probs, tokens in scored
    ]


def paired_difference(first: NDArray[np.float64], second: NDArray[np.float64], tokens: Tokens) -> Difference:
    """Difference in nats per token between two arrays of log-probabilities [n] of the same `tokens`.

    What makes a document or a span hard for both models cancels: the interval is far narrower than two intervals side
    by side suggest. Raises LmbenchError where a token has probability zero under either.
    """
    one, two = by_token([first, second], tokens)
    return one.minus(two)


def paired_difference_per_byte(
    first: tuple[NDArray[np.float64], Tokens], second: tuple[NDArray[np.float64], Tokens]
) -> Difference:
    """Difference in bits per byte between two models with different, lossless tokenizers on one text, see `by_byte`."""
    one, two = by_byte([first, second])
    return one.minus(two)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected for being several, in their order: Holm 1979.

    The i-th smallest of m is multiplied by m - i + 1, held to be no less than the one before it, and to 1. Worked
    example: 0.01, 0.04, 0.03 become 0.03, 0.06, 0.06.
    """
    corrected = [0.0] * len(p_values)
    least = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        least = min(1.0, max(least, (len(p_values) - rank) * p_values[place]))
        corrected[place] = least
    return corrected


def _byte_ends(tokens: Tokens) -> NDArray[np.int64]:
    """[n] how many bytes of text end with or before each token."""
    return np.cumsum(tokens.byte_lengths)


def _sums_until(
    log_probs: NDArray[np.float64], ends: NDArray[np.int64], edges: NDArray[np.int64]
) -> NDArray[np.float64]:
    """[A] the sum of log-probabilities of the tokens that end in each interval (edge before, edge]."""
    total = np.concatenate([[0.0], np.cumsum(log_probs)])
    # the last piece takes what is left, the final end token of no bytes included
    cuts = np.append(np.searchsorted(ends, edges[:-1], side="right"), len(log_probs))
    return np.diff(total[np.concatenate([[0], cuts])])


def _check(log_probs: NDArray[np.float64], tokens: Tokens) -> None:
    if log_probs.shape != (len(tokens),):
        raise LmbenchError(f"{len(log_probs)} log-probabilities for {len(tokens)} tokens: not scored on this text")
    if not np.isfinite(log_probs).all():
        raise LmbenchError("a model that gives tokens probability zero is infinitely far from any other")
