"""The exponents of a text that predict how a model's loss falls with its training data.

Cagnetta, Raventos, Ganguli & Wyart 2026 (arXiv 2602.07488): where the entropy of a token given n before it falls as
H_n - H_inf ~ n^-gamma (eq. 6), and the operator norm of the covariance of tokens n apart as n^-beta (eq. 7), P tokens
of training show a correlation above their noise of P^-1/2 up to a distance n ~ P^(1/2 beta), and the loss of a model
that makes use of it falls as P^-alpha with alpha_D = gamma / (2 beta).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lmbench.entropy._ansatz import extrapolate
from lmbench.entropy._curves import Curve, conditional_entropies, prequential_rates, shuffled_spans
from lmbench.entropy._symbols import Symbols
from lmbench.errors import LmbenchError
from lmbench.model import models
from lmbench.progress import Progress, Silent
from lmbench.spec import Spec
from lmbench.structure.dependence import Dependence
from lmbench.structure.fits import Interval, line
from lmbench.tokens import Tokens

COVERAGE = 0.95  # of n-grams, least
ORDER = 8
LONGEST = 7  # symbols of context of the n-grams
_FEWEST = 3  # points of a slope
_SHORTEST = 10_000  # symbols for the losses of n-grams

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Exponent:
    """A measured exponent: `value` None where the data do not carry it, and then `about` says why.

    `limit`: the level above which the curve falls, in bits; 0 where none could be told, and the exponent is then the
    slope of the curve itself, which is at or below that of what is above a limit. `sizes` and `values` are the curve,
    of which `used` points from number `first` on were fitted.
    """

    value: float | None
    interval: Interval | None
    limit: float
    about: str
    sizes: list[float]
    values: list[float]
    first: int = 0
    used: int = 0


@dataclass(frozen=True)
class Scaling:
    """`predicted` is gamma / (2 beta), `measured` the exponent of a model's loss against its training data."""

    gamma: Exponent
    beta: Exponent
    predicted: float | None
    predicted_interval: Interval | None
    measured: Exponent | None
    model: str | None


def scaling(
    symbols: Symbols, dependence: Dependence, text: Tokens, model: Spec | None, progress: Progress, seed: int = 0
) -> Scaling:
    """gamma, beta, what they predict, and beside it the exponent of `model`, None for no model.

    The paper reads gamma off the losses of trained networks with n tokens of context. Here it is read off conditional
    entropies of the text itself, as far as its n-grams are covered; where they give fewer than 3 contexts, off the
    losses of n-grams of orders 2 to 8 on the last tenth of the text, as far as a longer context helps. beta is that
    of the paper but for rare symbols, which are left out of the covariance. `model`'s losses are those of its
    prequential code.
    """
    gamma = decay_exponent(symbols, text, progress, seed)
    beta = correlation_exponent(dependence)
    predicted, interval = prediction(gamma, beta)
    measured = None if model is None else loss_exponent(text, model, progress, seed)
    return Scaling(gamma, beta, predicted, interval, measured, None if model is None else str(model))


def prediction(gamma: Exponent, beta: Exponent) -> tuple[float | None, Interval | None]:
    """gamma / (2 beta), and the span of it over both intervals; None where one of them is not known or not above 0.

    Worked example: 0.34 and 0.88, the paper's TinyStories, give 0.193.
    """
    if gamma.value is None or beta.value is None or gamma.value <= 0 or beta.value <= 0:
        return None, None
    interval = None
    if gamma.interval and beta.interval and beta.interval[0] > 0:
        ends = (gamma.interval[0] / (2 * beta.interval[1]), gamma.interval[1] / (2 * beta.interval[0]))
        interval = (max(0.0, ends[0]), max(0.0, ends[1]))
    return gamma.value / (2 * beta.value), interval


def decay_exponent(symbols: Symbols, text: Tokens, progress: Progress, seed: int = 0) -> Exponent:
    """gamma, from F_2, F_3, ...: the entropy of a symbol given 1, 2, ... before it; or from the losses of n-grams."""
    try:
        curve = conditional_entropies(symbols, ORDER, COVERAGE, progress, seed)
    except LmbenchError as error:
        if len(text) >= _SHORTEST:
            return _of_losses(text, progress, seed)
        return Exponent(None, None, 0.0, str(error), [], [])
    if len(curve.sizes) <= _FEWEST and len(text) >= _SHORTEST:
        return _of_losses(text, progress, seed)
    context = Curve(
        curve.sizes[1:] - 1, curve.values[1:], curve.replicates[:, 1:], None, None, f"n-grams covered to {COVERAGE:.0%}"
    )
    return _exponent(context, "of context", seed)


