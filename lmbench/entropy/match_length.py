"""Entropy from the lengths of matches with the past."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lmbench.counts.matches import longest_earlier_matches
from lmbench.entropy._intervals import NO_INTERVAL, block_bounds, jackknife_interval
from lmbench.entropy._matches import earlier_matches
from lmbench.entropy._symbols import Symbols, new_symbols, show_sorting, symbols_of
from lmbench.entropy.base import Estimate, Unit
from lmbench.errors import LmbenchError, UsageError
from lmbench.progress import Progress
from lmbench.tokens import Tokens

__all__ = ["MatchLength"]


class MatchLength:
    """Entropy rate from how far the text at each place repeats what stands before it.

    L_i is one more than the longest match of the text at i with the text beginning anywhere
    before it; a source of entropy rate h repeats about (log2 i) / h symbols (Grassberger 1989;
    Kontoyiannis, Algoet, Suhov & Wyner 1998). Averaging `lengths`, h = 1 / mean(L_i / log2 i);
    averaging `rates`, h = mean(log2 i / L_i), never smaller, and consistent for every stationary
    ergodic source with a finite alphabet (Gao, Kontoyiannis & Bienenstock 2008). With a `window` w
    matches begin at most w back, and log2 w stands for log2 i. Training and test text are read
    as one stream, documents end to end; no n-gram is counted, so contexts have no limit. The
    bias, of either sign, dies away only as 1 / log i: on uniform draws from 26 symbols, of rate 4.700,
    it was -0.842 bits at 100,000 symbols, and -0.788 with `rates`.

    Most of that bias is the constant C in mean(L_i) = (log2 i) / h + C, which sources of short memory
    have (for suffix trees: Szpankowski 1993). Averaging by `slope` does without it: L_i is
    regressed on log2 i, and h = 1 / slope, at the price of more spread.

    The interval is a delete-a-block jackknife of the average. It measures the spread alone. On sources of
    known rate (results/reference/calibration.md) it held the rate in 36 of 364 samples with
    `lengths`, 83 of 364 with `rates` and 262 of 298 with `slope`; on a hidden Markov source the bias at 1,000,000
    symbols was -0.227, -0.133 and -0.009 bits. Where memory has no end that constant is none: on a renewal source of
    0.758 bits the bias at 1,000,000 symbols was -0.467, -0.012 and -0.692.

    Worked example, "abaab": i = 2, 3, 4 have L = 2, 3, 2; L / log2 i = 2, 1.893, 1; h = 0.6132 bits.

    Args:
        unit: the symbols: token (of the run's tokenizer), word (between white space), char or byte
        window: how far back a match may begin; none: anywhere before
        average: lengths, rates or slope
    """

    def __init__(
        self,
        unit: Literal["token", "word", "char", "byte"] = "char",
        window: int | None = None,
        average: Literal["lengths", "rates", "slope"] = "lengths",
    ) -> None:
        if window is not None and window < 2:
            raise UsageError(f"estimator 'match_length': window must be at least 2, not {window}")
        if window is not None and average == "slope":
            raise UsageError("estimator 'match_length': a window leaves no slope; take average=lengths or rates")
        self.unit: Unit = unit
        self.window = window
        self.average = average

    def estimate(self, train: Tokens, test: Tokens, progress: Progress) -> list[Estimate]:
        started = time.perf_counter()
        symbols = symbols_of(train, test)
        first = self.window or 2
        if len(symbols) <= first:
            raise LmbenchError(
                f"match lengths need more than {first:,} symbols, the text has {len(symbols)}; give more text"
                + (" or a shorter window" if self.window else "")
            )
        with progress.task(f"match lengths ({self.unit})") as task:
            if self.window is None:
                matches = earlier_matches(symbols.ids, show_sorting(task))
            else:
                matches = longest_earlier_matches(symbols.ids, self.window, show_sorting(task))
        blocks = block_bounds(len(symbols) - first)
        doubled = [1 << power for power in range(3, int(blocks[-1]).bit_length())]
        ends = np.unique([*blocks, *doubled])
        ends = ends[ends <= blocks[-1]]
        totals = self._totals(matches, first, ends)
        sums = np.diff(totals[np.searchsorted(ends, blocks)], axis=0)
        bits = float(self._rate(sums.sum(axis=0)))
        if not 0.0 <= bits < np.inf:
            raise LmbenchError("matches do not grow longer with the text before them; take average=lengths or rates")
        interval = jackknife_interval(sums, self._rate)
        reach = f"window of {self.window:,}" if self.window else "increasing window"
        spread = "interval: block jackknife, the spread without the bias" if interval else NO_INTERVAL
        note = (
            f"mean match of {matches[first:].mean():.2f} symbols, {reach}, {_HOW[self.average]}, {len(symbols):,} "
            f"symbols of training and test text; {_CONVERGES[self.average]}; {spread}"
            f"{self._repeats(matches[first:])}{new_symbols(symbols, self.unit)}"
        )
        parts = np.isin(ends, [*doubled, blocks[-1]])
        curve = self._curve(totals[parts], ends[parts] + first, symbols)
        elapsed = time.perf_counter() - started
        name = "match length, slope" if self.average == "slope" else "match length"
        return [symbols.estimate(f"{name} ({self.unit})", bits, interval, note, elapsed, curve)]

    def _repeats(self, matches: NDArray[np.int64]) -> str:
        """A clause on passages that stand in the text twice, where they weigh in an average of lengths."""
        least = 10 * int(np.median(matches)) + 10
        long = matches[matches >= least]
        share = long.sum() / max(1, matches.sum())
        if self.average == "rates" or share < 0.05:
            return ""
        return (
            f"; {len(long) / len(matches):.2%} of the matches are of {least:,} symbols or more, the longest of "
            f"{matches.max():,}, and make up {share:.0%} of all lengths: passages that the text holds twice pull the "
            "figure down, least so with average=rates"
        )

    def _totals(self, matches: NDArray[np.int64], first: int, ends: NDArray[np.int64]) -> NDArray[np.float64]:
        """[e, k] sums, that `_rate` is a function of, over the places from `first` to `first` + each of `ends`, which
        ascend from 0."""
        pieces = [np.zeros(5 if self.average == "slope" else 2)]
        for start, stop in pairwise((ends + first).tolist()):
            lengths = matches[start:stop] + 1
            log = np.log2(np.full(stop - start, self.window) if self.window else np.arange(start, stop))
            if self.average == "slope":
                pieces.append(np.array([len(log), log.sum(), lengths.sum(), log @ log, log @ lengths]))
            else:
                rates = lengths / log if self.average == "lengths" else log / lengths
                pieces.append(np.array([len(log), rates.sum()]))
        return np.cumsum(pieces, axis=0)

    def _rate(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """[...] bits per symbol from [..., k] sums; infinite or negative where matches do not grow."""
        count, *rest = np.moveaxis(sums, -1, 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.average == "slope":
                x, y, xx, xy = rest
                rise = count * xy - x * y
                rise = np.where(rise > _LEVEL * x * y, rise, 0.0)  # what is left by rounding is no rise
                return np.asarray((count * xx - x * x) / rise)
            return np.asarray(count / rest[0] if self.average == "lengths" else rest[0] / count)

    def _curve(self, totals: NDArray[np.float64], read: NDArray[np.int64], symbols: Symbols) -> dict[str, Any]:
        """The estimate from the first part of the text alone, for parts that double; none where it has no value."""
        bits = [value if 0.0 <= value < np.inf else None for value in self._rate(totals).tolist()]
        return {
            "symbols": read.tolist(),
            "bits_per_token": bits,
            "bits_per_character": [None if value is None else symbols.per_character(value) for value in bits],
        }


_LEVEL = 1e-12
_HOW = {"lengths": "average of lengths", "rates": "average of rates", "slope": "their slope against log2 i"}
_CONVERGES = dict.fromkeys(("lengths", "rates"), "converges slowly, with a bias of either sign")
_CONVERGES["slope"] = (
    "less biased than their average where memory is short, and more spread; on a renewal source of 0.758 bits, whose "
    "memory is long, 0.69 too low"
)
