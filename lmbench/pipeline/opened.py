"""What a run's folder holds beside its record, opened, and held against the record.

The folder may be a stranger's: nothing is read outside of it, and what the record names there is followed only where
the user agreed to it (`corpus.agreed`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lmbench import files, store
from lmbench.corpus.agreed import agree, demand
from lmbench.errors import LmbenchError
from lmbench.invocation import RUNS
from lmbench.model import models
from lmbench.model.base import Model
from lmbench.record import Card, Record, Row
from lmbench.spec import parse
from lmbench.tokenizer._cache import load_tokenizer
from lmbench.tokenizer.base import Tokenizer
from lmbench.tokens import Tokens

if TYPE_CHECKING:
    import pyarrow

PLAN = "plan"
_SCORES = "log_probs.npy"  # arrays beside a model, that are no part of it
CHECKED = 1 << 28  # bytes of a file up to which its hash is looked at whenever it is opened; `verify` looks at all


@dataclass(frozen=True)
class Run:
    """A run's folder and what its record says; the test text under its models is read from there.

    >>> run = lmbench.open("latest")
    >>> run.losses("ngram(order=5)")  # [n] nats, one for each of run.tokens
    """

    folder: Path
    record: Record

    @cached_property
    def tokens(self) -> Tokens:
        """The test tokens that every row was scored on: `ids` [n], `documents` [d], `vocabulary`."""
        return scored_tokens_of(self.folder, self.record.card)

    def losses(self, model: str = "best") -> NDArray[np.float64]:
        """[n] nats: - ln p of each test token under a model, its SPEC or a part of it; infinite where that was zero.

        Raises UsageError where the run has no such row, LmbenchError where the file is damaged or not that of the row.
        """
        return -store.read_log_probs(self.folder, store.find_row(self.record, model))

    def to_arrow(self) -> pyarrow.Table:
        """The test text token by token: its `document` and place in it, `id`, `text` (of a cut character U+FFFD), and
        under the name of each row what the token cost in nats."""
        import pyarrow

        tokens, names = self.tokens, self.tokens.vocabulary.tokens
        texts = [names[index].decode("utf-8", errors="replace") for index in tokens.ids.tolist()]
        columns: dict[str, Any] = {
            "document": np.repeat(np.arange(len(tokens.documents)), tokens.ends - tokens.documents),
            "place": tokens.places,
            "id": np.asarray(tokens.ids),
            "text": texts if tokens.spelled is None else tokens.texts(),
        }
        return pyarrow.table(columns | {row.model: self.losses(row.model) for row in self.record.rows})

    def _repr_html_(self) -> str:
        """What a notebook shows of it."""
        from lmbench.report.notebook import display

        return display(self.record, str(self.folder))


def open_run(name: str | Path = store.LATEST, out: Path | str = RUNS) -> Run:
    """The run called `name`: its folder, a part of its name, the word that it was called by, or the latest in `out`.

    Raises UsageError where there is none, LmbenchError where its record is damaged.
    """
    folder = store.find_run(str(name), Path(out))
    return Run(folder, store.read_record(folder))


def tokenizer_of(folder: Path, card: Card) -> Tokenizer:
    """The tokenizer of a run. Raises LmbenchError where it is damaged, or is not that of the card."""
    home = files.inside(folder, "tokenizer")
    tokenizer = load_tokenizer(home)
    own = tokenizer.vocabulary  # text beside it, such as the spelling of unknown words, may make its ids lossless
    if card.vocabulary_hash not in {replace(own, lossless=each).hash for each in (card.lossless, own.lossless)}:
        raise LmbenchError(f"{home}: not the tokenizer of this run's record; restore it, or run again")
    _check(folder, card.files, "tokenizer/")
    return tokenizer


def scored_tokens_of(folder: Path, card: Card) -> Tokens:
    """The test tokens of a run. Raises LmbenchError where they are damaged, or are not those of the card."""
    home = files.inside(folder, "test")
    tokens = Tokens.load(home)
    if tokens.hash != card.test.tokens_hash:
        raise LmbenchError(f"{home}: not the test text of this run's record; restore it, or run again")
    _check(folder, card.files, "test/")
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
    check_model(home, row)
    return model


def check_model(home: Path, row: Row) -> None:
    """Raises LmbenchError where a file of the model in `home` is not the one that the row was made with."""
    _check(home, {name: known for name, known in row.files.items() if not name.endswith(_SCORES)})


def _check(home: Path, known: Mapping[str, str], begin: str = "") -> None:
    """Raises LmbenchError where a file whose name begins so is not the one that the record was made with."""
    store.check_files(home, known, [name for name in known if name.startswith(begin)], CHECKED)


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
