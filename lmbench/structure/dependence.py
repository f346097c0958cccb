"""How symbols depend on those d before them: mutual information and correlation, and the law of their decay."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lmbench.errors import LmbenchError
from lmbench.progress import Progress
from lmbench.structure.fits import Interval, line
from lmbench.structure.pairs import Sequence, correlation, mutual_information

_DISTANCES = 40
_SHUFFLES = 5
_LONG = 10_000_000  # symbols of text from which on 2 shuffles do: their spread is small, and pooled over distances
_FEWEST = 100  # symbols
_FIT = 4  # points
_CLOSE = 0.7  # nats, root mean square: off by a factor of 2

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Decay:
    """A law fitted to what is left above the band: `exponent` a of c d^-a, `length` l of c exp(-d / l).

    Both by least squares on the logarithm, over the distances up to `last`, the last before the first that is not
    clearly above the band. `better`: of which the residuals are smaller, where the difference in Akaike's
    criterion is 2 or more. `power_error` and `exponential_error`: root mean square, in nats.
    """

    exponent: float
    interval: Interval | None
    amplitude: float
    length: float
    power_error: float
    exponential_error: float
    points: int
    last: int
    better: Literal["power law", "exponential", "undecided"]

    @property
    def close(self) -> bool:
        """Whether one law describes the whole decay; where not, it has more than one stage."""
        return min(self.power_error, self.exponential_error) <= _CLOSE


@dataclass(frozen=True)
class Curve:
    """A quantity against the distance, beside the same of shuffled text.

    `values`: what is left after `shuffled`, the mean of shuffled texts, was subtracted (not so for a norm, which is
    not additive). `band`: half the width of the 95 % band about it that a text without any dependence keeps to.
    """

    distances: list[int]
    values: list[float]
    shuffled: list[float]
    band: list[float]
    decay: Decay | None
    refused: str


@dataclass(frozen=True)
class Dependence:
    """`information` in bits; `correlation` is the operator norm of C(d). `merged`: symbols too rare to be told apart.

    `size`: of the alphabet the pairs were counted over; `symbols`: in the text.
    """

    information: Curve
    correlation: Curve
    symbols: int
    size: int
    merged: int


def dependence(text: Sequence, progress: Progress, seed: int = 0) -> Dependence:
    """Mutual information and correlation of symbols at distances from 1, log-spaced, to about a tenth of the text.

    The plug-in value has a bias that depends on the alphabet and the number of pairs; it is measured on 5 shuffled
    texts at every distance (2 where the text is longer than 10 million symbols). That is the bias of symbols that do
    not depend on each other, as far ones hardly do, for whom it matters; where near ones rule most pairs out, the bias
    is smaller, and what is left after it was subtracted a little too low. A pair never crosses documents. Raises
    LmbenchError for fewer than 100 symbols.
    """
    if len(text) < _FEWEST:
        raise LmbenchError(f"structure needs {_FEWEST} symbols, the text has {len(text)}; give more text")
    distances = _distances(text)
    rng = np.random.default_rng(seed)
    shuffles = _SHUFFLES if len(text) <= _LONG else 2
    measured = np.zeros((1 + shuffles, len(distances), 2))
    with progress.task("dependence at a distance", measured.shape[0] * len(distances)) as task:
        for turn in range(1 + shuffles):
            read = text if turn == 0 else text.shuffled(rng)
            for place, distance in enumerate(distances):
                joint = read.joint(distance)
                measured[turn, place] = mutual_information(joint), correlation(joint, text.kept)
                task.advance()
    pairs = np.array([text.pairs(distance) for distance in distances], dtype=np.float64)
    # a mutual information without dependence falls as 1 / pairs, a norm as its root
    information = _curve(distances, measured[..., 0], pairs, subtract=True)
    norm = _curve(distances, measured[..., 1], np.sqrt(pairs), subtract=False)
    return Dependence(information, norm, len(text), text.size, text.merged)


def _distances(text: Sequence) -> list[int]:
    """Log-spaced, up to where a tenth of the text's symbols still have a partner, and a tenth of the text."""
    farthest = max(1, len(text) // 10)
    while farthest > 1 and text.pairs(farthest) < len(text) / 10:
        farthest = farthest * 9 // 10
    spaced = np.rint(np.geomspace(1, farthest, _DISTANCES)).astype(np.int64)
    return [int(distance) for distance in np.unique(spaced)]


def _curve(distances: list[int], measured: Floats, weight: Floats, subtract: bool) -> Curve:
    """Shuffled values times `weight` have the same spread at every distance, and are pooled for the band."""
    shuffles = len(measured) - 1
    shuffled = measured[1:].mean(axis=0)
    residuals = (measured[1:] - shuffled) * weight
    spread = math.sqrt(float((residuals**2).sum()) / ((shuffles - 1) * len(distances)))
    band = 1.96 * spread * math.sqrt(1 + 1 / shuffles) / weight
    values = measured[0] - shuffled if subtract else measured[0]
    # a norm near that of shuffled text is mostly noise, which adds to it about as squares do, and flattens the law
    above = values > 2 * band if subtract else values > np.maximum(shuffled + 2 * band, 2 * shuffled)
    count = len(above) if above.all() else int(np.argmin(above))
    decay, refused = None, ""
    if count < _FIT:
        refused = f"only {count} distances stand clear of the band before the first that does not; {_FIT} are needed"
    else:
        decay = _decay(np.array(distances[:count], dtype=np.float64), values[:count])
    return Curve(distances, values.tolist(), shuffled.tolist(), band.tolist(), decay, refused)


def _decay(distances: Floats, values: Floats) -> Decay:
    power = line(np.log(distances), np.log(values))
    exponential = line(distances, np.log(values))
    gap = len(distances) * 2 * math.log(max(power.error, 1e-12) / max(exponential.error, 1e-12))
    return Decay(
        exponent=-power.slope,
        interval=power.falling,
        amplitude=math.exp(power.intercept),
        length=-1 / exponential.slope if exponential.slope else math.inf,
        power_error=power.error,
        exponential_error=exponential.error,
        points=len(distances),
        last=int(distances[-1]),
        better="power law" if gap < -2 else "exponential" if gap > 2 else "undecided",
    )
