"""Zipf's and Heaps' laws: how often the types of a text occur, and how many there are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lmbench.entropy._symbols import Symbols
from lmbench.errors import LmbenchError
from lmbench.structure.fits import Interval, line

_TYPES = 50  # in the tail that a law is fitted to
_CANDIDATES = 50  # least counts that are tried
_POINTS = 40  # of a curve
_SHORTEST = 100  # tokens at which Heaps' curve begins

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Zipf:
    """p(k) ~ k^-alpha of a type's count k >= `least`; `exponent` z = 1 / (alpha - 1) of frequency ~ rank^-z.

    `types` of `all_types` have such a count; `distance`: Kolmogorov-Smirnov, between their counts and the law.
    `ranks` and `counts` are the curve, log-spaced.
    """

    alpha: float
    alpha_interval: Interval
    exponent: float
    exponent_interval: Interval | None
    least: int
    types: int
    all_types: int
    distance: float
    ranks: list[int]
    counts: list[int]


@dataclass(frozen=True)
class Heaps:
    """V(n) ~ n^exponent distinct types among the first n tokens, fitted from `first` tokens on.

    `sizes` and `types` are the curve, log-spaced.
    """

    exponent: float
    interval: Interval | None
    factor: float
    first: int
    error: float
    sizes: list[int]
    types: list[int]


def zipf(symbols: Symbols) -> Zipf:
    """Zipf's law, fitted to the distribution of the types' counts by maximum likelihood.

    Clauset, Shalizi & Newman (2009): the discrete power law p(k) = k^-alpha / zeta(alpha, k_min), with the k_min whose
    law is nearest to the data by the Kolmogorov-Smirnov distance. Corral, Serra & Ferrer-i-Cancho (2019) show that
    fits to ranks do not recover the exponent, and those to counts do. The interval is alpha's asymptotic one, for
    independent types and this k_min. Raises LmbenchError for fewer than 50 types.
    """
    counts = np.bincount(symbols.ids)
    counts = np.sort(counts[counts > 0])[::-1].astype(np.int64)
    if len(counts) < _TYPES:
        raise LmbenchError(
            f"Zipf's law needs {_TYPES} types, the text has {len(counts)}; give more text or larger units"
        )
    candidates = np.unique(counts[_TYPES - 1 :])
    candidates = candidates[np.unique(np.rint(np.geomspace(1, len(candidates), _CANDIDATES)).astype(int)) - 1]
    fits = []
    for least in candidates.tolist():
        tail = counts[counts >= least]
        alpha = _likeliest(tail, least)
        if alpha is not None:
            fits.append((_distance(tail, alpha, least), alpha, int(least)))
    if not fits:
        raise LmbenchError("Zipf's law cannot be fitted: all types occur equally often")
    distance, alpha, least = min(fits)
    tail = counts[counts >= least]
    half = 1.96 * _standard_error(alpha, least, len(tail))
    low, high = alpha - half, alpha + half
    places = np.unique(np.rint(np.geomspace(1, len(counts), _POINTS)).astype(np.int64))
    return Zipf(
        alpha=alpha,
        alpha_interval=(low, high),
        exponent=1 / (alpha - 1),
        exponent_interval=(1 / (high - 1), 1 / (low - 1)) if low > 1 else None,
        least=least,
        types=len(tail),
        all_types=len(counts),
        distance=distance,
        ranks=places.tolist(),
        counts=counts[places - 1].tolist(),
    )


def _zeta(alpha: float, least: int | NDArray[np.int64]) -> Floats:
    """Hurwitz's zeta, the sum of k^-alpha over k >= least."""
    from scipy.special import zeta

    return np.asarray(zeta(alpha, least), dtype=np.float64)


def _likeliest(tail: NDArray[np.int64], least: int) -> float | None:
    """The alpha of largest likelihood, between 1.01 and 8; None where it is at an end, as for equal counts."""
    from scipy.optimize import minimize_scalar

    mean = float(np.log(tail).mean())
    found = minimize_scalar(
        lambda alpha: alpha * mean + math.log(float(_zeta(alpha, least))), bounds=(1.01, 8.0), method="bounded"
    )
    alpha = float(found.x)
    return alpha if 1.02 < alpha < 7.9 else None


def _distance(tail: NDArray[np.int64], alpha: float, least: int) -> float:
    """The greatest difference between the shares of types with a count of k or more, of the data and of the law."""
    values, multiplicity = np.unique(tail, return_counts=True)
    data = np.cumsum(multiplicity[::-1])[::-1] / len(tail)
    law = _zeta(alpha, values) / float(_zeta(alpha, least))
    return float(np.abs(data - law).max())


def _standard_error(alpha: float, least: int, types: int) -> float:
    """1 / sqrt(n (ln zeta)''), the curvature of the log-likelihood by a difference quotient."""
    step = 1e-3
    logs = [math.log(float(_zeta(alpha + shift, least))) for shift in (-step, 0.0, step)]
    return 1 / math.sqrt(types * (logs[0] - 2 * logs[1] + logs[2]) / step**2)


def heaps(symbols: Symbols) -> Heaps:
    """Heaps' law, V(n) = K n^lambda, by least squares on logarithms, at log-spaced n from a hundredth of the text on.

    The text is read in its order. Raises LmbenchError for fewer than 1,000 tokens.

    Worked example: "a b a c" has V = 1, 2, 2, 3.
    """
    if len(symbols) < 10 * _SHORTEST:
        raise LmbenchError(f"Heaps' law needs {10 * _SHORTEST:,} tokens, the text has {len(symbols):,}; give more text")
    seen = first_occurrences(symbols.ids, symbols.alphabet)
    sizes = np.unique(np.rint(np.geomspace(_SHORTEST, len(symbols), _POINTS)).astype(np.int64))
    types = np.searchsorted(seen, sizes, "left")
    first = max(_SHORTEST, len(symbols) // 100)
    fitted = sizes >= first
    law = line(np.log(sizes[fitted]), np.log(types[fitted]))
    return Heaps(
        exponent=law.slope,
        interval=law.interval,
        factor=math.exp(law.intercept),
        first=int(sizes[fitted][0]),
        error=law.error,
        sizes=sizes.tolist(),
        types=types.tolist(),
    )


def first_occurrences(ids: NDArray[np.integer[np.typing.NBitBase]], alphabet: int) -> NDArray[np.int64]:
    """[types] ascending: the place at which each type occurs first. [3, 1, 3, 0] gives [0, 1, 3]."""
    places = np.full(max(1, alphabet), len(ids), dtype=np.int64)
    width = 1 << 22
    for start in range(0, len(ids), width):
        found, at = np.unique(ids[start : start + width], return_index=True)
        new = places[found] == len(ids)
        places[found[new]] = start + at[new]
    return np.sort(places[places < len(ids)])
