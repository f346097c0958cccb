"""A row of the table: its model fitted, then scored on the test text."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmbench import files, machine, store
from lmbench.model._components import link_folder
from lmbench.model.base import Model, ModelCard
from lmbench.pipeline.fits import FIT, Fit, RunFits, of_counts
from lmbench.pipeline.job import Job
from lmbench.pipeline.leaks import Leaks
from lmbench.pipeline.match import matched, trains
from lmbench.pipeline.passing import VALID
from lmbench.pipeline.seeds import other_log_probs, scores_of
from lmbench.pipeline.sharing import FITTED, account, costs_of_parts
from lmbench.progress import Progress, Silent
from lmbench.record import Row, finite
from lmbench.runtime import Runtime
from lmbench.score.measure import Score, measure, with_unknown
from lmbench.spec import Spec


@dataclass(frozen=True)
class Ready:
    """A row's model, fitted, and its files in the row's own folder `home`. `notes`: what is to be said of the fit."""

    model: Model
    home: Path
    fit: Fit
    bytes_on_disk: int
    notes: list[str]
    runtime: Runtime


@dataclass(frozen=True)
class Scored:
    """`log_probs`: [n] nats of the test tokens; `seconds` and `peak_memory_bytes`: of scoring them."""

    log_probs: NDArray[np.float64]
    seconds: float
    peak_memory_bytes: int | None
    valid_nats_per_token: float | None


def row_of(job: Job, fits: RunFits, spec: Spec, progress: Progress, rows: Sequence[Row]) -> Row:
    """Fit, score, describe. `rows` are those that are done."""
    ready = fit_stage(job, fits, spec, progress, rows)
    scored = score_stage(job, ready, progress)
    others = other_log_probs(job, fits, spec, ready.runtime, progress)
    if not others:
        return _described(job, spec, fits.folder, ready, scored)
    each = [scored.log_probs, *others]
    mean = replace(scored, log_probs=np.mean(each, axis=0))
    store.write_array(ready.home / store.LOG_PROBS, mean.log_probs)
    return _described(job, spec, fits.folder, ready, mean, each)


def fit_stage(job: Job, fits: RunFits, spec: Spec, progress: Progress, rows: Sequence[Row]) -> Ready:
    """The model of `spec`, found among the run's fits or fitted now, with its files in the row's folder, which appears
    only when it is whole."""
    plan = job.plan
    runtime = Runtime(job.device, plan.seed, plan.train_seconds, plan.train_tokens, plan.train_flops)
    runtime, why = matched(runtime, spec, plan.match, rows)
    found = fits.final(spec, runtime, progress)
    card: ModelCard = found.model.card
    notes = [*card.notes, *costs_of_parts(found.fit)]
    if fits.refits and trains(spec):
        notes.append("trained on the validation text too, so that its validation loss stops nothing early")
    if why is not None:
        notes.append(why.format(width=card.training.get("options", {}).get("width")))
    home = files.inside(fits.folder, "models", store.model_slug(spec))
    part = home.with_name(f".{home.name}.part")
    for stale in (part, home):
        shutil.rmtree(stale, ignore_errors=True)
    link_folder(found.folder, part)
    size = sum(path.stat().st_size for path in part.rglob("*") if path.is_file())
    if found.validated is not None:
        shutil.copyfile(found.validated, part / VALID)
    content = {"model": str(spec), "bytes_on_disk": size, "fit_seconds": found.fit.seconds, **found.fit.json()}
    (part / FIT).write_text(json.dumps(content, indent=2), encoding="utf-8")
    part.rename(home)
    return Ready(found.model, home, found.fit, size, notes, runtime)


def score_stage(job: Job, ready: Ready, progress: Progress) -> Scored:
    """The test text under the model; its log-probabilities are put into the row's folder too."""
    with machine.PeakMemory(job.device) as memory:
        start = time.perf_counter()
        log_probs = with_unknown(ready.model.log_probs(job.test, progress), job.test)
        seconds = time.perf_counter() - start
    store.write_array(ready.home / store.LOG_PROBS, log_probs)
    return Scored(log_probs, seconds, memory.bytes, _validated(job, ready.model, ready.home))


