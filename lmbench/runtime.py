"""What a run decides for every plug-in alike: device, seed, and the training budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Values = dict[str, float | None]
Watch = Callable[[Values], None]


@dataclass(frozen=True)
class CurvePoint:
    """A point of a learning curve as it is made: of `model`, a SPEC of the run called `run`, trained with `seed`.

    `values`: `tokens`, `seconds` and `flops` that training has taken so far, `train` and `valid` in nats per token.
    """

    run: str
    model: str
    seed: int
    values: Values


@dataclass(frozen=True)
class Runtime:
    """Passed to the plug-ins that declare a `runtime` parameter.

    `device` is "cpu" or "cuda" (already resolved from "auto"). A budget that is None
    is the plug-in's own to choose; `stored_bytes` is the most that a net's files may take,
    and makes it choose its own width. `checkpoints` is a folder the plug-in may write to
    while it fits and find again when `resume` is set; None: keep nothing. `fits` are the
    models that the run has fitted (`lmbench.model.base.Fits`), which a model with others inside
    asks for them; None: it fits them itself. `watch` is called with each point of a net's learning
    curve, see `CurvePoint.values`, as soon as it is known.
    """

    device: str = "cpu"
    seed: int = 0
    train_seconds: float | None = None
    train_tokens: int | None = None
    train_flops: float | None = None
    stored_bytes: int | None = None
    checkpoints: Path | None = None
    resume: bool = False
    fits: Any = None
    watch: Watch | None = None
