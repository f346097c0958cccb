"""One estimator of the source's entropy, from its spec to its rows."""

from __future__ import annotations

from lmbench.corpus import Corpus
from lmbench.corpus.leakage import repeated
from lmbench.entropy import estimators
from lmbench.entropy._coverage import warning
from lmbench.entropy._words import words_of
from lmbench.entropy.base import Estimate, Estimator
from lmbench.pipeline.job import Job
from lmbench.pipeline.prequential import whole
from lmbench.progress import Progress
from lmbench.record import Entropy, finite
from lmbench.report.leakage import MATTERS
from lmbench.spec import Spec
from lmbench.tokenizer._cache import encode_splits, trained
from lmbench.tokens import Tokens

_REPEAT = 100  # characters of a passage
_kept: dict[str, float] = {}  # of the text that was looked at last


def estimates_of(job: Job, spec: Spec, progress: Progress) -> list[Entropy]:
    estimator: Estimator = estimators.make(spec)
    train, test = texts_in(job, estimator.unit, progress)
    found = [_entropy(estimate, estimator.unit) for estimate in estimator.estimate(train, test, progress)]
    if any(entropy.kind == "estimate" for entropy in found):
        share = _repeats(job)
        if share >= MATTERS:
            found = [_pulled_down(entropy, share) if entropy.kind == "estimate" else entropy for entropy in found]
    doubt = warning(spec)
    return [_doubted(entropy, doubt) if doubt and entropy.ci95_bits_per_character else entropy for entropy in found]


def _repeats(job: Job) -> float:
    """The share of the text, as estimators read it, in passages of 100 characters that it holds twice."""
    parts = [job.splits.train, job.splits.test]
    if job.plan.protocol == "prequential":
        parts.insert(1, job.splits.valid)
    key = "/".join(part.hash for part in parts)
    if key not in _kept:
        _kept.clear()
        _kept[key] = repeated(parts, _REPEAT)
    return _kept[key]


def _pulled_down(entropy: Entropy, share: float) -> Entropy:
    return entropy.model_copy(update={"repeats": share})


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
