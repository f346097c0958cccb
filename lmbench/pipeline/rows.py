"""One model, or one estimator, from its spec to its row."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lmbench import machine, store
from lmbench.corpus import Corpus
from lmbench.entropy import estimators
from lmbench.entropy.base import Estimate, Estimator
from lmbench.model import models
from lmbench.model.base import Model, ModelCard
from lmbench.pipeline.job import Job
from lmbench.pipeline.prequential import whole
from lmbench.progress import Progress
from lmbench.runtime import Runtime
from lmbench.score.measure import measure
from lmbench.spec import Spec
from lmbench.store import Entropy, Row
from lmbench.tokenizer._cache import encode_splits, trained
from lmbench.tokens import Tokens


def row_of(job: Job, spec: Spec, folder: Path, progress: Progress) -> Row:
    """Fit, save, score."""
    home = folder / "models" / store.model_slug(spec)
    if (home / "fit.json").exists():  # fitted before the run was interrupted, but not scored
        model = models.load(spec.name).load(home, device=job.device)
        fitted = json.loads((home / "fit.json").read_text(encoding="utf-8"))
    else:
        model, fitted = _fitted(job, spec, folder, home, progress)
    with machine.PeakMemory(job.device) as memory:
        start = time.perf_counter()
        log_probs = model.log_probs(job.test, progress)
        seconds = time.perf_counter() - start
    card: ModelCard = model.card
    score = measure(log_probs, job.test, distribution=card.distribution, seed=job.plan.seed)
    store.write_array(home / "log_probs.npy", log_probs)
    peaks = [peak for peak in (fitted["peak_memory_bytes"], memory.bytes) if peak is not None]
    notes = list(card.notes)
    if score.zero_probability_tokens:
        notes.append(
            f"cross-entropy is infinite: {score.zero_probability_tokens:,} of {score.tokens:,} test tokens "
            "have probability zero"
        )
    if not card.distribution:
        notes.append(f"not a distribution: its mean score, {score.mean_nats:.4f} nats/token, is no cross-entropy")
    figures = asdict(score)
    return Row(
        model=str(spec),
        **figures,
        bytes=job.splits.test.bytes,
        parameters=card.parameters,
        stored_ngrams=card.stored_ngrams,
        bytes_on_disk=fitted["bytes_on_disk"],
        fit_seconds=fitted["fit_seconds"],
        score_seconds=seconds,
        peak_memory_bytes=max(peaks, default=None),
        device=job.device,
        dtype=card.dtype,
        context=card.context,
        stride=card.stride,
        adaptive=card.adaptive,
        distribution=card.distribution,
        behind=None,
        training=store.finite(card.training),
        folder=home.relative_to(folder).as_posix(),
        notes=notes,
    )


def _fitted(job: Job, spec: Spec, folder: Path, home: Path, progress: Progress) -> tuple[Model, dict[str, Any]]:
    """The model of `spec`, fitted and saved in `home`, which appears only when it is whole."""
    checkpoints = folder / "checkpoints" / home.name
    checkpoints.mkdir(parents=True, exist_ok=True)
    runtime = Runtime(
        device=job.device,
        seed=job.plan.seed,
        train_seconds=job.plan.train_seconds,
        train_tokens=job.plan.train_tokens,
        checkpoints=checkpoints,
        resume=any(checkpoints.iterdir()),
    )
    model: Model = models.make(spec, runtime=runtime)
    with machine.PeakMemory(job.device) as memory:
        start = time.perf_counter()
        if not job.splits.refit:
            model = model.fit(job.train, job.valid, progress)
        elif hasattr(model, "refit"):
            model = model.fit(job.train, job.valid, progress)
            model.refit(job.train + job.valid, progress)
        else:  # a net: the same tokens as the counts have, to the end of its budget
            model = model.fit(job.train + job.valid, job.valid, progress)
            model.card.notes.append(
                "trained on the validation text too, so that its validation loss stops nothing early"
            )
        machine.synchronise(job.device)
        seconds = time.perf_counter() - start
    part = home.with_name(f".{home.name}.part")
    for stale in (part, home):
        shutil.rmtree(stale, ignore_errors=True)
    part.mkdir(parents=True)
    model.save(part)
    size = sum(path.stat().st_size for path in part.rglob("*") if path.is_file())
    fitted = {
        "model": str(spec), "fit_seconds": seconds, "peak_memory_bytes": memory.bytes, "bytes_on_disk": size,
    }  # fmt: skip
    (part / "fit.json").write_text(json.dumps(fitted, indent=2), encoding="utf-8")
    part.rename(home)
    shutil.rmtree(checkpoints, ignore_errors=True)
    return model, fitted


def estimates_of(job: Job, spec: Spec, progress: Progress) -> list[Entropy]:
    estimator: Estimator = estimators.make(spec)
    train, test = _in_unit(job, estimator.unit, progress)
    return [_entropy(estimate, estimator.unit) for estimate in estimator.estimate(train, test, progress)]


def truth_of(corpus: Corpus) -> list[Entropy]:
    """The entropy rate of a source that was made, and is known; empty for text that was written."""
    per_character = corpus.card.get("truth_bits_per_character")
    if per_character is None:
        return []
    return [
        Entropy(
            estimator="true entropy rate",
            kind="true rate",
            bits_per_character=per_character,
            bits_per_byte=per_character * corpus.text.characters / corpus.text.bytes,
            bits_per_token=None,
            ci95_bits_per_character=None,
            seconds=0.0,
            note="",
            curve={},
        )
    ]


def _entropy(estimate: Estimate, unit: str) -> Entropy:
    return Entropy(
        estimator=estimate.estimator,
        kind=estimate.kind,
        bits_per_byte=estimate.bits_per_byte,
        bits_per_character=estimate.bits_per_character,
        bits_per_token=estimate.bits_per_token if unit == "token" else None,
        ci95_bits_per_character=estimate.interval,
        seconds=estimate.seconds,
        note=estimate.note,
        curve=store.finite(estimate.curve),
    )


def _in_unit(job: Job, unit: str, progress: Progress) -> tuple[Tokens, Tokens]:
    """Train and test as the estimator reads them: the run's own tokens, or characters, or bytes."""
    if unit == "token":
        return _as_read(job, job.train, job.valid, job.test)
    tokenizer = trained(Spec(unit), job.splits.train, job.cache, progress)
    return _as_read(job, *encode_splits(tokenizer, job.splits, job.cache, progress))


def _as_read(job: Job, train: Tokens, valid: Tokens, test: Tokens) -> tuple[Tokens, Tokens]:
    """Training and test text; under the prequential protocol nothing, and the whole text."""
    return (train.head(0), whole(train, valid, test)) if job.plan.protocol == "prequential" else (train, test)
