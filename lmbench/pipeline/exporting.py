"""The figures of runs in the forms of other programs."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lmbench import store
from lmbench.pipeline.opened import scored_tokens_of
from lmbench.record import Record, Row
from lmbench.report.export import exports, name_of
from lmbench.report.export.base import Documents, Export, Exported
from lmbench.spec import Spec
from lmbench.tokens import Tokens

_SPACE = re.compile(r"\s+")


def export(folders: Sequence[Path], form: str, models: Sequence[str] = ()) -> str:
    """The figures of the runs in `folders` as a file of the form `form`; of their `models` alone where some are named.

    Raises UsageError for a form that there is not, or a name that fits no model, or several; LmbenchError where what
    the form needs of a run is damaged.
    """
    written: Export = exports.make(Spec(name_of(form)))
    records = [_chosen(store.read_record(folder), models) for folder in folders]
    return written.text(
        [
            Exported(folder.resolve().name, record, _documents(folder, record))
            for folder, record in zip(folders, records, strict=True)
        ]
    )


def _chosen(record: Record, models: Sequence[str]) -> Record:
    """The record with the rows that `models` name, in that order, and no estimates."""
    if not models:
        return record
    rows = {row.model: row for name in models for row in [store.find_row(record, name)]}
    return record.model_copy(update={"rows": [*rows.values()], "entropy": []})


def _documents(folder: Path, record: Record) -> Callable[[Row], Documents | None]:
    @cache
    def read() -> tuple[Tokens, NDArray[np.int64], NDArray[np.int64]] | None:
        tokens = scored_tokens_of(folder, record.card)
        return (tokens, *_sizes(tokens)) if tokens.lossless else None

    def documents(row: Row) -> Documents | None:
        found = read()
        if found is None:
            return None
        tokens, words, size = found
        inside = np.where(tokens.ids == tokens.vocabulary.end_of_text, 0.0, -store.read_log_probs(folder, row))
        return Documents(np.add.reduceat(inside, tokens.documents), words, size)

    return documents


def _sizes(tokens: Tokens) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """[d] words and bytes of each document, its end left out."""
    texts = texts_of(tokens)
    words = np.array([len(_SPACE.split(text)) for text in texts], dtype=np.int64)
    return words, np.array([len(text.encode("utf-8")) for text in texts], dtype=np.int64)


def texts_of(tokens: Tokens) -> list[str]:
    """[d] the text of each document, of tokens that keep it, their ends left out."""
    vocabulary, end = tokens.vocabulary, tokens.vocabulary.end_of_text
    pieces = tokens.texts() if tokens.spelled is not None else None
    found = []
    for start, stop in zip(tokens.documents.tolist(), tokens.ends.tolist(), strict=True):
        last = stop - 1 if tokens.ids[stop - 1] == end else stop
        if pieces is None:
            found.append(vocabulary.decode(tokens.ids[start:last]).decode("utf-8", errors="replace"))
        else:
            found.append("".join(pieces[start:last]))
    return found
