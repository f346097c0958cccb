"""A fair fight by name: each neural model gets the seconds, or the stored bytes, of the run's best n-gram."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal, Protocol

from lmbench.errors import LmbenchError, UsageError
from lmbench.model import models
from lmbench.model._components import components_of
from lmbench.net import nets
from lmbench.record import Row
from lmbench.report import format as form
from lmbench.runtime import Runtime
from lmbench.spec import Spec, parse

NGRAM = "ngram"
PRETRAINED = "pretrained"
SHUFFLED = "shuffled"


class Asked(Protocol):
    """What of a plan bears on its neural models."""

    @property
    def match(self) -> Literal["seconds", "bytes"] | None: ...
    @property
    def shuffle_labels(self) -> bool: ...
    @property
    def protocol(self) -> Literal["static", "prequential"]: ...
    @property
    def train_seconds(self) -> float | None: ...
    @property
    def train_tokens(self) -> int | None: ...
    @property
    def train_flops(self) -> float | None: ...


def check(plan: Asked, chosen: Sequence[Spec]) -> None:
    """Raise UsageError where `--match` or `--shuffle-labels` asks for what this plan cannot give."""
    sized = plan.match == "bytes" or plan.shuffle_labels  # what only the nets that are built here can be
    neural = [spec for spec in chosen if spec.name in nets.names or (spec.name == PRETRAINED and not sized)]
    asked = [name for name, given in (("--match", plan.match), ("--shuffle-labels", plan.shuffle_labels)) if given]
    asked += ["--train-flops"] if plan.train_flops is not None and plan.protocol != "static" else []
    if asked and plan.protocol != "static":
        raise UsageError(f"{asked[0]} belongs to --protocol static")
    if asked and not neural:
        raise UsageError(f"{asked[0]} is about neural models, and the plan has none: add --model transformer")
    if plan.match is None:
        return
    if not any(spec.name == NGRAM for spec in chosen):
        raise UsageError(
            f"--match {plan.match} measures by the best n-gram of the run, and the plan has none: "
            "add --model 'ngram(order=5)'"
        )
    limits = {"--train-seconds": plan.train_seconds, "--train-tokens": plan.train_tokens}
    limits["--train-flops"] = plan.train_flops
    given_limits = [name for name, limit in limits.items() if limit is not None]
    if plan.match == "seconds" and given_limits:
        raise UsageError(f"--match seconds sets how long nets train: leave {given_limits[0]} out")
    fixed = {"seconds": "steps", "bytes": "width"}[plan.match]
    for spec in neural:
        if spec.options.get(fixed) is not None:
            raise UsageError(f"{spec}: {fixed} is what --match {plan.match} chooses; leave it out")


def in_order(chosen: Sequence[Spec], match: str | None) -> list[Spec]:
    """The order of work: as given, but the n-grams first where neural models are matched with the best of them."""
    return list(chosen) if match is None else sorted(chosen, key=lambda spec: spec.name != NGRAM)


def with_controls(chosen: Sequence[Spec]) -> list[Spec]:
    """Each net of `chosen`, and then the same net trained on tokens in random order."""
    return list(dict.fromkeys(each for spec in chosen for each in (spec, *_control(spec))))


def _control(spec: Spec) -> Iterator[Spec]:
    if spec.name in nets.names:
        yield Spec(spec.name, {**spec.options, SHUFFLED: True})


def best_ngram(rows: Sequence[Row]) -> Row:
    """The fitted n-gram of lowest cross-entropy on the validation text; the test text has no say.

    Raises LmbenchError where none could be fitted and scored.
    """
    found = [
        row
        for row in rows
        if parse(row.model).name == NGRAM and row.distribution and row.valid_nats_per_token is not None
    ]
    if not found:
        raise LmbenchError(
            "there is no fitted n-gram with a finite validation loss to match; add --model 'ngram(order=5)'"
        )
    return min(found, key=lambda row: row.valid_nats_per_token or 0.0)


def matched(
    runtime: Runtime, spec: Spec, match: Literal["seconds", "bytes"] | None, rows: Sequence[Row]
) -> tuple[Runtime, str | None]:
    """`runtime` with the limit that the best n-gram of `rows` sets for the net of `spec`, and a note that says so, with
    `{width}` where the width that the net chose belongs."""
    if match is None or spec.name == NGRAM:
        return runtime, None
    best = best_ngram(rows) if trains(spec) else None
    if best is None:
        return runtime, None
    who = f"{best.model}, the best n-gram by validation loss ({best.valid_nats_per_token:.4f} nats/token)"
    if match == "seconds":
        return (
            replace(runtime, train_seconds=best.fit_seconds),
            f"trained for {form.seconds(best.fit_seconds)}, as long as it took to fit {who}",
        )
    if spec.name not in nets.names:
        return runtime, None
    return (
        replace(runtime, stored_bytes=best.bytes_on_disk),
        f"width {{width}}, the widest that fits into {form.size(best.bytes_on_disk)}, the files of {who}",
    )


def trains(spec: Spec) -> bool:
    """Whether fitting it trains a net: its own, or that of a model among its options."""
    return any(trains_itself(each) for each in (spec, *components_of(spec)))


def trains_itself(spec: Spec) -> bool:
    """Whether it is a net, or its class says that it trains one (`trains`, where that is a function, of its options);
    models inside it are not asked."""
    if spec.name in nets.names:
        return True
    own = getattr(models.load(spec.name), "trains", False)
    return bool(own(spec.options) if callable(own) else own)
