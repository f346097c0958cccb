"""Shannon's series of approximations to a text."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lmbench.record.base import Count, Figure, Strict


class Approximation(Strict):
    """One step of Shannon's series: text drawn from `model`, which sees letters or words, and how well it predicts.

    `order`: letters or words that an n-gram has, 0 for letters equally likely; null of a model without a limit.
    `tokens`: the tokenizer of what was scored. The cross-entropies are those of held-out text, null where there is
    none. `sample`: what was drawn; `longest_match`: characters of the longest passage in it that the training text has;
    `copied`: the share of its characters in such passages of 20 or more, `passages`: where stretches of these begin and
    end in it; `only_copies`: whether it has little else.
    """

    unit: Literal["letter", "word"]
    order: Count | None
    model: str
    tokens: str
    bits_per_character: Figure | None
    bits_per_word: Figure | None
    sample: str
    longest_match: Count
    copied: Annotated[float, Field(ge=0, le=1)]
    only_copies: bool
    passages: list[tuple[Count, Count]] = []
    notes: list[str] = []

    @model_validator(mode="after")
    def _within(self) -> Self:
        """The passages stand in the sample, one behind the other."""
        edges = [edge for passage in self.passages for edge in passage]
        if edges != sorted(edges) or any(edge > len(self.sample) for edge in edges):
            raise ValueError("passages that are not in the sample, or not in their order")
        return self


class Series(Strict):
    """Shannon's series of approximations to a text (1948).

    `alphabet`: how many letters the training text has, `letters`: which those are. `words`: what tells words apart.
    `method`: how the steps that count are drawn, from the counts or by opening the text at random places.
    `train_characters`, `test_characters`: of the text that was counted and of that which was held out.
    """

    letters: Literal["all", "27"]
    alphabet: Count
    words: str
    method: Literal["counts", "book"]
    seed: Count
    train_characters: Count
    test_characters: Count
    steps: list[Approximation]
    notes: list[str] = []
