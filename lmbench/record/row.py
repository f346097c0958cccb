"""A row of the table: one model on the test text."""

from __future__ import annotations

from typing import Self

from pydantic import JsonValue, model_validator

from lmbench.record.base import Count, Figure, Strict, numbers


class Behind(Strict):
    """How far a row is behind the best one, paired on the same blocks, in nats per token."""

    best: str
    nats_per_token: Figure
    ci95: tuple[Figure, Figure] | None


class Pass(Strict):
    """Where a net's learning curve goes below a count-based row: `nats_per_token` is that row's cross-entropy on the
    validation tokens that the net was validated on; `tokens`, `seconds` and `flops` are what training had cost by
    then, interpolated between two validations, and null where the curve stays above."""

    model: str
    nats_per_token: Figure
    tokens: Count | None
    seconds: Figure | None
    flops: float | None


class SeedScore(Strict):
    """One training of several: its seed and its figures on the test text."""

    seed: Count
    nats_per_token: Figure | None
    bits_per_byte: Figure | None


class Proof(Strict):
    """The first `tokens` of the test text, coded with the saved model and decoded again: the bits that the row reports
    for them, and those that they took."""

    tokens: Count
    code_length_bits: Figure
    payload_bits: Count


class Drift(Strict):
    """How a model writes: `tokens` in all, in `texts` that it drew from its own distribution, and the mean entropy of
    the predictions that they were drawn from, an estimate of the entropy rate of what it writes, beside the
    cross-entropy of the test tokens' ids. `nats`: the mean over the places up to each of `places` and beyond the one
    before."""

    texts: Count
    tokens: Count
    nats_per_token: Figure
    ci95_nats_per_token: tuple[Figure, Figure] | None
    scored_nats_per_token: Figure
    places: list[Count]
    nats: list[Figure]

    @model_validator(mode="after")
    def _drawable(self) -> Self:
        """The curve has a point for each place, from the first token on."""
        ascending = all(before < place for before, place in zip([0, *self.places], self.places, strict=False))
        if len(self.places) != len(self.nats) or not ascending:
            raise ValueError("places and nats are no curve")
        return self


class Row(Strict):
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
    the training text holds too. `files`: SHA-256 of each file in `folder`, by its place there; none in records of
    before they were kept. `verified`: null where that was not asked for, or failed, which a note says.
    `drift`: how the model writes; null where that was not asked for, or it cannot.
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
    files: dict[str, str] = {}
    verified: Proof | None = None
    drift: Drift | None = None

    @model_validator(mode="after")
    def _drawable(self) -> Self:
        """What the report reads out of `training` has to be there as it is written, or not at all."""
        curve, loss = self.training.get("curve"), self.training.get("training_loss")
        for point in curve if isinstance(curve, list) else []:
            if isinstance(point, dict):
                numbers([point.get(name) for name in ("valid", "train", "tokens", "seconds", "flops")])
        if isinstance(loss, dict):
            numbers([loss.get("unigram_entropy"), loss.get("nats_per_token")])
        return self
