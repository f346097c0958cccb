"""Learning curves as event files of TensorBoard, one folder for each model of each run.

    DIR/<run>/<model>/events.out.tfevents...

Scalars, by tokens trained on: `loss/train` and `loss/valid` in nats per token, `cost/seconds` and `cost/flops`.
Needs the package `tensorboard`, of which only the writer is used.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lmbench.errors import UsageError
from lmbench.invocation import install
from lmbench.record import Record
from lmbench.runtime import CurvePoint, Values
from lmbench.spec import parse
from lmbench.store import make_folder, model_slug

_SCALARS = {"train": "loss/train", "valid": "loss/valid", "seconds": "cost/seconds", "flops": "cost/flops"}
_LARGEST = (1 << 63) - 1  # of a step, in an event file


class Curves:
    """Event files under `folder`, a writer for each model; what was added is on the disk after each point.

    Raises UsageError where the package is not installed, LmbenchError where `folder` is a file.
    """

    def __init__(self, folder: Path) -> None:
        if importlib.util.find_spec("tensorboard") is None:
            raise UsageError(f"--tensorboard needs the package tensorboard: {install('tensorboard')}")
        make_folder(folder)
        self.folder = folder
        self._writers: dict[Path, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer in self._writers.values():
            writer.close()

    def add(self, point: CurvePoint, wall: float | None = None) -> None:
        """Write a point; `wall`: when it was made, in seconds since 1970; None: now."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [
            Summary.Value(tag=tag, simple_value=value)
            for name, tag in _SCALARS.items()
            if (value := point.values.get(name)) is not None
        ]
        step = min(_LARGEST, int(point.values.get("tokens") or 0))
        writer = self._writer(point)
        writer.add_event(
            Event(wall_time=time.time() if wall is None else wall, step=step, summary=Summary(value=values))
        )
        writer.flush()

    def _writer(self, point: CurvePoint) -> Any:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        seed = f"-seed-{point.seed}" if point.seed else ""
        home = self.folder / point.run / f"{model_slug(parse(point.model))}{seed}"
        if home not in self._writers:
            make_folder(home)
            self._writers[home] = EventFileWriter(str(home))
        return self._writers[home]


def write_curves(folder: Path, runs: Sequence[tuple[str, Record]]) -> int:
    """The learning curves of finished runs, each with its name; returns how many there are."""
    count = 0
    with Curves(folder) as curves:
        for name, record in runs:
            begun = _seconds(record.card.started)
            for row in record.rows:
                curve = row.training.get("curve")
                points = [each for each in curve if isinstance(each, dict)] if isinstance(curve, list) else []
                count += bool(points)
                for point in points:
                    values: Values = {key: float(each) for key, each in point.items() if isinstance(each, int | float)}
                    wall = begun + (values.get("seconds") or 0.0)
                    curves.add(CurvePoint(name, row.model, record.card.seed, values), wall)
    return count


def _seconds(started: str) -> float:
    """When a run began, since 1970; a record may be anybody's, and 0 stands for what is no time."""
    try:
        return datetime.fromisoformat(started).timestamp()
    except (ValueError, OverflowError):
        return 0.0
