"""How far a ratio of sums over a text, nats over tokens for instance, may be from that of the source of the text.

Tokens of a document are not independent, and documents differ: both levels count. Documents are clusters, and the
ratio's variance is what they differ by (the delta method of a ratio, Liang & Zeger 1986), each document left out in
turn; few documents, and documents of unequal size, are paid for by Student's t on as many degrees of freedom as the
estimate of that variance has (Satterthwaite; Bell & McCaffrey 2002). An interval is never narrower than that for these
very documents, which comes from spans within them (batch means), as long as the losses need to forget each other. Of
one document, or one text in lines, there is only the latter. `benchmarks/coverage.py` prints how often the intervals
hold the truth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lmbench.score.bootstrap import Interval
from lmbench.tokens import Tokens

Floats = NDArray[np.float64]

ONE_DOCUMENT = "spans of this one document"
LINES = "spans of the text, whose documents are lines"
FEWEST = 5  # spans below which one document has no interval
_PIECES = 8192
_MOST, _LEAST = 100, 6  # spans of a text
_SHORTEST = 20  # tokens in a span
_FORGOTTEN = 10  # times the autocorrelation time, that a span is long
_WINDOW = 5  # times the autocorrelation time, up to which autocorrelations are summed (Sokal 1997)
POWER = 0.8


@dataclass(frozen=True)
class Estimate:
    """A ratio, its standard `error` and the degrees of `freedom` of that; both None where the text is too short.

    `blocks` says in words between what the text was seen to differ.
    """

    value: float
    error: float | None
    freedom: float | None
    blocks: str

    @property
    def interval(self) -> Interval | None:
        """95 %: value -+ t(0.975) errors."""
        half = self._times(0.975)
        return None if half is None else (self.value - half, self.value + half)

    @property
    def p_value(self) -> float | None:
        """Of a `value` so far from zero or farther, were it zero in the source; two-sided."""
        from scipy.special import stdtr

        if self.error is None or self.freedom is None:
            return None
        if self.error == 0:
            return float(self.value == 0)
        return float(2 * stdtr(self.freedom, -abs(self.value) / self.error))

    @property
    def detectable(self) -> float | None:
        """The smallest true value that such a text shows to be other than zero (5 %, two-sided) in 80 % of cases.

        (t(0.975) + t(0.8)) errors: Bloom 1995; Miller 2024 (arXiv 2411.00640), equation 9, with t for z.
        """
        test, power = self._times(0.975), self._times(POWER)
        return None if test is None or power is None else test + power

    def and_from(self, variance: float, freedom: float) -> Estimate:
        """With another, independent source of error: variances add, degrees of freedom by Satterthwaite 1946."""
        if self.error is None or self.freedom is None:
            return self
        own = self.error**2
        total = own + variance
        if total == 0:
            return self
        parts = own**2 / self.freedom + variance**2 / freedom
        return Estimate(self.value, math.sqrt(total), total**2 / parts, self.blocks)

    def _times(self, quantile: float) -> float | None:
        from scipy.special import stdtrit

        if self.error is None or self.freedom is None:
            return None
        return float(stdtrit(self.freedom, quantile)) * self.error


def seeded(estimate: Estimate, values: Floats) -> Estimate:
    """With what trainings differ by: [S] the same ratio for each of the seeds of which `estimate` is the mean."""
    if len(values) < 2:
        return estimate
    return estimate.and_from(float(values.var(ddof=1)) / len(values), len(values) - 1.0)


@dataclass(frozen=True, eq=False)
class Layout:
    """A text cut into pieces, none of which lies in two documents.

    `starts`: [A] the token with which each piece begins, ascending from 0; `length`: tokens in all. `documents`: [G]
    the piece with which each document begins; one for a text that counts as one document. `alone`: how that is said.
    """

    starts: NDArray[np.int64]
    length: int
    documents: NDArray[np.int64]
    alone: str = ONE_DOCUMENT

    @property
    def blocks(self) -> str:
        count = len(self.documents)
        return self.alone if count == 1 else f"{count:,} documents"

    def sums(self, values: Floats | NDArray[np.int64]) -> Floats:
        """[A] the sum of `values` [length] over each piece."""
        if len(values) != self.length:
            raise ValueError(f"{len(values)} values for a layout of {self.length} tokens")
        return np.add.reduceat(values, self.starts).astype(np.float64)

    def estimate(self, numerator: Floats, denominator: Floats) -> Estimate:
        """`numerator.sum() / denominator.sum()`, [A] sums over pieces each.

        Worked example: two documents of 2 tokens with 2.0 and 4.0 nats have the mean 1.5; each is 0.5 from it, the
        error is 0.5, and 1.5 -+ 12.7 x 0.5 an interval on one degree of freedom.
        """
        whole = float(denominator.sum())
        value = float(numerator.sum()) / whole
        residuals = numerator - value * denominator
        found = []
        if len(self.documents) > 1:
            of_documents, sizes = (np.add.reduceat(each, self.documents) for each in (residuals, denominator))
            if sizes.max() < whole:
                found.append(_between(of_documents / whole, sizes / whole))
            means = np.divide(of_documents, sizes, out=np.zeros_like(sizes), where=sizes > 0)
            residuals = residuals - np.repeat(means, np.diff(np.append(self.documents, len(self.starts)))) * denominator
        spans = self.spans(residuals)
        if len(spans) >= FEWEST:
            found.append(_within(np.add.reduceat(residuals, spans) / whole))
        estimates = [Estimate(value, error, freedom, self.blocks) for error, freedom in found]
        return max(estimates, key=_half, default=Estimate(value, None, None, self.blocks))

    def spans(self, residuals: Floats) -> NDArray[np.int64]:
        """[B] the pieces with which spans begin that are ten autocorrelation times of `residuals` [A] long, or more.

        There are 100 at most, and 6 at least (where that many of 20 tokens go into the text).
        """
        independent = len(residuals) / (_FORGOTTEN * autocorrelation_time(residuals))
        count = max(1, min(_MOST, max(_LEAST, int(independent)), self.length // _SHORTEST))
        targets = np.arange(count, dtype=np.int64) * self.length // count
        return np.unique(np.searchsorted(self.starts, targets, side="right") - 1)

    def shares(self, residuals: Floats) -> Floats:
        """[G or B] the sums of `residuals` [A] over documents; over spans, where there is one document."""
        blocks = self.documents if len(self.documents) > 1 else self.spans(residuals)
        return np.add.reduceat(residuals, blocks)


def layout_of(tokens: Tokens) -> Layout:
    """The layout of a test text; where each line is a document, of one text, for lines are anything but independent.
    Pieces of one document are no documents either: they count as that one."""
    length = len(tokens)
    count = min(_PIECES, length)
    grid = np.arange(count, dtype=np.int64) * length // max(1, count)
    documents = tokens.documents
    if tokens.sources is not None:
        documents = documents[np.flatnonzero(np.diff(tokens.sources, prepend=-1))]
    if tokens.vocabulary.lines or len(documents) == 1:
        alone = LINES if tokens.vocabulary.lines and len(tokens.documents) > 1 else ONE_DOCUMENT
        return Layout(grid, length, np.zeros(1, dtype=np.int64), alone)
    starts = np.union1d(grid, documents)
    return Layout(starts, length, np.searchsorted(starts, documents))


def autocorrelation_time(values: Floats) -> float:
    """1 + 2 (r_1 + .. + r_M) of `values` [n], M being the first that is five times as much as the sum (Sokal 1997).

    That many values tell as much of the mean as one that is independent. Never below 1; 1 for an AR(1) series of
    coefficient 0, and (1 + c) / (1 - c) for one of c.
    """
    size = len(values)
    centred = values - values.mean()
    spectrum = np.fft.rfft(centred, 2 * size)
    correlations = np.fft.irfft((spectrum * spectrum.conj()).real, 2 * size)[:size]
    if size < 2 or correlations[0] <= 0:
        return 1.0
    times = 1 + 2 * np.cumsum(correlations[1:]) / correlations[0]
    enough = np.arange(1, size) >= _WINDOW * times
    return max(1.0, float(times[np.argmax(enough)] if enough.any() else times.max()))


def _between(residuals: Floats, shares: Floats) -> tuple[float, float]:
    """(error, degrees of freedom) from documents, [G] residuals and sizes as shares of the whole.

    The jackknife's squares (e_d / (1 - w_d))^2 (CR3), in sum divided by what they come to where the variance of a
    document goes with its size; the freedom is Satterthwaite's under the same assumption, G - 1 for equal sizes.
    """
    odds = shares / (1 - shares)
    total = odds.sum()
    squares = odds**2
    freedom = total**2 / (squares.sum() + squares.sum() ** 2 - (squares**2).sum())
    return math.sqrt(float(((residuals / (1 - shares)) ** 2).sum() / total)), float(freedom)


def _within(sums: Floats) -> tuple[float, float]:
    """(error, degrees of freedom) from [B] spans' residuals: batch means, and what neighbours still have in common."""
    count = len(sums)
    power = float((sums**2).sum())
    if power == 0:
        return 0.0, count - 1.0
    neighbours = float((sums[1:] * sums[:-1]).sum()) / power + 1 / count
    return math.sqrt(power * count / (count - 1) * (1 + 2 * max(0.0, neighbours))), count - 1.0


def _half(estimate: Estimate) -> float:
    interval = estimate.interval
    return 0.0 if interval is None else interval[1] - interval[0]