def _described(
    job: Job, spec: Spec, folder: Path, ready: Ready, scored: Scored, trainings: list[NDArray[np.float64]] | None = None
) -> Row:
    """`trainings`: [n] log-probabilities of each, where there were several and `scored` has their mean."""
    card: ModelCard = ready.model.card
    score = measure(
        scored.log_probs, job.test, distribution=card.distribution, own_tokens=card.own_tokens,
        words=job.splits.test.words, trainings=[-float(each.sum()) for each in trainings or ()],
    )  # fmt: skip
    peaks = [peak for peak in (ready.fit.peak_memory_bytes, scored.peak_memory_bytes) if peak is not None]
    return Row(
        model=str(spec),
        **asdict(score),
        bytes=job.splits.test.bytes,
        parameters=card.parameters,
        stored_ngrams=card.stored_ngrams,
        bytes_on_disk=ready.bytes_on_disk,
        fit_seconds=ready.fit.seconds,
        score_seconds=scored.seconds,
        peak_memory_bytes=max(peaks, default=None),
        device=job.device,
        dtype=card.dtype,
        context=card.context,
        stride=card.stride,
        adaptive=card.adaptive,
        distribution=card.distribution,
        behind=None,
        training=finite({**card.training, FITTED: account(ready.fit)}),
        folder=ready.home.relative_to(folder).as_posix(),
        notes=[*ready.notes, *_said(card, score)],
        valid_nats_per_token=scored.valid_nats_per_token,
        control=card.control,
        **_unshared(score, scored.log_probs, job.leaks),
        seeds=scores_of(job, spec, trainings, card.own_tokens) if trainings else [],
    )


def _unshared(score: Score, log_probs: NDArray[np.float64], leaks: Leaks) -> dict[str, Any]:
    """The cross-entropy of what the training text does not hold; None where the row has none, or nothing is left."""
    if leaks.outside is None:
        return {}
    count = int(leaks.outside.sum())
    has = score.nats_per_token is not None and count > 0
    mean = -float(log_probs[leaks.outside].sum()) / count if has else None
    return {"unshared_nats_per_token": mean, "unshared_tokens": count}


def _said(card: ModelCard, score: Score) -> list[str]:
    """What is to be said of a score."""
    notes = []
    if score.zero_probability_tokens and card.distribution:
        mean = "" if score.mean_nats is None else f"; the mean over the others is {score.mean_nats:.4f} nats/token"
        notes.append(
            f"cross-entropy is infinite: {score.zero_probability_tokens:,} of {score.tokens:,} test tokens "
            f"have probability zero{mean}"
        )
    if card.control:
        notes.append(_remembered(card, score))
    if not card.distribution:
        notes.append(_scored(score))
    return notes


def _scored(score: Score) -> str:
    """What the mean of a model that is no distribution was taken over, if there is one."""
    if score.mean_nats is None:
        return f"not a distribution: it has a score for none of the {score.tokens:,} test tokens"
    known = score.tokens - score.zero_probability_tokens
    over = f" over the {known:,} of {score.tokens:,} test tokens that it knows" if score.zero_probability_tokens else ""
    return f"not a distribution: its mean score{over}, {score.mean_nats:.4f} nats/token, is no cross-entropy"


def _remembered(card: ModelCard, score: Score) -> str:
    """What a net's loss on a text without order says."""
    loss = card.training["training_loss"]
    return (
        "a test of memory, and no row of the comparison: trained on the training tokens in random order, of which "
        f"{loss['unigram_entropy']:.4f} nats/token (their unigram entropy, the ends of documents known) cannot be "
        f"known without remembering them; its loss on them is {loss['nats_per_token']:.4f}, on the test text "
        f"{math.inf if score.nats_per_token is None else score.nats_per_token:.4f}"
    )


def _validated(job: Job, model: Model, home: Path) -> float | None:
    """Nats per token of the validation text, for a model of counts that was not counted anew on it (before that, where
    it was); None where that is not finite, or not known. Leaves the log-probabilities in `home`."""
    path = home / VALID
    if not path.exists() and not job.splits.refit and of_counts(model):
        store.write_array(path, model.log_probs(job.valid, Silent()))
    if not path.exists() or not len(job.valid):
        return None
    loss = -math.fsum(store.read_scores(path, len(job.valid))) / len(job.valid)
    return loss if math.isfinite(loss) else None
