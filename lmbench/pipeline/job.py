"""What is asked for, and everything that can be known or can fail before a model is fitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from lmbench import commit, machine, store
from lmbench.codec.coder import check_installed
from lmbench.corpus import Corpus, default_cache, open_source
from lmbench.corpus import manifest as manifests
from lmbench.corpus.leakage import deduplicated
from lmbench.corpus.split import Splits, shares_of, split
from lmbench.corpus.text import Text
from lmbench.entropy import estimators
from lmbench.errors import LmbenchError, UsageError
from lmbench.model import models
from lmbench.pipeline import leaks, match
from lmbench.pipeline.repeats import repeats_of
from lmbench.pipeline.team import ALONE, Team
from lmbench.progress import Progress
from lmbench.record import Card, Split, finite
from lmbench.registry import mismatch
from lmbench.report.published import SHARE, english_share
from lmbench.runs import check_word
from lmbench.runtime import Runtime
from lmbench.spec import Spec, parse
from lmbench.tokenizer import tokenizers
from lmbench.tokenizer._cache import encode_splits, trained
from lmbench.tokenizer._pieces import BEFORE_SPACE, batches
from lmbench.tokenizer.base import Tokenizer
from lmbench.tokens import Tokens

MODELS = (
    "uniform",
    "ngram(order=1)",
    "ngram(order=2)",
    "ngram(order=3)",
    "ngram(order=5)",
    "suffix(smoothing=pitman_yor)",
    "transformer",
    "mixture(suffix(smoothing=pitman_yor), transformer)",
)
ESTIMATORS = ("block(unit=token)", "block(unit=char)", "zlib", "bz2", "lzma", "zstd")
SPLIT = "90/5/5"
BOUNDARY = "one end-of-text id begins and ends every document; contexts do not cross it"


@dataclass(frozen=True)
class Plan:
    """What a run is asked to do; `lmbench run --help` says what each field means.

    Specs may be given as text. `split` None: as the corpus's manifest says, or 90/5/5.
    `cache` None: $LMBENCH_CACHE, or the user's cache folder. `protocol` prequential: models and estimators code the
    whole text, each of `blocks` blocks (None: at every doubling) with what was learnt before it. `match` gives nets the
    fit time or the stored bytes of the n-gram of lowest validation loss; `shuffle_labels` adds to each net the same net
    trained on tokens in random order. `deduplicate` drops from the training text what validation or test hold.
    `seeds`: how often each net is trained, with seeds from `seed` on.
    `name`: a word to call the run by.
    `verify`: each row's model codes a slice of the test text and decodes it again. `drift`: each writes texts, whose
    entropy is held against its score.
    """

    source: str = "python-help"
    models: Sequence[Spec | str] = MODELS
    tokenizer: Spec | str = "bpe"
    estimators: Sequence[Spec | str] = ESTIMATORS
    valid: str | None = None
    test: str | None = None
    split: str | None = None
    lines: bool = False
    encoding: str | None = None
    errors: str = "strict"
    text_field: str = "text"
    device: str = "auto"
    seed: int = 0
    train_seconds: float | None = None
    train_tokens: int | None = None
    train_flops: float | None = None
    match: Literal["seconds", "bytes"] | None = None
    shuffle_labels: bool = False
    out: Path | str = "results"
    cache: Path | str | None = None
    protocol: Literal["static", "prequential"] = "static"
    blocks: int | None = None
    deduplicate: bool = False
    seeds: int = 1
    name: str | None = None
    verify: bool = False
    drift: bool = False

    def specs(self) -> tuple[Spec, list[Spec], list[Spec]]:
        """The tokenizer, the models and the estimators, each once, checked against the registries.

        Raises UsageError for whatever of them cannot be, and for a `split` that is none; imports no plug-in.
        """
        if self.split is not None:
            shares_of(self.split)
        if self.name is not None:
            check_word(self.name)
        tokenizer = _parsed(self.tokenizer)
        tokenizers.check(tokenizer)
        chosen = list(dict.fromkeys(_parsed(spec) for spec in self.models))
        estimates = list(dict.fromkeys(_parsed(spec) for spec in self.estimators))
        for spec in chosen:
            if spec.name in estimators.names and spec.name not in models.names:
                raise spec.error(f"{spec.name} is an estimator and not a model: give it as --estimator '{spec}'")
            models.check(spec)
        for spec in estimates:
            estimators.check(spec)
        if self.blocks is not None and (self.protocol != "prequential" or self.blocks < 1):
            raise UsageError("--blocks must be 1 or more, and belongs to --protocol prequential")
        if self.deduplicate and self.protocol == "prequential":
            raise UsageError("--deduplicate does not go with --protocol prequential, which codes the whole text")
        if self.seeds < 1 or (self.seeds > 1 and self.protocol != "static"):
            raise UsageError("--seeds must be 1 or more, and belongs to --protocol static")
        if self.verify and self.protocol != "static":
            raise UsageError("--verify belongs to --protocol static: a code in blocks has no model to code with")
        if self.drift and self.protocol != "static":
            raise UsageError("--drift belongs to --protocol static: a code in blocks has no model to write with")
        if not chosen and not estimates:
            raise UsageError("there is nothing to do: no --model and no --estimator")
        match.check(self, chosen)
        chosen = match.with_controls(chosen) if self.shuffle_labels else chosen
        return tokenizer, match.in_order(chosen, self.match), estimates

    def anchored(self) -> Plan:
        """The plan with absolute paths, so that it means the same from another folder."""
        known = manifests.names()
        paths: dict[str, Any] = {
            name: str(Path(value).resolve())
            for name in ("source", "valid", "test")
            if (value := getattr(self, name)) is not None and value not in known and Path(value).exists()
        }
        return replace(self, **paths)

    def as_json(self) -> dict[str, Any]:
        """The plan as JSON values, from which `of` makes it again."""
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        for name in ("models", "estimators"):
            values[name] = [str(spec) for spec in values[name]]
        return values | {name: None if values[name] is None else str(values[name]) for name in _TEXT}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Plan:
        """The plan that `as_json` put down, as a record has it. Raises LmbenchError where it is none."""
        kinds = {field.name: str(field.type) for field in fields(cls)}
        for name, value in values.items():
            wanted = mismatch(value, kinds[name]) if name in kinds else "left out: there is no such option"
            if wanted:
                raise LmbenchError(f"the record's plan cannot be followed: {name} must be {wanted}")
        return cls(**values)


_TEXT = ("tokenizer", "out", "cache")


@dataclass(frozen=True)
class Job:
    plan: Plan
    device: str
    corpus: Corpus
    splits: Splits
    tokenizer_spec: Spec
    tokenizer: Tokenizer
    train: Tokens
    valid: Tokens
    test: Tokens
    models: list[Spec]
    estimators: list[Spec]
    cache: Path
    team: Team = ALONE
    repeats: Mapping[str, str] = field(default_factory=dict)
    leaks: leaks.Leaks = leaks.NONE


def prepare(plan: Plan, progress: Progress) -> Job:
    """Everything that can fail without a model having been fitted: names, device, text, tokens."""
    tokenizer_spec, chosen, estimates = plan.specs()
    device = machine.resolve_device(plan.device)
    tokenizers.make(tokenizer_spec)  # values that make no sense are found now, not after an hour
    for spec in chosen:
        models.make(spec, runtime=Runtime(device, plan.seed))
    for spec in estimates:
        estimators.make(spec)
    if plan.verify:
        check_installed()
    cache = Path(plan.cache) if plan.cache else default_cache()
    options: dict[str, Any] = {
        "lines": plan.lines, "encoding": plan.encoding, "errors": plan.errors, "text_field": plan.text_field,
        "cache": cache, "progress": progress,
    }  # fmt: skip
    corpus = open_source(plan.source, **options)
    parts = {"valid": corpus.valid, "test": corpus.test}
    for name in ("valid", "test"):
        path = getattr(plan, name)
        if path is not None:
            parts[name] = open_source(path, **options).text
    fractions = split_of(corpus, plan.split)
    if plan.protocol == "prequential" and ":" not in fractions:
        fractions += ":end"  # the parts are coded one after the other: in the order of the text
    splits = split(corpus.text, fractions, valid=parts["valid"], test=parts["test"], name=plan.source)
    if plan.deduplicate:
        with progress.task("dropping what validation and test hold"):
            splits = deduplicated(splits, plan.source)
    repeats = repeats_of(plan, corpus, splits)
    for line in repeats.values():
        progress.say(f"note: {line}")
    tokenizer = trained(tokenizer_spec, splits.train, cache, progress)
    train, valid, test = encode_splits(tokenizer, splits, cache, progress)
    return Job(
        plan, device, corpus, splits, tokenizer_spec, tokenizer, train, valid, test, chosen, estimates, cache,
        repeats=repeats,
    )  # fmt: skip


def split_of(corpus: Corpus, asked: str | None) -> str:
    """The split that is asked for, else the one that the corpus's manifest states, else the default."""
    return asked or (corpus.manifest.split if corpus.manifest else SPLIT)


