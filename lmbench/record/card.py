"""The protocol card: everything about a run that is not a model, and that a figure depends on."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from lmbench.record.base import Count, Figure, Strict


class Passage(Strict):
    """A passage of a text: how long it is, and its first characters."""

    characters: Count
    beginning: str


class Leakage(Strict):
    """What of a part of the text the training text holds word for word.

    `shares`: by a passage's length in characters, the share of the part's characters in passages so long that training
    holds. `longest`: the longest stretches of passages of 50 characters.
    """

    shares: dict[str, Figure]
    longest: list[Passage]


class Split(Strict):
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


class Card(Strict):
    """The protocol: everything about a run that is not a model, and that a figure depends on.

    `commit`: of the program, see `lmbench.commit`; null where it is not known, and `commit_note` says why.
    `notes`: what is to be known of all rows, such as a test text that trains too. `name`: a word to call the run by.
    `files`: SHA-256 of each file of the tokenizer and of the test tokens, by its place in the run; none in records of
    before they were kept.
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
    files: dict[str, str] = {}


class Mismatch(Strict):
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
