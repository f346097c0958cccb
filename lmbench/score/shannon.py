"""Shannon's prediction game: what the ranks of right guesses say of the entropy, and Cover and King's bets.

A guesser who names symbols in order of falling probability turns a text into a sequence of ranks, from
which the text can be had back. With q_i the share of symbols found at guess i (Shannon 1951, equation 17):

    sum_i i (q_i - q_(i+1)) log2 i  <=  F_N  <=  - sum_i q_i log2 q_i      bits per symbol

The upper bound holds for any guesser, the lower for one who guesses in the best order. Both are of shares that are
known exactly; the entropy of shares counted on few symbols is too low, which `bounds` corrects.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmbench.score import bootstrap
from lmbench.score.bootstrap import Interval

Floats = NDArray[np.float64]

SINGLE = 32  # ranks that are kept apart; further ones are put together, eight groups to an octave
TIE = 1e-9  # nats: what is nearer than this is no preference
FEW = 500  # symbols below which an interval is narrower than it says, see `bounds`
_GROUPS = 8
_SHORTEST = 5  # symbols in a span
FEWEST = bootstrap.FEWEST * _SHORTEST  # symbols below which there is no interval, and a bound says little


@dataclass(frozen=True)
class Bounds:
    """Bits per symbol, with 95 % intervals; None where there are too few symbols for one.

    `shares`: [K] the share found at guess 1, 2, ..., in the groups of `group_edges`. `first`: the first of them.
    `guesses`: mean rank. `symbols`: how many were guessed.
    """

    lower: float
    upper: float
    ci95_lower: Interval | None
    ci95_upper: Interval | None
    first: float
    guesses: float
    symbols: int
    shares: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Ranks:
    """Where each true symbol stood in the guesser's order: after `before` others, [n], level with `ties` - 1 more, [n].

    `alphabet`: how many symbols there are. Symbols that the guesser does not tell apart have no order of their own,
    and that of their ids is chance; an order drawn at random puts the true one at each of the ranks before + 1 ..
    before + ties with probability 1 / ties, and those shares are what is counted. (A rank in the middle of the tie,
    or at its end, would make a guesser who knows nothing find every symbol at one and the same rank: entropy zero.)

    Worked example: three symbols of probability 0.5, 0.25, 0.25 and the second is true: before 1, ties 2, which
    counts one half at rank 2 and one half at rank 3.
    """

    before: NDArray[np.int64]
    ties: NDArray[np.int64]
    alphabet: int

    def __len__(self) -> int:
        return len(self.before)

    @property
    def mean(self) -> float:
        """Mean rank, from 1."""
        return float((self.before + (self.ties + 1) / 2).mean())


def rank(log_probs: Floats, targets: NDArray[np.integer[Any]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(before, ties), [k] each: where `targets` [k] stand in the order of `log_probs` [V], nats, one distribution.

    Probabilities within 1e-9 nats of each other are tied; symbols that are impossible are all tied.
    """
    ascending = np.sort(log_probs)
    own = log_probs[targets]
    above = len(ascending) - np.searchsorted(ascending, own + TIE, side="right")
    below = np.searchsorted(ascending, own - TIE, side="left")
    before = above.astype(np.int64)
    return before, len(ascending) - before - below.astype(np.int64)


