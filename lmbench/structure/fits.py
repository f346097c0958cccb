"""Straight lines through logarithms."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """y = intercept + slope x of least squares; `interval`: 95 %, of the slope, Student's t, None for two points.

    The interval is of the scatter about the line alone: it takes residuals as independent, which those of neighbours
    on a curve from one text are not. `error`: root mean square of the residuals.
    """

    slope: float
    intercept: float
    interval: Interval | None
    error: float

    @property
    def falling(self) -> Interval | None:
        """The interval of -slope."""
        return None if self.interval is None else (-self.interval[1], -self.interval[0])


def line(x: Floats, y: Floats) -> Line:
    """The line of least squares through at least two points.

    Worked example: (0, 0), (1, 1), (2, 2) have slope 1 and an error of 0.
    """
    from scipy.special import stdtrit

    centred = x - x.mean()
    spread = float(centred @ centred)
    slope = float(centred @ y) / spread
    intercept = float(y.mean()) - slope * float(x.mean())
    squares = float(np.sum((y - intercept - slope * x) ** 2))
    free = len(x) - 2
    interval = None
    if free > 0:
        half = float(stdtrit(free, 0.975)) * math.sqrt(squares / free / spread)
        interval = (slope - half, slope + half)
    return Line(slope, intercept, interval, math.sqrt(squares / len(x)))
