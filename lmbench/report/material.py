"""What a report shows besides a record: a passage of the test text as each model sees it, and text that they made."""

from __future__ import annotations

from dataclasses import dataclass, field

Choices = list[tuple[int, float]]  # (id, probability) of the likeliest next tokens, the likeliest first


@dataclass(frozen=True)
class Voice:
    """One model on the passage.

    `nats`: [n] surprisal of each token, -ln p; None where the model gives it probability zero. `choices`: what it held
    for likeliest at each token, of the first of them only where there was no time for more. `sample`: text that it
    made after the beginning of the passage, None where there is none. `said`: why something is missing.
    """

    model: str
    nats: list[float | None]
    choices: list[Choices] = field(default_factory=list)
    sample: str | None = None
    said: str = ""


@dataclass(frozen=True)
class Material:
    """`ids`, `tokens`: [n] the passage, and its pieces of text, with every character whole in the first token that has
    a part of it; `joined`: whether they stand in the text as they follow one another. `names`: the text of each id in
    `choices`. `prompt`: what the samples go on from. `left_out`: (model, why it has no voice)."""

    ids: list[int]
    tokens: list[str]
    joined: bool
    names: dict[int, str]
    voices: list[Voice]
    prompt: str = ""
    left_out: list[tuple[str, str]] = field(default_factory=list)
