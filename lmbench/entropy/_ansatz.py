"""Laws that level off, fitted to a falling curve: what is left of it where its argument is without bound."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lmbench.errors import LmbenchError

Ansatz = Literal["power", "stretched"]
Floats = NDArray[np.float64]

FORMULAS = {"power": "h + A n^-g", "stretched": "exp(h' + A n^-g), h = exp(h')"}
FEWEST = 5  # points: three parameters, and two to go wrong
REPLICATES = 400
_EXPONENTS = np.geomspace(0.02, 8.0, 500)
_TINY = 1e-6


@dataclass(frozen=True)
class Extrapolation:
    """A fitted law: `limit` h, `amplitude` A, `exponent` g of A n^-g; intervals are of 95 %.

    `error`: root mean square of the relative residuals.
    """

    ansatz: Ansatz
    limit: float
    limit_interval: tuple[float, float]
    exponent: float
    exponent_interval: tuple[float, float]
    amplitude: float
    error: float

    def at(self, sizes: Floats) -> Floats:
        """The law's values."""
        falling = self.amplitude * sizes**-self.exponent
        found: Floats = self.limit + falling if self.ansatz == "power" else self.limit * np.exp(falling)
        return found

    def json(self, sizes: Floats, values: Floats) -> dict[str, Any]:
        """What a plot needs: the points, and the law."""
        return {
            "ansatz": self.ansatz,
            "formula": FORMULAS[self.ansatz],
            "sizes": sizes,
            "values": values,
            "fitted": self.at(sizes),
            "limit": self.limit,
            "limit_interval": self.limit_interval,
            "exponent": self.exponent,
            "exponent_interval": self.exponent_interval,
            "amplitude": self.amplitude,
            "relative_error": self.error,
        }


def extrapolate(sizes: Floats, values: Floats, replicates: Floats, ansatz: Ansatz, seed: int = 0) -> Extrapolation:
    """Fit `ansatz` to `values` [k] at `sizes` [k], both positive; `replicates` [r, k] are bootstrap copies of `values`.

    power: h + A n^(beta - 1), Hilberg's (1990) law with a rate; stretched: exp(A n^(beta - 1) + h'), f_3 of Takahira,
    Tanaka-Ishii & Debowski (2016); here g = 1 - beta. For every g of a fine grid, 0.02 to 8, h >= 0 and A >= 0 of
    least squares (of relative residuals, or of those of the logarithm) are known in closed form; the best g is the
    fit, without a start to choose. An interval is made of the fits to the replicates, each to the points from a first
    one that is drawn at random as long as `FEWEST` - 1 are left: it has the sampling error, and how much the answer
    depends on where the law is taken to begin.

    Raises LmbenchError, with the reason, where the curve does not carry the answer: fewer than `FEWEST` points, a
    curve that rises beyond its sampling error, h at its bound of 0, g at an end of the grid where that matters,
    or an interval that spans most of what is possible.
    """
    if len(sizes) < FEWEST:
        raise LmbenchError(f"{len(sizes)} points are too few for a law of 3 parameters: {FEWEST} are needed")
    if not (values > _TINY).all():
        raise LmbenchError("the curve comes down to 0 itself, and there is nothing to extrapolate")
    _check_falling(sizes, values, replicates)
    rng = np.random.default_rng(seed)
    starts = rng.integers(0, len(sizes) - FEWEST + 2, len(replicates))
    fits = np.array(
        [_fit(sizes[start:], np.maximum(copy[start:], _TINY), ansatz) for start, copy in zip(starts, replicates, strict=True)]
    )
    limit, amplitude, exponent, error = _fit(sizes, values, ansatz)
    low, high = np.quantile(fits[:, 0], [0.025, 0.975])
    falls = amplitude * sizes[0] ** -exponent > 0.01 * values[-1]
    if limit < 1e-3 * values[-1]:
        raise LmbenchError("the fitted limit is at its bound of 0: the curve does not level off where it can be seen")
    if falls and exponent <= _EXPONENTS[1]:
        raise LmbenchError("the curve falls like a logarithm as far as it can be seen, and no limit can be told")
    if high - low > 0.75 * values[-1]:
        raise LmbenchError(
            f"the limit may be anything from {low:.3f} to {high:.3f}, which is most of what is below the last point"
        )
    ends = np.quantile(fits[:, 2], [0.025, 0.975])
    return Extrapolation(
        ansatz,
        limit,
        (min(float(low), limit), max(float(high), limit)),
        exponent,
        (min(float(ends[0]), exponent), max(float(ends[1]), exponent)),
        amplitude,
        error,
    )


def _check_falling(sizes: Floats, values: Floats, replicates: Floats) -> None:
    """A rise counts where it is more than one in a hundred and more than three of its standard errors."""
    rises = np.diff(values)
    spread = np.diff(replicates, axis=1).std(axis=0) if len(replicates) else np.zeros(len(rises))
    rising = np.flatnonzero((rises > 0.01 * values[:-1]) & (rises > 3 * spread))
    if len(rising):
        at = int(rising[0])
        raise LmbenchError(
            f"the curve rises, from {values[at]:.3f} at {sizes[at]:,.0f} to {values[at + 1]:.3f} at {sizes[at + 1]:,.0f}: "
            "the text is not of one kind throughout, and no law that falls fits it"
        )


def _fit(sizes: Floats, values: Floats, ansatz: Ansatz) -> tuple[float, float, float, float]:
    """(h, A, g, error) of least squares: for each g of the grid a straight line in n^-g, then the best g."""
    falling = (sizes / sizes[0])[None, :] ** -_EXPONENTS[:, None]  # [g, k]
    target = values if ansatz == "power" else np.log(values)
    weights = values**-2 if ansatz == "power" else np.ones(len(values))
    total = weights.sum()
    mean_x, mean_y = falling @ weights / total, float(target @ weights / total)
    spread = ((falling - mean_x[:, None]) ** 2) @ weights
    slope = ((falling - mean_x[:, None]) * (target - mean_y)) @ weights / np.maximum(spread, 1e-300)
    slope = np.maximum(slope, 0.0)
    level = mean_y - slope * mean_x
    if ansatz == "power":
        below = level < 0
        slope = np.where(below, (falling * target) @ weights / ((falling**2) @ weights), slope)
        level = np.where(below, 0.0, level)
    squares = (level[:, None] + slope[:, None] * falling - target) ** 2 @ weights
    best = int(np.argmin(squares))
    limit = float(level[best]) if ansatz == "power" else math.exp(float(level[best]))
    exponent = float(_EXPONENTS[best])
    return limit, float(slope[best]) * float(sizes[0]) ** exponent, exponent, math.sqrt(float(squares[best]) / len(values))
