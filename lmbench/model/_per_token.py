"""Losses of a model with tokens of its own, in nats per token of the run."""

from __future__ import annotations

from typing import Any

from lmbench.runtime import Values, Watch


def per_token(training: dict[str, Any], share: float) -> dict[str, Any]:
    """The losses of `training` in nats per token of the run, the unit of all learning curves: the same total over
    another count. `share`: tokens of its own for each of the run's, in the validation text.

    2 nats per token of its own, two of which make three of the run's (share 2/3): 1.33.
    """

    def scaled(loss: float | None) -> float | None:
        return None if loss is None else loss * share

    curve = [_scaled(point, share) for point in training["curve"]]
    losses = {key: scaled(training[key]) for key in ("before_training", "best_validation")}
    return {"own_tokens_per_token": share, **losses, "curve": curve}


def _scaled(point: Values, share: float) -> Values:
    """A point of the curve, its losses per token of the run."""
    losses = {key: loss for key in ("train", "valid") if (loss := point[key]) is not None}
    return point | {key: loss * share for key, loss in losses.items()}


def watched(watch: Watch | None, share: float) -> Watch | None:
    """`watch`, told of losses per token of the run."""
    return None if watch is None else lambda point: watch(_scaled(point, share))
