"""What a run's folder holds beside its record, opened, and held against the record.

The folder may be a stranger's: nothing is read outside of it, and what the record names there is followed only where
the user agreed to it (`corpus.agreed`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lmbench import files, store
from lmbench.corpus.agreed import agree, demand
from lmbench.errors import LmbenchError
from lmbench.model import models
from lmbench.model.base import Model
from lmbench.record import Card, Record, Row
from lmbench.spec import parse
from lmbench.tokenizer._cache import load_tokenizer
from lmbench.tokenizer.base import Tokenizer
from lmbench.tokens import Tokens

PLAN = "plan"


def tokenizer_of(folder: Path, card: Card) -> Tokenizer:
    """The tokenizer of a run. Raises LmbenchError where it is damaged, or is not that of the card."""
    home = files.inside(folder, "tokenizer")
    tokenizer = load_tokenizer(home)
    own = tokenizer.vocabulary  # text beside it, such as the spelling of unknown words, may make its ids lossless
    if card.vocabulary_hash not in {replace(own, lossless=each).hash for each in (card.lossless, own.lossless)}:
        raise LmbenchError(f"{home}: not the tokenizer of this run's record; restore it, or run again")
    return tokenizer


def scored_tokens_of(folder: Path, card: Card) -> Tokens:
    """The test tokens of a run. Raises LmbenchError where they are damaged, or are not those of the card."""
    home = files.inside(folder, "test")
    tokens = Tokens.load(home)
    if tokens.hash != card.test.tokens_hash:
        raise LmbenchError(f"{home}: not the test text of this run's record; restore it, or run again")
    return tokens


def load_model(folder: Path, row: Row, device: str = "cpu") -> Model:
    """The fitted model of a row. Raises LmbenchError naming a file that is missing, damaged or another run's."""
    home = store.folder_of(folder, row)
    model: Model = models.load(parse(row.model).name).load(home, device=device)
    size = store.read_record(folder).card.vocabulary
    if not model.card.own_tokens:
        with files.whole(home, "model"):
            found = len(model.next_log_probs(np.zeros(0, dtype=np.int64)))
            if found != size:
                raise ValueError(f"it predicts {found:,} tokens, this run has {size:,}")
    return model


@dataclass(frozen=True)
class Named:
    """Something outside of its folder that a run names: what for, and in words."""

    kind: str
    value: Any
    words: str


def named_outside(folder: Path, record: Record) -> list[Named]:
    """What a run would read outside of its folder: by its plan, to go on or to count; by its models, to be asked."""
    plan = record.plan
    names = ("source", "valid", "test", "tokenizer", "models")
    words = "; ".join(f"{name} {plan[name]}" for name in names if plan.get(name))
    return [Named(PLAN, plan, f"its plan: {words}"), *_weights(folder)]


def trust(folder: Path) -> list[Named]:
    """Agree to all that the run in `folder` names; returns it."""
    found = named_outside(folder, store.read_record(folder))
    for each in found:
        agree(each.kind, each.value)
    return found


def demand_plan(folder: Path, record: Record) -> None:
    """Raises LmbenchError where the plan of a run was not made here, nor agreed to."""
    demand(PLAN, record.plan, folder, "the texts and models of its plan")


def _weights(folder: Path) -> Iterator[Named]:
    """The models of a run whose weights are elsewhere, those inside other models among them."""
    for path in sorted(files.sealed(files.inside(folder, "models")).rglob("config.json")):
        with files.whole(path, "model"):
            config = files.read_json(path, finite=False)
            if isinstance(config, dict) and {"name", "revision", "mode"} <= config.keys():
                yield Named("pretrained", [config["name"], config["revision"]], f"the weights of {config['name']!r}")
