"""How far the estimators are from the truth, on sources whose entropy rate is known."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lmbench.corpus.builtin import builtins
from lmbench.entropy import estimators
from lmbench.entropy.base import Estimate, Estimator
from lmbench.errors import LmbenchError
from lmbench.progress import Progress, Silent
from lmbench.spec import parse
from lmbench.tokens import Tokens, Vocabulary, smallest_dtype

SOURCES = ("iid", "iid(distribution=zipf)", "markov(order=2)", "hmm", "pcfg", "renewal", "periodic")
ESTIMATORS = (
    "block",
    "block(correction=plug_in)",
    "block(correction=grassberger)",
    "block(correction=chao_shen)",
    "block(correction=james_stein)",
    "match_length",
    "match_length(average=rates)",
    "match_length(average=slope)",
    "lz76",
    "lz78",
    "zlib",
    "brotli",
    "bz2",
    "lzma",
    "zstd",
    "ppm(code=alone)",
    "extrapolation",
    "extrapolation(of=block)",
)
SIZES = (1_000, 10_000, 100_000, 1_000_000)
SAMPLES = (20, 20, 10, 2)  # of each size: minutes on one core


@dataclass(frozen=True)
class Calibration:
    """One estimator on samples of one size from one kind of source; bits per symbol.

    `truth`: mean of the samples' true rates (each sample is of a source of its own, drawn by its
    seed). `bias`: mean of estimate - truth; `spread`: standard deviation of the same, None for a
    single sample. `coverage`: share of the samples whose 95 % interval holds the truth, among
    `intervals` samples that got one; `holds`: for a bound, share of the samples on whose right
    side the truth lies. Both are None where there is nothing to share. `refused`: samples that the
    estimator declined, which count in nothing else; `reason`: why, of the first of them.
    """

    source: str
    estimator: str
    size: int
    samples: int
    truth: float
    bias: float | None
    spread: float | None
    coverage: float | None
    intervals: int
    holds: float | None
    refused: int
    reason: str
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """One estimator on one sample, in bits per symbol; `bits` None and `reason` where it declined."""

    truth: float
    precision: float
    kind: str | None
    bits: float | None
    interval: tuple[float, float] | None
    reason: str
    seconds: float


Key = tuple[str, int, int, str]  # source, symbols, seed, estimator
OnOutcome = Callable[[Key, Outcome], None]


@dataclass(frozen=True)
class _Sample:
    tokens: Tokens
    truth: float
    precision: float


def calibrate(
    sources: Sequence[str] = SOURCES,
    specs: Sequence[str] = ESTIMATORS,
    sizes: Sequence[int] = SIZES,
    samples: int | Sequence[int] = SAMPLES,
    seed: int = 0,
    progress: Progress | None = None,
    known: Mapping[Key, Outcome] | None = None,
    on_outcome: OnOutcome | None = None,
) -> list[Calibration]:
    """Every estimator of `specs` on samples of every size from every source, as many as `samples` says.

    Sample k is drawn with seed `seed + k`, from a source that this seed decides as well where it
    has random tables; `size` and `seed` in a source's own SPEC are overruled. What is `known` is not
    estimated again; `on_outcome` is called with what is new. Raises UsageError for a
    SPEC that names no built-in source or no estimator.
    """
    made: dict[str, Estimator] = {spec: estimators.make(spec) for spec in specs}
    results: list[Calibration] = []
    counts = [samples] * len(sizes) if isinstance(samples, int) else list(samples)
    with (progress or Silent()).task("calibrating", len(sources) * sum(counts) * len(specs)) as task:
        for source in sources:
            for size, count in zip(sizes, counts, strict=True):
                outcomes: dict[str, list[Outcome]] = {spec: [] for spec in specs}
                for index in range(count):
                    sample: _Sample | None = None
                    for spec, estimator in made.items():
                        task.show(f"{spec} on {size:,} symbols of {source}")
                        key = (source, size, seed + index, spec)
                        outcome = (known or {}).get(key)
                        if outcome is None:
                            sample = sample or _draw(source, size, seed + index)
                            outcome = _try(estimator, sample)
                            if on_outcome:
                                on_outcome(key, outcome)
                        outcomes[spec].append(outcome)
                        task.advance()
                results += [_summary(source, spec, size, outcomes[spec]) for spec in specs]
    return results


def _try(estimator: Estimator, sample: _Sample) -> Outcome:
    nothing = Tokens(sample.tokens.ids[:0], np.zeros(0, dtype=np.int64), sample.tokens.vocabulary)
    started = time.perf_counter()
    found: Estimate | None = None
    reason = ""
    try:
        found, *_ = estimator.estimate(nothing, sample.tokens, Silent())
    except LmbenchError as error:
        reason = str(error)
    seconds = time.perf_counter() - started
    if found is None:
        return Outcome(sample.truth, sample.precision, None, None, None, reason, seconds)
    return Outcome(
        sample.truth, sample.precision, found.kind, found.bits_per_character, found.interval, reason, seconds
    )


class _Collector:
    """Takes what a built-in source writes, in memory."""

    def __init__(self) -> None:
        self.blocks: list[bytes] = []

    @property
    def train(self) -> _Collector:
        return self

    def stream(self, blocks: Iterable[bytes]) -> None:
        self.blocks += blocks


def _draw(source: str, size: int, seed: int) -> _Sample:
    """A sample, one ASCII character a symbol, and the true rate of its source."""
    spec = parse(source)
    collector = _Collector()
    facts: dict[str, Any] = builtins.make(replace(spec, options={**spec.options, "size": size, "seed": seed})).write(
        collector, Silent()
    )
    text = np.frombuffer(b"".join(collector.blocks), dtype=np.uint8)
    letters, ids = np.unique(text, return_inverse=True)
    vocabulary = Vocabulary((*(bytes([letter]) for letter in letters.tolist()), b""), len(letters))
    tokens = Tokens(
        np.append(ids, len(letters)).astype(smallest_dtype(len(vocabulary))), np.zeros(1, dtype=np.int64), vocabulary
    )
    return _Sample(tokens, facts["truth_bits_per_character"], facts.get("truth_precision_bits", 0.0))


def _summary(source: str, spec: str, size: int, outcomes: list[Outcome]) -> Calibration:
    errors, covered, held = [], [], []
    for outcome in outcomes:
        if outcome.bits is None:
            continue
        errors.append(outcome.bits - outcome.truth)
        if outcome.interval is not None:
            low, high = outcome.interval
            covered.append(low - outcome.precision <= outcome.truth <= high + outcome.precision)
        if outcome.kind != "estimate":
            sign = 1 if outcome.kind == "upper bound" else -1
            held.append(sign * errors[-1] >= -outcome.precision)
    return Calibration(
        source=source,
        estimator=spec,
        size=size,
        samples=len(outcomes),
        truth=float(np.mean([outcome.truth for outcome in outcomes])),
        bias=float(np.mean(errors)) if errors else None,
        spread=float(np.std(errors, ddof=1)) if len(errors) > 1 else None,
        coverage=float(np.mean(covered)) if covered else None,
        intervals=len(covered),
        holds=float(np.mean(held)) if held else None,
        refused=sum(outcome.kind is None for outcome in outcomes),
        reason=next((outcome.reason for outcome in outcomes if outcome.reason), ""),
        seconds=float(np.mean([outcome.seconds for outcome in outcomes])),
    )
