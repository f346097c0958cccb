"""What a run leaves behind, as data: the protocol card, and the rows under it; validated whenever read or written.

`python -m lmbench.record` prints the JSON schema of record.json.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from lmbench import terminal

Count = Annotated[int, Field(ge=0, le=1 << 53)]
Figure = Annotated[float, Field(ge=-1e15, le=1e15)]  # what can still be drawn and added up
_BLOCKS = (
    "n",
    "bits_per_character",
    "reliable",
    "block_entropy_bits",
    "conditional_entropy_bits",
    "coverage",
    "windows",
)
_LARGEST = 1e30  # of a number in a curve: operations of a training are many


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _list(value: JsonValue) -> list[JsonValue]:
    if not isinstance(value, list):
        raise ValueError("a curve's column is no list")
    return value


def _numbers(values: list[JsonValue], known: bool = False) -> None:
    """Raises ValueError where one of them is no number of a size that can be drawn, nor, unless `known`, null."""
    for value in values:
        if isinstance(value, bool) or not (isinstance(value, int | float) or (value is None and not known)):
            raise ValueError("a curve has what is no number")
        if value is not None and not -_LARGEST <= value <= _LARGEST:
            raise ValueError("a number of a curve is too large")


def _columns(curve: dict[str, JsonValue], names: tuple[str, ...]) -> None:
    columns = [_list(curve.get(name)) for name in names]
    if len({len(column) for column in columns}) != 1:
        raise ValueError(f"{', '.join(names)} are not of one length")
    for name, column in zip(names, columns, strict=True):
        if name == "reliable":
            if not all(isinstance(value, bool) for value in column):
                raise ValueError("reliable is neither true nor false")
        else:
            _numbers(column, known=name != "bits_per_character")


class Passage(_Strict):
    """A passage of a text: how long it is, and its first characters."""

    characters: Count
    beginning: str


class Leakage(_Strict):
    """What of a part of the text the training text holds word for word.

    `shares`: by a passage's length in characters, the share of the part's characters in passages so long that training
    holds. `longest`: the longest stretches of passages of 50 characters.
    """

    shares: dict[str, Figure]
    longest: list[Passage]


class Split(_Strict):
    """One part of the text: `hash` is over its bytes and documents, `tokens_hash` over its ids.

    `words`: what white space separates in it, counted in the test text. `leakage`: of validation and test text, what
    the training text holds too; null where that was not looked for.
    """

    hash: str
    tokens_hash: str
    documents: Count
    bytes: Count
    characters: Count
    tokens: Count
    words: Count | None = None
    leakage: Leakage | None = None


class Card(_Strict):
    """The protocol: everything about a run that is not a model, and that a figure depends on.

    `commit`: of the program, see `lmbench.commit`; null where it is not known, and `commit_note` says why.
    `notes`: what is to be known of all rows, such as a test text that trains too. `name`: a word to call the run by.
    """

    corpus: str
    corpus_card: dict[str, JsonValue]
    split_rule: str
    refit: bool
    train: Split
    valid: Split
    test: Split
    tokenizer: str
    vocabulary: Count
    vocabulary_hash: str
    lossless: bool
    boundary: str
    device: str
    seed: Annotated[int, Field(ge=0)]
    started: str
    command: str | None
    versions: dict[str, str]
    commit: str | None
    machine: dict[str, JsonValue]
    commit_note: str | None = None
    notes: list[str] = []
    name: str | None = None


class Behind(_Strict):
    """How far a row is behind the best one, paired on the same blocks, in nats per token."""

    best: str
    nats_per_token: Figure
    ci95: tuple[Figure, Figure] | None


class Pass(_Strict):
    """Where a net's learning curve goes below a count-based row: `nats_per_token` is that row's cross-entropy on the
    validation tokens that the net was validated on; `tokens`, `seconds` and `flops` are what training had cost by
    then, interpolated between two validations, and null where the curve stays above."""

    model: str
    nats_per_token: Figure
    tokens: Count | None
    seconds: Figure | None
    flops: float | None


class SeedScore(_Strict):
    """One training of several: its seed and its figures on the test text."""

    seed: Count
    nats_per_token: Figure | None
    bits_per_byte: Figure | None


class Row(_Strict):
    """One model on the test text. A figure that is not defined is null, and `notes` says why.

    `valid_nats_per_token` is the cross-entropy of the whole validation text, for models of counts while they know the
    training text alone; a net's own is in `training`, on a sample. `control` marks a model trained on a destroyed text,
    which no other is compared with. `passes` has the count-based rows that a net could overtake. `folder` is relative
    to the run's. `mean_nats` stands where there is no cross-entropy, infinite or of no distribution: minus the mean
    log-score of the tokens that have one. `peak_memory_bytes` is the process's while it fitted and scored.
    `unknown_share`: of the test tokens, those that are the unknown one, where there is such a one. `word_perplexity`: e
    to the nats by word of the test text, where the tokens lose none of it. What the spelling of unknown words costs is
    in all figures of the test text, and not in `valid_nats_per_token` and `passes`.
    `unshared_nats_per_token`: over the `unshared_tokens` test tokens outside passages of 50 characters that
    the training text holds too.
    """

    model: str
    nats_per_token: Figure | None
    bits_per_token: Figure | None
    bits_per_character: Figure | None
    bits_per_byte: Figure | None
    perplexity: float | None
    ci95_nats_per_token: tuple[Figure, Figure] | None
    ci95_bits_per_byte: tuple[Figure, Figure] | None
    tokens: Count
    bytes: Count
    parameters: Count | None
    stored_ngrams: Count | None
    bytes_on_disk: Count
    fit_seconds: Figure
    score_seconds: Figure
    peak_memory_bytes: Count | None
    device: str
    dtype: str
    context: Count | None
    stride: Count | None
    adaptive: bool
    distribution: bool
    zero_probability_tokens: Count
    mean_nats: Figure | None
    blocks: str
    behind: Behind | None
    training: dict[str, JsonValue]
    folder: str
    notes: list[str]
    valid_nats_per_token: Figure | None = None
    control: bool = False
    passes: list[Pass] = []
    unknown_share: Figure | None = None
    word_perplexity: float | None = None
    unshared_nats_per_token: Figure | None = None
    unshared_tokens: Count | None = None
    seeds: list[SeedScore] = []

    @model_validator(mode="after")
    def _drawable(self) -> Self:
        """What the report reads out of `training` has to be there as it is written, or not at all."""
        curve, loss = self.training.get("curve"), self.training.get("training_loss")
        for point in curve if isinstance(curve, list) else []:
            if isinstance(point, dict):
                _numbers([point.get(name) for name in ("valid", "train", "tokens", "seconds", "flops")])
        if isinstance(loss, dict):
            _numbers([loss.get("unigram_entropy"), loss.get("nats_per_token")])
        return self


class Entropy(_Strict):
    """One estimate of the entropy rate of the source.

    `repeats`: the share of the text in passages of 100 characters that it holds in two places or more, where they pull
    the estimate down; null where they do not, or were not looked for.
    """

    estimator: str
    kind: Literal["upper bound", "estimate", "lower bound", "true rate"]
    bits_per_byte: Figure | None
    bits_per_character: Figure | None
    bits_per_token: Figure | None
    ci95_bits_per_character: tuple[Figure, Figure] | None
    seconds: Figure
    note: str
    curve: dict[str, JsonValue]
    repeats: Figure | None = None

    @model_validator(mode="after")
    def _drawable(self) -> Self:
        """What the report draws of `curve` has to be columns of numbers, all of one length."""
        if self.curve.keys() >= set(_BLOCKS[:3]):
            _columns(self.curve, _BLOCKS)
            _numbers(_list(self.curve["n"]) + _list(self.curve["windows"]), known=True)
        if "block_ends" in self.curve:
            _columns(self.curve, ("block_ends", "block_bits"))
            ends, bits = _list(self.curve["block_ends"]), _list(self.curve["block_bits"])
            _numbers(ends + bits, known=True)
            if any(end <= start for start, end in zip([0, *ends], ends, strict=False)):  # type: ignore[operator]
                raise ValueError("block_ends do not ascend")
        return self


class Failure(_Strict):
    """A model or estimator that could not do its work, and the line that says why."""

    spec: str
    message: str


class ShannonPoint(_Strict):
    """Shannon's bounds from a model's ranks at one context length (in tokens), in bits per token.

    `cross_entropy` is the model's own, on the same tokens; null where it is infinite or no distribution. `first` is
    the share of tokens that it ranked first, `guesses` their mean rank, `shares` what share it ranked in each group of
    ranks, see `Shannon.groups`; none in records of before they were kept.
    """

    context: Count
    lower: Figure
    upper: Figure
    ci95_lower: tuple[Figure, Figure] | None
    ci95_upper: tuple[Figure, Figure] | None
    cross_entropy: Figure | None
    first: Figure
    guesses: Figure
    shares: list[Figure] = []


class Shannon(_Strict):
    """A model of the run in Shannon's prediction game: `positions` of the test text guessed at each context length.

    `alphabet`: how many tokens there are to guess from. `characters_per_token`: of the test text, what turns bits per
    token into bits per character; null where the tokens lose text. `groups`: the guess at which each group of ranks
    begins, 1 to 32 apart, then eight groups to an octave.
    """

    model: str
    alphabet: Count
    positions: Count
    characters_per_token: Figure | None
    points: list[ShannonPoint]
    notes: list[str]
    groups: list[Count] = []

    @model_validator(mode="after")
    def _grouped(self) -> Self:
        """Each point has a share for each group of ranks, or none."""
        if any(point.shares and len(point.shares) != len(self.groups) for point in self.points):
            raise ValueError("shares and groups are not of one length")
        return self


class GroupOfTokens(_Strict):
    """Test tokens that have something in common: how many, and what each model of `Where.models` loses per token."""

    label: str
    tokens: Count
    nats: list[Figure]


class TokensBy(_Strict):
    """The test tokens in groups by one property."""

    by: str
    groups: list[GroupOfTokens]


class Where(_Strict):
    """Where one of two models is better: the best net and the best model that holds none, or the best two.

    `weight`: of the first in the best mixture of the two, chosen on the first half of the test text; `gain`: what it
    gains on the better of the two on the second half, in nats per token.
    """

    models: list[str]
    breakdowns: list[TokensBy]
    weight: Figure
    gain: Figure

    @model_validator(mode="after")
    def _complete(self) -> Self:
        """Each group has a loss for each model."""
        if any(len(group.nats) != len(self.models) for part in self.breakdowns for group in part.groups):
            raise ValueError("a group of tokens lacks a model's loss")
        return self


class Record(_Strict):
    """What a run leaves behind. `plan` is what was asked for, and what `--resume` goes on with.

    `status` is "interrupted" from the first row on, and "complete" once every model and
    estimator of the plan has had its turn; those in `failures` had it and failed.
    """

    format: Literal[1] = 1
    status: Literal["complete", "interrupted"]
    plan: dict[str, JsonValue]
    card: Card
    rows: list[Row]
    entropy: list[Entropy]
    failures: list[Failure]
    shannon: list[Shannon] = []
    where: Where | None = None


def schema() -> str:
    """The JSON schema of record.json, as the repository holds it."""
    return json.dumps(Record.model_json_schema(), indent=2, ensure_ascii=False) + "\n"


def finite(values: Mapping[str, Any]) -> dict[str, JsonValue]:
    """`values` as JSON: every infinite or NaN number in it is null, numpy's numbers are plain, keys are text."""
    return {str(key): _finite(value) for key, value in values.items()}