def _of_losses(text: Tokens, progress: Progress, seed: int) -> Exponent:
    """gamma from what n-grams with 1, 2, ... symbols of context lose on the last tenth, spans in random order."""
    text = shuffled_spans(text, seed)
    test = text.tail(len(text) // 10)
    train = text.head(len(text) - len(test))
    known, held = train.head(len(train) * 9 // 10), train.tail(len(train) - len(train) * 9 // 10)
    losses: list[float] = []
    with progress.task("losses of n-grams", LONGEST) as task:
        for context in range(1, LONGEST + 1):
            model = models.make(f"ngram(order={context + 1})").fit(known, held, Silent())
            model.refit(train, Silent())
            losses.append(-float(model.log_probs(test, Silent()).mean()) / math.log(2))
            task.advance()
    falling = next((n for n in range(1, len(losses)) if losses[n] > 0.99 * losses[n - 1]), len(losses))
    sizes = np.arange(1.0, len(losses) + 1)
    curve = (sizes.tolist(), losses)
    if falling < _FEWEST:
        return Exponent(None, None, 0.0, f"a context of more than {falling} does not help an n-gram here", *curve)
    slope = line(np.log(sizes[:falling]), np.log(np.array(losses[:falling])))
    about = (
        f"slope of the losses of n-grams with 1 to {falling} of context, without a limit: a longer one does not help"
    )
    return Exponent(-slope.slope, slope.falling, 0.0, about, *curve, used=falling)


def correlation_exponent(found: Dependence) -> Exponent:
    """beta, from the norms of the covariance at the distances where they stand clear of those of shuffled text."""
    norms, decay = found.correlation, found.correlation.decay
    sizes = [float(distance) for distance in norms.distances]
    if decay is None:
        return Exponent(None, None, 0.0, norms.refused, sizes, norms.values)
    about = f"slope over {decay.points} distances from 1 to {decay.last:,}"
    if decay.better == "exponential":
        about += ", where an exponential fits better"
    if not decay.close:
        about += "; off by more than a factor of 2, as the decay has more than one stage"
    return Exponent(decay.exponent, decay.interval, 0.0, about, sizes, norms.values, used=decay.points)


def loss_exponent(text: Tokens, model: Spec, progress: Progress, seed: int = 0) -> Exponent:
    """alpha_D as measured: how the loss of `model` on what comes next falls with the tokens it has learnt from."""
    try:
        curve = prequential_rates(model, text, progress, seed, local=True)
    except LmbenchError as error:
        return Exponent(None, None, 0.0, str(error), [], [])
    return _exponent(curve, "of training data", seed)


def _exponent(curve: Curve, what: str, seed: int) -> Exponent:
    """That of a power law with a limit where the curve carries one; else the slope of the curve itself."""
    sizes, values = curve.sizes.tolist(), curve.values.tolist()
    try:
        law = extrapolate(curve.sizes, curve.values, curve.replicates, "power", seed)
    except LmbenchError as error:
        if len(sizes) < _FEWEST or not bool((curve.values > 0).all()):
            return Exponent(None, None, 0.0, f"{len(sizes)} sizes {what} can be measured: {error}", sizes, values)
        slope = line(np.log(curve.sizes), np.log(curve.values))
        about = f"slope over {len(sizes)} sizes {what}, {sizes[0]:,.0f} to {sizes[-1]:,.0f}, without a limit ({error})"
        return Exponent(-slope.slope, slope.falling, 0.0, about, sizes, values, used=len(sizes))
    used = len(sizes) - law.first
    about = f"above a limit of {law.limit:.3f} bits, {used} sizes {what}, {sizes[law.first]:,.0f} to {sizes[-1]:,.0f}"
    return Exponent(law.exponent, law.exponent_interval, law.limit, about, sizes, values, law.first, used)
