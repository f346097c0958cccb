"""How often the 95 % intervals hold the truth, on synthetic losses of which the truth is known; prints a table.

    python benchmarks/coverage.py [--trials 1000]

A loss is gamma-distributed noise that an autoregression of the coefficient in the column `r` passes on, plus, where a
text has several documents, a level of each document's own (standard deviation `between`, in nats). Sizes are equal, or
log-normal with the largest some ten times the median (`unequal`), or log-normal and the longer a document the easier it
is (`informative`). For comparison: what the t interval of the documents' unweighted means holds, and the percentile
bootstrap of 100 spans that takes no notice of documents. Columns: share of intervals that hold the truth / median half
width.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.stats import t

from lmbench.score.bootstrap import drawn_again
from lmbench.score.interval import layout_of
from lmbench.tokens import Tokens, Vocabulary, tokens_of

Floats = NDArray[np.float64]
Interval = tuple[float, float]
WORDS = Vocabulary((b"a", b""), end_of_text=1)
LEVEL = 4.0


def text_of(sizes: Floats) -> Tokens:
    return tokens_of([[0] * (int(size) - 1) for size in sizes], WORDS)


def losses(rng: np.random.Generator, size: int, coefficient: float) -> Floats:
    noise = rng.gamma(1.0, 3.0, size + 500) - 3.0
    return np.asarray(lfilter([1 - coefficient], [1.0, -coefficient], noise))[500:]


def chosen(values: Floats, tokens: Tokens) -> Interval | None:
    layout = layout_of(tokens)
    return layout.estimate(layout.sums(values), layout.sums(np.ones(len(tokens)))).interval


def of_means(values: Floats, tokens: Tokens) -> Interval | None:
    count = len(tokens.documents)
    if count < 2:
        return None
    means = np.add.reduceat(values, tokens.documents) / (tokens.ends - tokens.documents)
    half = t.ppf(0.975, count - 1) * means.std(ddof=1) / np.sqrt(count)
    return means.mean() - half, means.mean() + half


def of_spans(values: Floats, tokens: Tokens) -> Interval | None:
    count = min(100, len(tokens) // 20)
    starts = np.arange(count) * len(tokens) // count
    drawn = drawn_again(count, 0, 500)
    if drawn is None:
        return None
    sums, sizes = np.add.reduceat(values, starts), np.diff(np.append(starts, len(tokens)))
    low, high = np.quantile(drawn @ sums / (drawn @ sizes), [0.025, 0.975])
    return float(low), float(high)


METHODS: dict[str, Callable[[Floats, Tokens], Interval | None]] = {
    "lmbench": chosen, "t of means": of_means, "100 spans": of_spans,
}  # fmt: skip


def drawn(
    rng: np.random.Generator, documents: int, tokens: int, sizes: str, between: float, r: float
) -> tuple[Floats, Tokens, float]:
    """(losses, text, true cross-entropy) of one text."""
    spread = 0.0 if sizes == "equal" else 1.0
    scale = rng.normal(0, spread, documents)
    lengths = np.maximum(20, np.round(tokens / documents * np.exp(scale - spread**2 / 2)))
    slope = -0.1 if sizes == "informative" else 0.0
    levels = LEVEL + rng.normal(0, between, documents) + slope * scale
    # of sizes exp(s), s normal with deviation d, the mean level by token is the level at s = d^2
    truth = LEVEL + slope * spread**2
    text = text_of(lengths)
    return np.repeat(levels, lengths.astype(int)) + losses(rng, len(text), r), text, truth


def study(trials: int) -> None:
    print(f"{'documents':>9} {'tokens':>7} {'sizes':>12} {'between':>8} {'r':>5}", *(f"{name:>16}" for name in METHODS))
    cases = [(1, tokens, "equal", 0.0, r) for tokens in (1_000, 10_000, 100_000) for r in (0.0, 0.5, 0.9, 0.98)]
    for sizes in ("equal", "unequal", "informative"):
        cases += [(count, 30_000, sizes, 0.15, 0.5) for count in (2, 3, 5, 8, 15, 30)]
    cases += [(count, 30_000, "unequal", 0.0, 0.5) for count in (2, 8, 30)]
    for case in cases:
        rng = np.random.default_rng(sum(map(ord, repr(case))))
        held = dict.fromkeys(METHODS, 0)
        halves: dict[str, list[float]] = {name: [] for name in METHODS}
        for _ in range(trials):
            values, text, truth = drawn(rng, *case)
            for name, method in METHODS.items():
                found = method(values, text)
                if found is not None:
                    held[name] += found[0] <= truth <= found[1]
                    halves[name].append((found[1] - found[0]) / 2)
        cells = [f"{held[n] / trials:.3f} / {np.median(halves[n]):.3f}" if halves[n] else "-" for n in METHODS]
        documents, tokens, sizes, between, r = case
        print(f"{documents:>9} {tokens:>7} {sizes:>12} {between:>8} {r:>5}", *(f"{cell:>16}" for cell in cells))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000)
    study(parser.parse_args().trials)
