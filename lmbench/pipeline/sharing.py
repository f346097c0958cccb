"""What a row's fit cost, part by part, and which of the parts other rows have too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lmbench.pipeline.fits import Cost, Fit
from lmbench.pipeline.match import trains_itself
from lmbench.record import Record, Row
from lmbench.report import format as form
from lmbench.spec import parse

FITTED = "fits"  # the key of a row's training that holds what each fit under it took
_SHARED = "fitted once in this run, and counted in every row that has it: "


def account(fit: Fit) -> list[dict[str, Any]]:
    """A row's fits as JSON values, in the order in which they were made."""
    return [
        {"key": key, "model": cost.model, "tokens": cost.tokens, "seconds": cost.seconds}
        for key, cost in fit.costs.items()
    ]


def costs_of_parts(fit: Fit) -> list[str]:
    """A sentence on a fit that rests on other models' fits; none on one that stands alone."""
    own = fit.costs[fit.key].model
    models = [model for model in dict.fromkeys(cost.model for cost in fit.costs.values()) if model != own]
    if not models:
        return []
    parts = [_part(model, [cost for cost in fit.costs.values() if cost.model == model]) for model in models]
    alone = sum(cost.seconds for cost in fit.costs.values() if cost.model == own)
    return [f"its fit is that of its parts: {', '.join(parts)}; and {form.seconds(alone)} of its own"]


def _part(model: str, costs: Sequence[Cost]) -> str:
    taken = " and ".join(form.seconds(cost.seconds) for cost in costs)
    if len(costs) > 1 and trains_itself(parse(model)):
        return f"{model} {taken} (trained without the validation text, for the weights, and once more with it)"
    return f"{model} {taken}"


def with_shared(record: Record) -> Record:
    """The record, its rows with a sentence on the fits that other rows have too."""
    rows = []
    for row in record.rows:
        notes = [note for note in row.notes if not note.startswith(_SHARED)]  # of before a failed row was tried again
        found = _shared(row, [other for other in record.rows if other is not row])
        rows.append(row.model_copy(update={"notes": [*notes, *([_SHARED + "; ".join(found)] if found else [])]}))
    return record.model_copy(update={"rows": rows})


def _shared(row: Row, others: Sequence[Row]) -> list[str]:
    """`lstm (also in mixture(...))`, for each model of the row that is fitted for another row too."""
    also: dict[str, list[str]] = {}
    for model, key in _keys(row):
        also.setdefault(model, []).extend(other.model for other in others if key in {k for _, k in _keys(other)})
    return [f"{model} (also in {', '.join(dict.fromkeys(names))})" for model, names in also.items() if names]


def _keys(row: Row) -> list[tuple[str, str]]:
    """(model, key) of the fits under a row."""
    found = row.training.get(FITTED)
    fits = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    return [(str(each.get("model")), str(each.get("key"))) for each in fits]