def _parsed(spec: Spec | str) -> Spec:
    return parse(spec) if isinstance(spec, str) else spec


def _english(text: Text) -> float:
    """`english_share` of the beginning of `text`."""
    batch = next(batches(text, BEFORE_SPACE), None)
    return english_share("".join(batch.pieces)) if batch else 0.0


def card_of(job: Job, command: str | None) -> Card:
    def part(name: str) -> Split:
        text, tokens = getattr(job.splits, name), getattr(job, name)
        return Split(
            hash=text.hash,
            tokens_hash=tokens.hash,
            documents=len(tokens.documents),
            bytes=text.bytes,
            characters=text.characters,
            tokens=len(tokens),
            leakage=job.leaks.of.get(name),
        )

    vocabulary, made_of = job.test.vocabulary, commit.of_package()
    return Card(
        corpus=job.corpus.name,
        corpus_card=finite(job.corpus.card | {SHARE: _english(job.splits.train)}),
        split_rule=job.splits.rule,
        refit=job.splits.refit,
        train=part("train"),
        valid=part("valid"),
        test=part("test").model_copy(update={"words": job.splits.test.words}),
        tokenizer=str(job.tokenizer_spec),
        vocabulary=len(vocabulary),
        vocabulary_hash=vocabulary.hash,
        lossless=job.test.lossless,
        boundary=BOUNDARY,
        device=job.device,
        seed=job.plan.seed,
        started=store.now().isoformat(),
        command=command,
        versions=machine.versions(),
        commit=made_of.name,
        commit_note=made_of.note,
        notes=[*job.repeats.values()],
        machine=finite(machine.machine(job.device)),
        name=job.plan.name,
    )
