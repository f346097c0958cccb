"""At what cost each net's learning curve went below each count-based row, on the same validation tokens."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmbench import store
from lmbench.record import Pass, Record, Row
from lmbench.tokens import Tokens

VALID = "valid_log_probs.npy"


def with_passes(record: Record, valid: Tokens, folder: Path) -> Record:
    """The record, its nets' rows with the count-based rows that they could overtake.

    Empty where the nets were trained on the validation text too (a split in two parts): their loss on it is then no
    longer that of an unseen text.
    """
    if record.card.refit:
        return record
    known = {
        row.model: found for row in record.rows if (found := _valid_log_probs(folder, row, len(valid))) is not None
    }
    rows = [row.model_copy(update={"passes": _passes(row, known, valid)}) for row in record.rows]
    return record.model_copy(update={"rows": rows})


def crossing(points: Sequence[dict[str, Any]], level: float) -> dict[str, float] | None:
    """Where a learning curve first comes down to `level`, in a straight line between two validations over the logarithm
    of the cost.

    `points` have `valid`, `tokens`, `seconds` and `flops`. The first validation counts as it is: what was before it
    is not known. Valid 3, 1 at 10, 40 seconds, level 2: 20 seconds. None where it stays above.
    """
    for index, point in enumerate(points):
        if point["valid"] > level:
            continue
        before = points[index - 1] if index else point
        fall = before["valid"] - point["valid"]
        share = (before["valid"] - level) / fall if fall > 0 else 1.0
        return {key: _between(before[key], point[key], share) for key in ("tokens", "seconds", "flops")}
    return None


def _between(low: float, high: float, share: float) -> float:
    """At `share` of the way on a logarithmic axis; on a plain one from 0, which has no place on the other."""
    return float(low ** (1 - share) * high**share) if low > 0 else share * high


def _passes(row: Row, known: dict[str, NDArray[np.float64]], valid: Tokens) -> list[Pass]:
    """Of one row. On the windows that a net says it was validated on; on the whole validation text for one that reads
    it in tokens of its own, and so has other windows."""
    curve, sample = row.training.get("curve"), row.training.get("validation")
    if row.control or not known or not isinstance(curve, list):
        return []
    points = [point for point in curve if isinstance(point, dict) and point.get("valid") is not None]
    if not points:
        return []
    length = sample.get("row") if isinstance(sample, dict) else None
    places = np.arange(len(valid))
    if isinstance(length, int):
        from lmbench.training.evaluation import validation_windows

        places = validation_windows(valid, length, row.device).targets()
    found = []
    for model, log_probs in known.items():
        level = -math.fsum(log_probs[places]) / len(places)
        if math.isfinite(level):
            at = crossing(points, level) or {}
            tokens = round(at["tokens"]) if at else None
            found.append(
                Pass(model=model, nats_per_token=level, tokens=tokens, seconds=at.get("seconds"), flops=at.get("flops"))
            )
    return sorted(found, key=lambda each: -each.nats_per_token)


def _valid_log_probs(folder: Path, row: Row, count: int) -> NDArray[np.float64] | None:
    path = store.folder_of(folder, row) / VALID
    return store.read_scores(path, count) if path.exists() else None