def _finite(value: Any) -> JsonValue:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return finite(value)
    if isinstance(value, list | tuple | np.ndarray):
        return [_finite(item) for item in value]
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def first_fault(error: ValidationError) -> str:
    """Where a record is not one, and what is wrong there: `rows.0.tokens: Input should be a valid integer`."""
    first = error.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc']) or 'the file'}: {first['msg'].removeprefix('Value error, ')}"


class Mismatch(_Strict):
    """One line of the protocol card on which two runs disagree, and which figures that spoils."""

    line: str
    first: str
    second: str
    spoils: Literal["every figure", "figures per token"]


def comparable(first: Card, second: Card) -> list[Mismatch]:
    """Where two cards disagree in a way that matters; empty where every figure may be compared.

    Another tokenizer spoils figures per token; bits per byte still compare if both keep all
    the text. Seed, device, dtype, versions and machine are not held against a figure.
    """
    lossless = first.lossless and second.lossless
    by_token: Literal["every figure", "figures per token"] = "figures per token" if lossless else "every figure"
    lines: list[tuple[str, object, object, Literal["every figure", "figures per token"]]] = [
        ("test text", first.test.hash, second.test.hash, "every figure"),
        ("train text", first.train.hash, second.train.hash, "every figure"),
        ("valid text", first.valid.hash, second.valid.hash, "every figure"),
        ("refit on valid", first.refit, second.refit, "every figure"),
        ("boundary", first.boundary, second.boundary, "every figure"),
        ("tokenizer", first.tokenizer, second.tokenizer, by_token),
        ("vocabulary", first.vocabulary_hash, second.vocabulary_hash, by_token),
    ]
    return [
        Mismatch(line=line, first=str(one), second=str(two), spoils=spoils)
        for line, one, two, spoils in lines
        if one != two
    ]


if __name__ == "__main__":
    terminal.write_json(schema())
