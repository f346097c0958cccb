"""A net trained with several seeds: each is a fit of its own, and the row is their mean."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lmbench.pipeline.fits import RunFits
from lmbench.pipeline.job import Job
from lmbench.pipeline.match import trains
from lmbench.progress import Progress
from lmbench.record import SeedScore
from lmbench.runtime import Runtime
from lmbench.score.measure import BITS, with_unknown
from lmbench.spec import Spec

Floats = NDArray[np.float64]


def seeds_of(job: Job, spec: Spec) -> list[int]:
    """The seeds that a model is fitted with: one, but for what trains a net."""
    count = job.plan.seeds if trains(spec) else 1
    return [job.plan.seed + number for number in range(count)]


def other_log_probs(job: Job, fits: RunFits, spec: Spec, runtime: Runtime, progress: Progress) -> list[Floats]:
    """[n] nats each: the test tokens under the model fitted with every seed but the first."""
    found = []
    for seed in seeds_of(job, spec)[1:]:
        model = fits.final(spec, replace(runtime, seed=seed), progress).model
        found.append(with_unknown(model.log_probs(job.test, progress), job.test))
    return found


def scores_of(job: Job, spec: Spec, log_probs: list[Floats], own_tokens: bool) -> list[SeedScore]:
    """What each seed came to."""
    tokens, text = job.test, job.splits.test.bytes
    totals = [-float(each.sum()) for each in log_probs]
    return [
        SeedScore(
            seed=seed,
            nats_per_token=None if own_tokens else total / len(tokens),
            bits_per_byte=total * BITS / text if tokens.lossless and text else None,
        )
        for seed, total in zip(seeds_of(job, spec), totals, strict=True)
    ]
