"""What a record holds of the source of the text: estimates of its entropy, and Shannon's game."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import JsonValue, model_validator

from lmbench.record.base import Count, Figure, Strict, columns, numbers, values_of

_BLOCKS = (
    "n",
    "bits_per_character",
    "reliable",
    "block_entropy_bits",
    "conditional_entropy_bits",
    "coverage",
    "windows",
)


class Entropy(Strict):
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
            columns(self.curve, _BLOCKS)
            numbers(values_of(self.curve["n"]) + values_of(self.curve["windows"]), known=True)
        if "block_ends" in self.curve:
            columns(self.curve, ("block_ends", "block_bits"))
            ends, bits = values_of(self.curve["block_ends"]), values_of(self.curve["block_bits"])
            numbers(ends + bits, known=True)
            if any(end <= start for start, end in zip([0, *ends], ends, strict=False)):  # type: ignore[operator]
                raise ValueError("block_ends do not ascend")
        return self


class ShannonPoint(Strict):
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


class Shannon(Strict):
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
