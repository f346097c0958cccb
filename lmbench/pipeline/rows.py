"""One model, or one estimator, from its spec to its row."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from lmbench import machine, store
from lmbench.corpus import Corpus
from lmbench.disk import naming
from lmbench.entropy import estimators
from lmbench.entropy._coverage import warning
from lmbench.entropy._words import words_of
from lmbench.entropy.base import Estimate, Estimator
from lmbench.model import models
from lmbench.model.base import Model, ModelCard, Refittable
from lmbench.pipeline.job import Job
from lmbench.pipeline.match import matched
from lmbench.pipeline.passing import VALID
from lmbench.pipeline.prequential import whole
from lmbench.progress import Progress, Silent
from lmbench.record import Entropy, Row, finite
from lmbench.runtime import Runtime
from lmbench.score.measure import Score, measure
from lmbench.spec import Spec
from lmbench.tokenizer._cache import encode_splits, trained
from lmbench.tokens import Tokens


def row_of(job: Job, spec: Spec, folder: Path, progress: Progress, rows: Sequence[Row]) -> Row:
    """Fit, save, score. `rows` are those that are done."""
    home = folder / "models" / store.model_slug(spec)
    if (home / "fit.json").exists():  # fitted before the run was interrupted, but not scored
        model = models.load(spec.name).load(home, device=job.device)
        fitted = json.loads((home / "fit.json").read_text(encoding="utf-8"))
    else:
        model, fitted = _fitted(job, spec, folder, home, progress, rows)
    _measure_training_loss(job, model, home, fitted)
    with machine.PeakMemory(job.device) as memory:
        start = time.perf_counter()
        log_probs = model.log_probs(job.test, progress)
        seconds = time.perf_counter() - start
    card: ModelCard = model.card
    score = measure(log_probs, job.test, distribution=card.distribution, own_tokens=card.own_tokens, seed=job.plan.seed)
    store.write_array(home / "log_probs.npy", log_probs)
    peaks = [peak for peak in (fitted["peak_memory_bytes"], memory.bytes) if peak is not None]
    notes = list(card.notes)
    if score.zero_probability_tokens:
        notes.append(
            f"cross-entropy is infinite: {score.zero_probability_tokens:,} of {score.tokens:,} test tokens "
            "have probability zero"
        )
    if card.control:
        notes.append(_remembered(card, score))
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
        training=finite(card.training),
        folder=home.relative_to(folder).as_posix(),
        notes=notes,
        valid_nats_per_token=_validated(job, model, home),
        control=card.control,
    )


def _remembered(card: ModelCard, score: Score) -> str:
    """What a net's loss on a text without order says."""
    loss = card.training["training_loss"]
    return (
        "a test of memory, and no row of the comparison: trained on the training tokens in random order, of which "
        f"{loss['unigram_entropy']:.4f} nats/token (their unigram entropy, the ends of documents known) cannot be "
        f"known without remembering them; its loss on them is {loss['nats_per_token']:.4f}, on the test text "
        f"{math.inf if score.nats_per_token is None else score.nats_per_token:.4f}"
    )


def _fitted(
    job: Job, spec: Spec, folder: Path, home: Path, progress: Progress, rows: Sequence[Row]
) -> tuple[Model, dict[str, Any]]:
    """The model of `spec`, fitted and saved in `home`, which appears only when it is whole."""
    checkpoints = folder / "checkpoints" / home.name
    checkpoints.mkdir(parents=True, exist_ok=True)
    runtime = Runtime(
        device=job.device,
        seed=job.plan.seed,
        train_seconds=job.plan.train_seconds,
        train_tokens=job.plan.train_tokens,
        train_flops=job.plan.train_flops,
        checkpoints=checkpoints,
        resume=any(checkpoints.iterdir()),
    )
    runtime, why = matched(runtime, spec, job.plan.match, rows)
    model: Model = models.make(spec, runtime=runtime)
    train = _training_text(job, model)
    validated = None
    with machine.PeakMemory(job.device) as memory, job.team.together(spec, runtime, train, job.valid):
        start = time.perf_counter()
        model = model.fit(train, job.valid, progress)
        machine.synchronise(job.device)
        seconds = time.perf_counter() - start
        if job.splits.refit and isinstance(model, Refittable):
            validated = model.log_probs(job.valid, Silent()) if _counts(model) else None
            start = time.perf_counter()
            model.refit(job.train + job.valid, progress)
            machine.synchronise(job.device)
            seconds += time.perf_counter() - start
    if train is not job.train:
        model.card.notes.append("trained on the validation text too, so that its validation loss stops nothing early")
    if why is not None:
        model.card.notes.append(why.format(width=model.card.training.get("options", {}).get("width")))
    part = home.with_name(f".{home.name}.part")
    for stale in (part, home):
        shutil.rmtree(stale, ignore_errors=True)
    part.mkdir(parents=True)
    with naming(part):
        model.save(part)
    size = sum(path.stat().st_size for path in part.rglob("*") if path.is_file())
    fitted = {
        "model": str(spec), "fit_seconds": seconds, "peak_memory_bytes": memory.bytes, "bytes_on_disk": size,
    }  # fmt: skip
    if validated is not None:
        store.write_array(part / VALID, validated)
    (part / "fit.json").write_text(json.dumps(fitted, indent=2), encoding="utf-8")
    part.rename(home)
    shutil.rmtree(checkpoints, ignore_errors=True)
    return model, fitted