def group_edges(alphabet: int) -> NDArray[np.int64]:
    """[K + 1] the ranks, from 0, at which groups begin, and the alphabet's size at the end.

    Ranks up to 32 stand alone; from 33 on eight groups make an octave, for far ranks are too rare to be counted one
    by one: Shannon averaged them in groups likewise (1951, section 6). An alphabet of up to 32 has no group.
    """
    edges = list(range(min(SINGLE, alphabet)))
    start = SINGLE
    while start < alphabet:
        edges += range(start, min(2 * start, alphabet), start // _GROUPS)
        start *= 2
    return np.array([*edges, alphabet], dtype=np.int64)


def counted(ranks: Ranks, starts: NDArray[np.int64] | None = None) -> Floats:
    """[B, K] how many symbols of each block fell into each group of ranks; one block where `starts` is not given."""
    edges = group_edges(ranks.alphabet)
    starts = np.zeros(1, dtype=np.int64) if starts is None else starts
    block = np.searchsorted(starts, np.arange(len(ranks)), side="right") - 1
    found = np.zeros((len(starts), len(edges) - 1))
    group = np.searchsorted(edges, ranks.before, side="right") - 1
    single = ranks.ties == 1
    np.add.at(found, (block[single], group[single]), 1.0)
    for at in np.flatnonzero(~single):
        low, high = int(ranks.before[at]), int(ranks.before[at] + ranks.ties[at])
        inside = np.clip(np.minimum(edges[1:], high) - np.maximum(edges[:-1], low), 0, None)
        found[block[at]] += inside / ranks.ties[at]
    return found


def upper_bound(counts: Floats, alphabet: int) -> Floats:
    """[...] bits: -sum q log2 q of `counts` [..., K], in the groups of `group_edges`, spread evenly over each group.

    Spreading can only raise the entropy, so that the bound stays one.

    Worked example: found at guess 1, 1, 1 and 2: q = (3/4, 1/4), 0.8113 bits.
    """
    widths = np.diff(group_edges(alphabet))
    share = counts / counts.sum(axis=-1, keepdims=True)
    terms = np.where(share > 0, share * np.log2(np.where(share > 0, share, 1.0) / widths), 0.0)
    found: Floats = np.abs(terms.sum(axis=-1))
    return found


def lower_bound(counts: Floats, alphabet: int) -> Floats:
    """[...] bits: sum_i i (q_i - q_(i+1)) log2 i of `counts` [..., K], which is sum_i q_i w_i with
    w_i = i log2 i - (i-1) log2 (i-1).

    The q_i of the best order fall; counts of few guesses need not. They are put in falling order first, which makes
    the sum no larger, and never larger than the entropy. A group of ranks counts with the w of its first, the least.

    Worked example: found at guess 1, 1, 1 and 2: 1 (3/4 - 1/4) log2 1 + 2 (1/4) log2 2 = 0.5 bits.
    """
    widths = np.diff(group_edges(alphabet))
    order = np.argsort(-(counts / widths), axis=-1, kind="stable")
    falling = np.take_along_axis(counts, order, axis=-1)
    taken = np.cumsum(widths[order], axis=-1) - widths[order]  # ranks before each group
    weights = _x_log_x(taken + 1) - _x_log_x(taken)
    found: Floats = (falling * weights).sum(axis=-1) / counts.sum(axis=-1)
    return found


def _x_log_x(x: NDArray[np.int64]) -> Floats:
    return np.multiply(x, np.log2(np.maximum(x, 1)), dtype=np.float64)


def spans(length: int) -> NDArray[np.int64]:
    """[B] where up to 100 spans of consecutive symbols begin, none of fewer than five: the blocks of the bootstrap."""
    return bootstrap.spans(length, _SHORTEST)


def miller_madow(counts: Floats) -> float:
    """(K - 1) / 2n nats in bits: what the entropy of shares counted on n symbols falls short by, to first order (Miller
    1955). K is how many groups of `counts` [K'] have a symbol; one that ties shared out counts as the part it got.

    Worked example: counts 75 and 25: 1 / 200 nats, 0.0072 bits.
    """
    seen = float(np.minimum(counts, 1).sum())
    return max(0.0, seen - 1) / (2 * float(counts.sum()) * math.log(2))


def _corrected(counts: Floats, alphabet: int) -> float:
    """The upper bound of `counts` [K] with that correction, and no more than the logarithm of the alphabet."""
    return min(float(upper_bound(counts, alphabet)) + miller_madow(counts), math.log2(alphabet))


def bounds(ranks: Ranks, seed: int = 0) -> Bounds:
    """Shannon's bounds with 95 % intervals from `ranks` [n], in the order of the text.

    The upper one has Miller and Madow's correction, up to the logarithm of the alphabet: of 100 ranks drawn from shares
    that fall as 1 / i^1.6 over 27 ranks, the plain value was below the true bound in 83 % of 2,000 samples, by 0.20
    bits on average, the corrected one in 68 %, by 0.10; of 1,000 ranks in 60 and 50 %, by 0.019 and 0.001.

    Raises ValueError for no ranks. The interval is the basic bootstrap's over spans of consecutive symbols (Davison
    & Hinkley 1997, section 5.2) of the plain value: entropies of few counts are too low, resampled ones again by about
    as much, and this interval takes that off where percentiles would have it twice. Of ranks drawn from the same shares
    the intervals of 100 symbols held the true bounds in 84 and 87 % of 200 samples, those of 1,000 symbols in 94 and
    95 % (`tests/score/test_shannon.py` draws them again).
    """
    if not len(ranks):
        raise ValueError("no symbol has been guessed")
    counts = counted(ranks, spans(len(ranks)))
    whole = counts.sum(axis=0)
    size = ranks.alphabet
    lower, plain = float(lower_bound(whole, size)), float(upper_bound(whole, size))
    upper = _corrected(whole, size)
    drawn = _resampled(counts, seed)
    return Bounds(
        lower=min(lower, upper),
        upper=upper,
        ci95_lower=None if drawn is None else _basic(lower, lower_bound(drawn, size), math.log2(size)),
        ci95_upper=None if drawn is None else _held(_basic(plain, upper_bound(drawn, size), math.log2(size)), upper),
        first=float(whole[0]) / len(ranks),
        guesses=ranks.mean,
        symbols=len(ranks),
        shares=tuple((whole / len(ranks)).tolist()),
    )


def paired_bounds(first: Ranks, second: Ranks, seed: int = 0) -> dict[str, tuple[float, Interval | None]]:
    """First guesser's `lower` and `upper` bound minus the second's on the same passage, and the mean rank's `guesses`.

    Both are resampled on the same spans, so that what makes a span hard for both cancels. Raises ValueError where
    they did not guess the same number of symbols of one alphabet.
    """
    if len(first) != len(second) or first.alphabet != second.alphabet or not len(first):
        raise ValueError("two guessers are compared on the same symbols")
    starts, size = spans(len(first)), first.alphabet
    both = [counted(ranks, starts) for ranks in (first, second)]
    drawn = [_resampled(counts, seed) for counts in both]
    wholes = [counts.sum(axis=0) for counts in both]
    found: dict[str, tuple[float, Interval | None]] = {}
    for name, bound in (("lower", lower_bound), ("upper", upper_bound)):
        plain = float(bound(wholes[0], size) - bound(wholes[1], size))
        value = plain if name == "lower" else _corrected(wholes[0], size) - _corrected(wholes[1], size)
        one, two = drawn
        interval = None if one is None or two is None else _basic(plain, bound(one, size) - bound(two, size), None)
        found[name] = (value, interval and _held(interval, value))
    guesses = first.before + first.ties / 2 - second.before - second.ties / 2
    found["guesses"] = (float(guesses.mean()), mean_interval(guesses, seed))
    return found


def mean_interval(values: Floats, seed: int = 0) -> Interval | None:
    """95 % interval of the mean of `values` [n], one for each symbol, over the same spans as the bounds'."""
    starts = spans(len(values))
    drawn = bootstrap.drawn_again(len(starts), seed)
    if drawn is None:
        return None
    sizes = np.diff(np.append(starts, len(values)))
    means = (drawn @ np.add.reduceat(values, starts)) / (drawn @ sizes)
    return _basic(float(values.mean()), means, None)


def gambling_bits(shares: Floats, alphabet: int) -> float:
    """Cover & King 1978: log2 V - (1/n) log2 S_n, bits per symbol, S_n being what 1 has grown to at V for 1.

    `shares` [n]: the part of the capital that lay on each symbol that came. Worked example, V = 4: half the capital
    on the right symbol twice makes S_2 = (4/2)^2 = 4, and 2 - (1/2) 2 = 1 bit. Infinite after a share of zero.
    """
    if not len(shares):
        raise ValueError("nothing has been bet")
    if (shares == 0).any():
        return math.inf
    capital = float(np.log2(shares * alphabet).sum())
    return math.log2(alphabet) - capital / len(shares)


def _resampled(counts: Floats, seed: int) -> Floats | None:
    """[R, K] counts of texts made of blocks drawn with replacement; None for fewer than five blocks."""
    drawn = bootstrap.drawn_again(len(counts), seed)
    return None if drawn is None else drawn @ counts


def _basic(value: float, drawn: Floats, most: float | None) -> Interval:
    """(2 value - upper quantile, 2 value - lower quantile), widened to hold `value`, and within 0 .. most if given."""
    low, high = (2 * value - float(bound) for bound in np.quantile(drawn, [0.975, 0.025]))
    low, high = min(low, value), max(high, value)
    return (low, high) if most is None else (max(0.0, low), max(value, min(high, most)))


def _held(interval: Interval, value: float) -> Interval:
    """The interval, widened to hold `value`."""
    return min(interval[0], value), max(interval[1], value)


def doubt(symbols: int, interval: Interval | None) -> str:
    """What should be said of an interval made of so few symbols; nothing where there is none, or they are enough."""
    if interval is None or symbols >= FEW:
        return ""
    return (
        f"intervals of fewer than {FEW} symbols (here {symbols}) hold the true bound less often than in 95 % of cases: "
        "of 100 symbols in some 85 %"
    )
