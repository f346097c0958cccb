"""Where one of two models is better, by groups of test tokens."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from lmbench.record.base import Count, Figure, Strict


class GroupOfTokens(Strict):
    """Test tokens that have something in common: how many, and what each model of `Where.models` loses per token."""

    label: str
    tokens: Count
    nats: list[Figure]


class TokensBy(Strict):
    """The test tokens in groups by one property."""

    by: str
    groups: list[GroupOfTokens]


class Where(Strict):
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
