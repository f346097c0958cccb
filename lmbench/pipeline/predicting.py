"""What the models of a run expect after a text, beside one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lmbench import machine, store
from lmbench.counts.suffix_index import SuffixIndex
from lmbench.errors import UsageError
from lmbench.generation.prediction import (
    Branch,
    Floats,
    Ids,
    Prediction,
    predicted,
    prompt_ids,
    surprisals,
    token_text,
    unfolded,
)
from lmbench.model.base import Evidence
from lmbench.pipeline.opened import load_model, tokenizer_of
from lmbench.pipeline.training_text import kept_index
from lmbench.progress import Progress
from lmbench.record import Record, Row
from lmbench.tokenizer.base import Tokenizer
from lmbench.tokens import Vocabulary


@dataclass(frozen=True)
class Expected:
    """What one model says; where it was asked for, `tree`: the likeliest continuations, and `bits`: [n] what each token
    of the text cost."""

    model: str
    prediction: Prediction
    tree: list[Branch] | None
    bits: Floats | None


@dataclass(frozen=True)
class Outlook:
    """`ids`: of the text. `models`: those that have a distribution over the next token; `without`: those that have
    none, their tokens being their own."""

    tokenizer: Tokenizer
    ids: Ids
    models: list[Expected]
    without: list[str]

    @property
    def vocabulary(self) -> Vocabulary:
        return self.tokenizer.vocabulary

    @property
    def unknown(self) -> int:
        """Tokens of the text that are outside the vocabulary."""
        return 0 if self.vocabulary.unknown is None else int((self.ids == self.vocabulary.unknown).sum())

    def json(self, top: int) -> dict[str, Any]:
        return {"models": [self._json(each, top) for each in self.models], "without": self.without}

    def _json(self, expected: Expected, top: int) -> dict[str, Any]:
        prediction, vocabulary = expected.prediction, self.vocabulary
        evidence = prediction.evidence
        found: dict[str, Any] = {
            "model": expected.model,
            "entropy_bits": prediction.entropy_bits,
            "next": [_token(vocabulary, token, probability) for token, probability in prediction.likeliest(top)],
            "evidence": evidence and {"length": evidence.length, "count": evidence.count, "types": evidence.types},
        }
        if expected.tree is not None:
            found["tree"] = [_branch(vocabulary, branch) for branch in expected.tree]
        if expected.bits is not None:
            bits = [each if np.isfinite(each) else None for each in expected.bits.tolist()]
            found["tokens"] = [
                {"token": token_text(vocabulary, token), "id": token, "bits": each}
                for token, each in zip(self.ids.tolist(), bits, strict=True)
            ]
        return found


def _token(vocabulary: Vocabulary, token: int, probability: float) -> dict[str, Any]:
    end = token == vocabulary.end_of_text
    return {"token": token_text(vocabulary, token), "probability": probability, "id": token, "end": end}


def _branch(vocabulary: Vocabulary, branch: Branch) -> dict[str, Any]:
    found = _token(vocabulary, branch.token, branch.here)
    return found | {"total": branch.total, "next": [_branch(vocabulary, each) for each in branch.branches]}


def rows_named(record: Record, names: Sequence[str]) -> list[Row]:
    """The rows that `names` say, each once; without names every row but controls. Raises UsageError for a name that
    fits none."""
    rows = [store.find_row(record, name) for name in names] or [row for row in record.rows if not row.control]
    if not rows:
        raise UsageError("this run has no model that could be asked")
    return list({row.model: row for row in rows}.values())


def outlook(
    folder: Path, names: Sequence[str], text: str, device: str, progress: Progress, tree: int = 0, tokens: bool = False
) -> Outlook:
    """What the models that `names` say expect after `text`. `tree`: strings of tokens to unfold; `tokens`: what each
    token of the text cost."""
    record = store.read_record(folder)
    tokenizer = tokenizer_of(folder, record.card)
    rows = rows_named(record, names)
    ids, end = prompt_ids(tokenizer, text), tokenizer.vocabulary.end_of_text
    models, without = [], []
    with progress.task("predicting", len(rows)) as task:
        for row in rows:
            task.show(row.model)
            model = load_model(folder, row, machine.resolve_device(device))
            if model.card.own_tokens:
                without.append(row.model)
            else:
                models.append(
                    Expected(
                        row.model,
                        predicted(model, ids, end),
                        unfolded(model, ids, end, tree) if tree else None,
                        surprisals(model, ids, tokenizer.vocabulary) if tokens else None,
                    )
                )
            task.advance()
    return Outlook(tokenizer, ids, _counted(folder, models, ids, end), without)


def _counted(folder: Path, models: list[Expected], ids: Ids, end: int) -> list[Expected]:
    """With how often the contexts of n-gram models occurred, which these do not keep, where the run has an index of its
    training text (which the n-grams of an ARPA file need not come from)."""
    lacking = [each for each in models if _lacks_count(each)]
    index = kept_index(folder) if lacking else None
    if index is None:
        return models
    return [_with_count(each, index, ids, end) if each in lacking else each for each in models]


def _lacks_count(expected: Expected) -> bool:
    found = expected.prediction.evidence
    return "arpa" not in expected.model and found is not None and found.count is None


def _with_count(expected: Expected, index: SuffixIndex, ids: Ids, end: int) -> Expected:
    found = expected.prediction.evidence
    assert found is not None
    context = np.concatenate([[end], ids]).astype(np.int64)
    context = context[len(context) - found.length :]
    low, high = index.find(context, np.zeros(1, dtype=np.int64), np.array([len(context)]))
    count = int(high[0]) - int(index.followed(low, high, len(context))[0])
    counted = replace(expected.prediction, evidence=Evidence(found.length, count, found.types))
    return replace(expected, prediction=counted)
