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
LEAST = FEWEST - 1  # points that are left where the first ones do not follow the law
WIDEST = 0.6  # of what is below the last point: an interval beyond it says nothing
WORST = 0.02  # root mean square of the relative residuals beyond which a law does not fit
REPLICATES = 400
REACH = 4  # times what a copy has fallen: as far as its fall is followed beyond the data
_EXPONENTS = np.geomspace(0.02, 8.0, 500)
_TINY = 1e-6


@dataclass(frozen=True)
class Extrapolation:
    """A fitted law: `limit` h, `amplitude` A, `exponent` g of A n^-g; intervals are of 95 %.

    `first`: the index of the point at which the law begins. `error`: root mean square of the relative residuals.
    """

    ansatz: Ansatz
    limit: float
    limit_interval: tuple[float, float]
    exponent: float
    exponent_interval: tuple[float, float]
    amplitude: float
    amplitude_interval: tuple[float, float]
    first: int
    error: float

    @property
    def parameters(self) -> str:
        """g and A with their intervals, in words."""
        ends = (*self.exponent_interval, *self.amplitude_interval)
        return (
            f"g = {self.exponent:.3f} ({ends[0]:.3f} to {ends[1]:.3f}) and A = {self.amplitude:.3g} "
            f"({ends[2]:.3g} to {ends[3]:.3g})"
        )

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
            "amplitude_interval": self.amplitude_interval,
            "first": self.first,
            "relative_error": self.error,
        }


def extrapolate(sizes: Floats, values: Floats, replicates: Floats, ansatz: Ansatz, seed: int = 0) -> Extrapolation:
    """Fit `ansatz` to `values` [k] at `sizes` [k], both positive; `replicates` [r, k] are bootstrap copies of `values`.

    power: h + A n^(beta - 1), Hilberg's (1990) law with a rate; stretched: exp(A n^(beta - 1) + h'), f_3 of Takahira,
    Tanaka-Ishii & Debowski (2016); here g = 1 - beta. For every g of a fine grid, 0.02 to 8, h >= 0 and A >= 0 of
    least squares (of relative residuals, or of those of the logarithm) are known in closed form; the best g is the
    fit, without a start to choose. The law begins at the first point from which it is off by `WORST` at most,
    or by no more than the sampling error. An
    interval is made of fits to the replicates, each from a point that is drawn at random among those from there on, as
    long as `LEAST` are left: it has the sampling error, and how much depends on where the law is taken to begin. No
    copy is taken to fall by more than 4 times what the points have fallen that are fitted, and 2 %.

    Raises LmbenchError, with the reason, where the curve does not carry the answer: fewer than `FEWEST` points, a
    curve that rises beyond its sampling error, a law that fits none of its ends, h at its bound of 0, g at its least
    value, h further below the last point than the first is above it, or an interval over most of what is possible.
    """
    if len(sizes) < FEWEST:
        raise LmbenchError(f"{len(sizes)} points are too few for a law of 3 parameters: {FEWEST} are needed")
    if not (values > _TINY).all():
        raise LmbenchError("the curve comes down to 0 itself, and there is nothing to extrapolate")
    _check_falling(sizes, values, replicates)
    first = _first(sizes, values, replicates, ansatz)
    starts = np.random.default_rng(seed).integers(first, len(sizes) - LEAST + 1, len(replicates))
    drawn = zip(starts, np.maximum(replicates, _TINY), strict=True)
    fits = np.array([_fit(sizes[start:], copy[start:], ansatz) for start, copy in drawn])
    limit, amplitude, exponent, error = _fit(sizes[first:], values[first:], ansatz)
    fallen = np.maximum(0.0, replicates[np.arange(len(starts)), starts] - replicates[:, -1])
    # where a copy is level, the least slope would do for a fall to 0, far beyond the data
    fits[:, 0] = np.maximum(fits[:, 0], replicates[:, -1] - REACH * fallen - WORST * values[-1])
    low, high = np.quantile(fits[:, 0], [0.025, 0.975])
    falls = amplitude * sizes[first] ** -exponent > 0.01 * values[-1]
    if limit < 0.02 * values[-1]:
        raise LmbenchError("the fitted limit is at its bound of 0: the curve does not level off where it can be seen")
    if falls and exponent <= _EXPONENTS[1]:
        raise LmbenchError("the curve falls like a logarithm as far as it can be seen, and no limit can be told")
    if values[-1] - limit > max(values[first] - values[-1], WORST * values[-1]):
        raise LmbenchError(
            f"the fitted limit, {limit:.3f}, is further below the last point, {values[-1]:.3f}, than all that the "
            "curve has fallen"
        )
    if high - low > WIDEST * values[-1]:
        raise LmbenchError(
            f"the limit may be anything from {low:.3f} to {high:.3f}, which is most of what is below the last point"
        )
    return Extrapolation(
        ansatz,
        limit,
        _holding(limit, fits[:, 0]),
        exponent,
        _holding(exponent, fits[:, 2]),
        amplitude,
        _holding(amplitude, fits[:, 1]),
        first,
        error,
    )


def _holding(value: float, fitted: Floats) -> tuple[float, float]:
    """The middle 95 % of `fitted`, widened to hold `value`."""
    low, high = np.quantile(fitted, [0.025, 0.975])
    return min(float(low), value), max(float(high), value)


def _first(sizes: Floats, values: Floats, replicates: Floats, ansatz: Ansatz) -> int:
    spread = replicates.std(axis=0) / values
    for start in range(len(sizes) - LEAST + 1):
        noise = math.sqrt(float(np.mean(spread[start:] ** 2)))
        if _fit(sizes[start:], values[start:], ansatz)[3] <= max(WORST, noise):
            return start
    raise LmbenchError(f"the law is off by more than {WORST:.0%} wherever it is taken to begin")


def _check_falling(sizes: Floats, values: Floats, replicates: Floats) -> None:
    """A rise counts where it is more than one in a hundred and more than three of its standard errors."""
    rises = np.diff(values)
    spread = np.diff(replicates, axis=1).std(axis=0) if len(replicates) else np.zeros(len(rises))
    rising = np.flatnonzero((rises > 0.01 * values[:-1]) & (rises > 3 * spread))
    if len(rising):
        at = int(rising[0])
        raise LmbenchError(
            f"the curve rises, from {values[at]:.3f} at {sizes[at]:,.0f} to {values[at + 1]:.3f} at "
            f"{sizes[at + 1]:,.0f}: the text is not of one kind throughout, and no law that falls fits it"
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
    error = math.sqrt(float(squares[best]) / len(values))
    return limit, float(slope[best]) * float(sizes[0]) ** exponent, exponent, error