def _training_text(job: Job, model: Model) -> Tokens:
    """What it is fitted on: what cannot be counted anew, a net, has the same tokens as the counts have, to the end of
    its budget."""
    return job.train + job.valid if job.splits.refit and not isinstance(model, Refittable) else job.train


def _measure_training_loss(job: Job, model: Model, home: Path, fitted: dict[str, Any]) -> None:
    """Put what a net loses on its own training text on its card, in `home` too, where that is not yet done. What fails
    here has the trained net in `home`, and is tried again when the run goes on."""
    if not hasattr(model, "measure_training_loss") or "training_loss" in model.card.training:
        return
    model.measure_training_loss(_training_text(job, model))
    path = home / "card.json"
    fitted["bytes_on_disk"] -= path.stat().st_size
    model.card.save(path)
    fitted["bytes_on_disk"] += path.stat().st_size
    (home / "fit.json").write_text(json.dumps(fitted, indent=2), encoding="utf-8")


def _validated(job: Job, model: Model, home: Path) -> float | None:
    """Nats per token of the validation text, for a model of counts that was not counted anew on it (before that, where
    it was); None where that is not finite, or not known. Leaves the log-probabilities in `home`."""
    path = home / VALID
    if not path.exists() and not job.splits.refit and _counts(model):
        store.write_array(path, model.log_probs(job.valid, Silent()))
    if not path.exists() or not len(job.valid):
        return None
    loss = -math.fsum(np.load(path, allow_pickle=False)) / len(job.valid)
    return loss if math.isfinite(loss) else None


def _counts(model: Model) -> bool:
    """Whether it is a distribution made of counts, to which a net's loss on the validation text can be held."""
    card: ModelCard = model.card
    return card.distribution and card.stored_ngrams is not None and card.parameters is None and not card.adaptive


def estimates_of(job: Job, spec: Spec, progress: Progress) -> list[Entropy]:
    estimator: Estimator = estimators.make(spec)
    train, test = texts_in(job, estimator.unit, progress)
    found = [_entropy(estimate, estimator.unit) for estimate in estimator.estimate(train, test, progress)]
    doubt = warning(spec)
    return [_doubted(entropy, doubt) if doubt and entropy.ci95_bits_per_character else entropy for entropy in found]


def _doubted(entropy: Entropy, doubt: str) -> Entropy:
    return entropy.model_copy(update={"note": f"{entropy.note}; {doubt}" if entropy.note else doubt})


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
        curve=finite(estimate.curve),
    )


def texts_in(job: Job, unit: str, progress: Progress) -> tuple[Tokens, Tokens]:
    """Train and test as the estimator reads them: the run's own tokens, or characters, or bytes."""
    if unit == "token":
        return _as_read(job, job.train, job.valid, job.test)
    if unit == "word":
        train, valid, test = words_of((job.splits.train, job.splits.valid, job.splits.test), progress)
        return _as_read(job, train, valid, test)
    tokenizer = trained(Spec(unit), job.splits.train, job.cache, progress)
    return _as_read(job, *encode_splits(tokenizer, job.splits, job.cache, progress))


def _as_read(job: Job, train: Tokens, valid: Tokens, test: Tokens) -> tuple[Tokens, Tokens]:
    """Training and test text; under the prequential protocol nothing, and the whole text."""
    return (train.head(0), whole(train, valid, test)) if job.plan.protocol == "prequential" else (train, test)
