"""Any text under the models of a run, which are not fitted again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lmbench import machine, store
from lmbench.corpus.text import Text
from lmbench.errors import LmbenchError, UsageError
from lmbench.model import _light
from lmbench.model._light import Scoring
from lmbench.pipeline.opened import check_model, load_model, tokenizer_of
from lmbench.progress import Progress
from lmbench.record import Record, Row
from lmbench.score.measure import Score, measure, with_unknown
from lmbench.score.sums import Sums
from lmbench.score.units import Per, Units
from lmbench.spec import parse
from lmbench.tokenizer.base import Tokenizer
from lmbench.tokens import Tokens

ALL = "all"
SHORT = 1 << 22  # bytes of text up to which the start of torch costs more than it saves


@dataclass(frozen=True, eq=False)
class Scorer:
    """The tokenizer of a run and some of its models, open. Of a model that learns from earlier documents, `score_next`
    keeps in `history` what it has been given."""

    record: Record
    tokenizer: Tokenizer
    rows: list[Row]
    models: list[Scoring]
    history: list[Tokens] = field(default_factory=list)

    @classmethod
    def open(cls, folder: Path, names: Sequence[str], device: str = "auto", size: int | None = None) -> Scorer:
        """The models that `names` say, `all` for each row that is no control; `size`: bytes of text to come, None:
        text that comes piece by piece.

        Models of counts are opened without torch where the text is short. Raises UsageError for a name that fits no
        model, or several; LmbenchError where a file is not whole.
        """
        record = store.read_record(folder)
        rows = _rows(record, names)
        light = size is None or size <= SHORT
        models = [_opened(folder, record, row, light, device) for row in rows]
        return cls(record, tokenizer_of(folder, record.card), rows, models)

    @property
    def lines(self) -> bool:
        """Whether documents were lines in the run."""
        return self.tokenizer.vocabulary.lines

    def score(self, text: Text, progress: Progress) -> tuple[Tokens, list[NDArray[np.float64]]]:
        """(the tokens of `text`, for each model [n] nats: ln p of each), documents in order."""
        tokens = self.tokenizer.encode(text, None, progress)
        return tokens, [self._log_probs(at, tokens, progress) for at in range(len(self.models))]

    def score_next(self, text: Text, progress: Progress) -> tuple[Tokens, list[NDArray[np.float64]]]:
        """As `score`, `text` coming after all that this was given before; what it takes grows with that only for a
        model that learns from earlier documents."""
        tokens = self.tokenizer.encode(text, None, progress)
        if not any(model.card.remembers for model in self.models):
            return tokens, [self._log_probs(at, tokens, progress) for at in range(len(self.models))]
        whole = self.history[0] + tokens if self.history else tokens
        self.history[:] = [whole]
        read = [whole if model.card.remembers else tokens for model in self.models]
        return tokens, [self._log_probs(at, read[at], progress)[-len(tokens) :] for at in range(len(self.models))]

    def _log_probs(self, at: int, tokens: Tokens, progress: Progress) -> NDArray[np.float64]:
        found = with_unknown(self.models[at].log_probs(tokens, progress), tokens)
        if np.isnan(found).any():
            raise LmbenchError(f"{self.rows[at].model} gave what is no log-probability: it has diverged; fit it again")
        return found

    def sums(self, at: int, log_probs: NDArray[np.float64], tokens: Tokens, units: Units, per: Per) -> Sums:
        """The sums over `units` of model `at`. Raises LmbenchError where its tokens are its own, whose scores belong
        to whole documents."""
        if self.models[at].card.own_tokens and per not in ("file", "document"):
            raise LmbenchError(
                f"{self.rows[at].model} predicts tokens of its own, so that only documents have exact scores; "
                "take --per document"
            )
        return Sums.of(log_probs, tokens, units)

    def measured(self, at: int, log_probs: NDArray[np.float64], tokens: Tokens, text: Text) -> Score:
        """The figures of the whole text, with intervals, as the table of a run has them."""
        card = self.models[at].card
        return measure(
            log_probs, tokens, distribution=card.distribution, own_tokens=card.own_tokens, words=text.words,
        )  # fmt: skip


def _rows(record: Record, names: Sequence[str]) -> list[Row]:
    found: dict[str, Row] = {}
    for name in names:
        rows = [row for row in record.rows if not row.control] if name == ALL else [store.find_row(record, name)]
        found |= {row.model: row for row in rows}
    if not found:
        raise UsageError("this run has no model that could score a text")
    return list(found.values())


def _opened(folder: Path, record: Record, row: Row, light: bool, device: str) -> Scoring:
    if light:
        home = store.folder_of(folder, row)
        found = _light.load(parse(row.model).name, home, record.card.vocabulary)
        if found is not None:
            check_model(home, row)
            return found
    return load_model(folder, row, machine.resolve_device(device))
