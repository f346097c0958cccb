"""Block entropies and the conditional entropies F_n that Shannon read off them."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lmbench.entropy._intervals import NO_INTERVAL, block_sums_at, jackknife_interval
from lmbench.entropy._ngrams import Order, ngram_orders
from lmbench.entropy._symbols import Symbols, show_sorting, symbols_of
from lmbench.entropy.base import Estimate, Unit
from lmbench.entropy.corrections import corrections
from lmbench.entropy.corrections.base import Correction
from lmbench.errors import LmbenchError, UsageError
from lmbench.progress import Progress
from lmbench.spec import Spec
from lmbench.tokens import Tokens

__all__ = ["Block"]


class Block:
    """Conditional entropy F_n of a symbol given the n-1 before it, from n-gram counts.

    F_n = H_n - H_(n-1), where H_n is the entropy of the n-grams of training and test text
    together (Shannon 1951, eq. 1); H_(n-1) is taken over the first n-1 symbols of those very
    n-grams, so that both are sums over the same windows and no window crosses documents.

    F_n falls towards the entropy rate as n grows, but its estimate falls below the truth as
    soon as most n-grams occur once. The Good-Turing coverage 1 - f_1/N of the n-grams says
    where: the figure is the last F_n up to which every coverage is at least `coverage`, and
    the curve goes on, flagged as unreliable. At a coverage of 0.99 the Miller-Madow value was
    within 1 % of the truth on Markov chains of order 1 to 4 made from English letters.

    The interval is the sampling error of the mean of log2 n(context) / n(n-gram) over the
    windows, whose mean is the plug-in F_n, by a delete-a-block jackknife with the counts held
    fixed (the influence function of entropy is -log p); upwards it is longer by the first-order
    bias of the plug-in value, (K_n - K_(n-1)) / 2N nats, as a correction may leave part of that. It
    is an interval for F_n: it does not reach down to what symbols further back would tell. On sources
    of known rate (results/reference/calibration.md) 205 of 311 intervals held the rate: all on
    uniform draws, none on a context-free grammar, where F_n is 0.10 bits above it at 1,000,000 symbols.

    Worked example, "abababa": of 6 bigrams ab and ba occur 3 times each, H_2 = 1 bit; their
    first symbols a and b 3 times each, H_1 = 1 bit; F_2 = 0.

    Args:
        unit: the symbols: token (of the run's tokenizer), word (between white space), char or byte
        order: the longest n-gram counted
        correction: correction of each block entropy for the finite sample
        coverage: least Good-Turing coverage at which F_n still counts as an estimate
    """

    def __init__(
        self,
        unit: Literal["token", "word", "char", "byte"] = "char",
        order: int = 16,
        correction: Spec | str = "miller_madow",
        coverage: float = 0.99,
    ) -> None:
        if order < 1:
            raise UsageError(f"estimator 'block': order must be at least 1, not {order}")
        if not 0.0 <= coverage <= 1.0:
            raise UsageError(f"estimator 'block': coverage must be between 0 and 1, not {coverage}")
        self.unit: Unit = unit
        self.order = order
        self.coverage = coverage
        self.correction_name = str(correction)
        self.correction: Correction = corrections.make(correction)

    def estimate(self, train: Tokens, test: Tokens, progress: Progress) -> list[Estimate]:
        started = time.perf_counter()
        symbols = symbols_of(train, test)
        if len(symbols) < 2:
            raise LmbenchError(
                f"block entropies need at least 2 symbols, and the text has {len(symbols)}; give more text"
            )
        curve: list[_Point] = []
        with progress.task(f"block entropies ({self.unit})", min(self.order, int(symbols.remaining.max()))) as task:
            for order in ngram_orders(symbols, self.order, show_sorting(task)):
                reliable_so_far = all(point.reliable for point in curve)
                curve.append(self._point(order, len(symbols), reliable_so_far))
                task.advance()
        reliable = [point for point in curve if point.reliable]
        if not reliable:
            raise LmbenchError(
                f"block entropies need symbols that repeat: of {len(symbols)} symbols ({self.unit}) only "
                f"{curve[0].coverage:.0%} is covered by those seen twice or more; give more text, a smaller unit, or a "
                "lower block(coverage=...)"
            )
        return [self._estimate(reliable[-1], curve, symbols, time.perf_counter() - started)]

    def _point(self, order: Order, length: int, reliable_so_far: bool) -> _Point:
        block = self.correction(order.ngrams)
        # The correction of a difference can overshoot where the data are few; F_n is never negative.
        conditional = max(0.0, block - self.correction(order.histories))
        coverage = order.ngrams.coverage
        reliable = reliable_so_far and coverage >= self.coverage
        sums = None
        if reliable:
            windows = np.broadcast_to(1, len(order.positions))
            sums = block_sums_at(order.positions, length, order.surprisals(), windows)
        bias = (order.ngrams.distinct - order.histories.distinct) / (2 * order.ngrams.total)
        return _Point(
            order.n, block / _BIT, conditional / _BIT, bias / _BIT, coverage, order.ngrams.total, reliable, sums
        )

    def _estimate(self, chosen: _Point, curve: list[_Point], symbols: Symbols, seconds: float) -> Estimate:
        after = [point for point in curve if not point.reliable][:1]
        stop = f"; coverage at n = {after[0].n} is {after[0].coverage:.4f}, too low to go on" if after else ""
        interval = _interval(chosen)
        return symbols.estimate(
            f"block F_{chosen.n} ({self.unit})",
            chosen.conditional,
            interval,
            f"the entropy of a symbol given {chosen.n - 1} before it, which is at or above the rate; "
            f"{self.correction_name}, {len(symbols):,} symbols of training and test text, coverage "
            f"{chosen.coverage:.4f}{stop}; "
            + (
                f"interval: of F_{chosen.n} itself, block jackknife and first-order bias: "
                "where memory is longer, the rate lies below it"
                if interval
                else NO_INTERVAL
            ),
            seconds,
            _json(curve, symbols),
        )


_BIT = math.log(2.0)


@dataclass(frozen=True)
class _Point:
    """One n of the curve, in bits per symbol.

    `bias`: how far the plug-in value falls short, to first order. `sums`: block sums of (surprisal, windows).
    """

    n: int
    block: float
    conditional: float
    bias: float
    coverage: float
    windows: int
    reliable: bool
    sums: NDArray[np.float64] | None


def _interval(point: _Point) -> tuple[float, float] | None:
    """The jackknife interval of the plug-in F_n, moved onto the corrected value, the bias on top; bits per symbol."""
    if point.sums is None:
        return None
    found = jackknife_interval(point.sums, lambda sums: sums[..., 0] / np.maximum(sums[..., 1], 1))
    if found is None:
        return None
    centre = float(point.sums[:, 0].sum() / point.sums[:, 1].sum())
    half = found[1] - centre
    return max(0.0, point.conditional - half), point.conditional + half + point.bias


def _json(curve: list[_Point], symbols: Symbols) -> dict[str, Any]:
    return {
        "n": [point.n for point in curve],
        "block_entropy_bits": [point.block for point in curve],
        "conditional_entropy_bits": [point.conditional for point in curve],
        "bits_per_character": [symbols.per_character(point.conditional) for point in curve],
        "coverage": [point.coverage for point in curve],
        "windows": [point.windows for point in curve],
        "reliable": [point.reliable for point in curve],
    }
