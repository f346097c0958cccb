"""The one sentence that a report begins with: which model predicts the text best, and what that is worth."""

from __future__ import annotations

import math

from lmbench.record import Record, Row
from lmbench.report import format as form

COUNTS, NET, BOTH, OTHER = "count-based", "network", "mixture of counts and networks", "other"


def family_of(row: Row) -> str:
    """What a model is made of: counts, trained parameters, both, or neither."""
    if not row.stored_ngrams:
        return NET if row.parameters else OTHER
    return BOTH if row.parameters else COUNTS


def finding(record: Record) -> str:
    """What was found, in one sentence: the best model, by how much and over which, with the paired interval.

    It is held against the best model of the other family: the best network where counts won, the best count-based
    model where a network did, and the best of either where a mixture of both did; where there is no such row, against
    the next best. Empty where no row has a cross-entropy.
    """
    rows = [row for row in record.rows if row.distribution and not row.control and row.nats_per_token is not None]
    if not rows:
        return ""
    rows.sort(key=_nats)
    best, rest = rows[0], rows[1:]
    score = f"{_nats(best):.3f} nats per token"
    if best.bits_per_byte is not None:
        score = f"{best.bits_per_byte:.3f} bits per byte"
    begin = f"{best.model} predicts this text best, at {score}"
    other = _rival(best, rest)
    if other is None:
        return f"{begin}; nothing else in this run is a distribution to compare it with."
    return f"{begin}: {_against(other, len(rest))}."


def _nats(row: Row) -> float:
    return math.inf if row.nats_per_token is None else row.nats_per_token


def _rival(best: Row, rest: list[Row]) -> Row | None:
    wanted = {COUNTS: (NET,), NET: (COUNTS,), BOTH: (COUNTS, NET)}.get(family_of(best), ())
    return next((row for row in rest if family_of(row) in wanted), next(iter(rest), None))


def _against(other: Row, others: int) -> str:
    rank = {COUNTS: "the best count-based model", NET: "the best network"}.get(family_of(other), "the next best model")
    name = f"{rank}, {other.model}" if others > 1 else other.model
    behind = other.behind
    if behind is None:
        return f"{name} has {form.fixed(other.nats_per_token, 3)} nats per token"
    share = f"{behind.nats_per_token:.3f} nats per token below {name}"
    if behind.ci95 is None:
        return f"{share} (the text is too short for an interval)"
    low, high = sorted(behind.ci95)
    bounds = f"95 % interval {low:.3f} to {high:.3f}, paired"
    if low <= 0 <= high:
        return f"{share} ({bounds}), which leaves open which of the two is better"
    return f"{share} ({bounds})"
