"""Every pair of models of one run, or of several on the same text: differences, corrected for being many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lmbench import store
from lmbench.errors import LmbenchError, UsageError
from lmbench.pipeline.opened import scored_tokens_of
from lmbench.record import Card, Record, Row, comparable
from lmbench.score.paired import Difference, Sums, by_byte, by_token, holm
from lmbench.tokens import Tokens

Unit = Literal["token", "byte"]


@dataclass(frozen=True, eq=False)
class Contestant:
    """A row with what it was scored on. `name`: the row's model, with its run where another run has it too."""

    name: str
    folder: Path
    record: Record
    row: Row
    tokens: Tokens

    @property
    def log_probs(self) -> NDArray[np.float64]:
        return store.read_log_probs(self.folder, self.row)


@dataclass(frozen=True)
class Pair:
    """First model minus second; `corrected`: the p-value after Holm's correction over all pairs that were asked for."""

    first: str
    second: str
    difference: Difference
    corrected: float | None


@dataclass(frozen=True)
class Comparison:
    """`models`: (name, loss in `unit`), best first. `pairs`: of each the first is the better one. `left_out`: models
    that cannot be compared, each with the reason. `adaptive`: models that learn from the text that they are scored on.
    """

    unit: str
    models: list[tuple[str, float]]
    pairs: list[Pair]
    left_out: list[str]
    adaptive: list[str]


def contestants(folders: Sequence[Path], names: Sequence[str] = ()) -> tuple[list[Contestant], list[str]]:
    """The rows of the runs that can be compared, those called `names` where there are any; and why others cannot.

    A name is looked for in every run, and must be in one of them at least. Raises UsageError where it is not, and where
    one that was named cannot be compared.
    """
    records = [store.read_record(folder) for folder in folders]
    tokens = [scored_tokens_of(folder, record.card) for folder, record in zip(folders, records, strict=True)]
    chosen = _named(records, names) if names else [list(record.rows) for record in records]
    models = [row.model for rows in chosen for row in rows]
    found, left_out = [], []
    for folder, record, text, rows in zip(folders, records, tokens, chosen, strict=True):
        for row in rows:
            name = row.model if models.count(row.model) == 1 else f"{row.model} of {folder.name}"
            reason = _incomparable(row)
            if reason is None:
                found.append(Contestant(name, folder, record, row, text))
            elif names:
                raise UsageError(f"{name} {reason}")
            else:
                left_out.append(f"{name} {reason}")
    if len(found) < 2:
        have = ", ".join(each.name for each in found) or "none"
        why = f"; {'; '.join(left_out)}" if left_out else ""
        raise UsageError(f"two models are wanted to compare, and there is {have}{why}")
    return found, left_out


def compare(found: Sequence[Contestant], left_out: Sequence[str] = (), unit: Unit | None = None) -> Comparison:
    """The differences of all pairs of `found`; `unit` None: by token, by byte where tokenizers differ.

    Raises UsageError where their cards disagree in a way that matters, with the line that differs.
    """
    sums = _summed(found, unit)
    losses = [float(each.losses.sum() / each.sizes.sum()) for each in sums]
    order = sorted(range(len(found)), key=losses.__getitem__)
    differences = [(one, two, sums[one].minus(sums[two])) for one, two in combinations(order, 2)]
    p_values = [difference.p_value for _, _, difference in differences]
    known = [p_value for p_value in p_values if p_value is not None]
    corrected = iter(holm(known))
    pairs = [
        Pair(found[one].name, found[two].name, difference, None if p_value is None else next(corrected))
        for (one, two, difference), p_value in zip(differences, p_values, strict=True)
    ]
    adaptive = [each.name for each in found if each.row.adaptive]
    return Comparison(
        sums[0].unit, [(found[place].name, losses[place]) for place in order], pairs, list(left_out), adaptive
    )


def _summed(found: Sequence[Contestant], unit: Unit | None) -> list[Sums]:
    differing = demand_same_text(found, unit)
    own_tokens = any(each.row.nats_per_token is None for each in found)
    if unit == "token" and own_tokens:
        raise UsageError("a model has tokens of its own: compare it with --unit byte")
    if unit == "byte" or (unit is None and (differing or own_tokens)):
        sums = by_byte([(each.log_probs, each.tokens) for each in found])
        return [replace(one, trainings=trainings_of(each.row, "byte")) for one, each in zip(sums, found, strict=True)]
    sums = by_token([each.log_probs for each in found], found[0].tokens)
    return [replace(one, trainings=trainings_of(each.row, "token")) for one, each in zip(sums, found, strict=True)]


def trainings_of(row: Row, unit: Unit) -> dict[int, float]:
    """{seed: loss per `unit`} of a net that was trained several times."""
    values = {each.seed: each.bits_per_byte if unit == "byte" else each.nats_per_token for each in row.seeds}
    return {seed: value for seed, value in values.items() if value is not None}


def demand_same_text(found: Sequence[Contestant], unit: Unit | None) -> bool:
    """Raise UsageError where the runs cannot be compared, in `unit` at least; returns whether their tokens differ."""
    first: Card = found[0].record.card
    differing = False
    for other in found[1:]:
        lines = comparable(first, other.record.card)
        spoilt = [line for line in lines if line.spoils == "every figure" or unit == "token"]
        if spoilt:
            said = "; ".join(f"{line.line} ({line.first[:40]} / {line.second[:40]})" for line in spoilt)
            advice = "" if any(line.spoils == "every figure" for line in spoilt) else "; compare with --unit byte"
            raise UsageError(f"the two runs cannot be compared, their cards differ in: {said}{advice}")
        differing = differing or bool(lines)
    return differing


def _named(records: Sequence[Record], names: Sequence[str]) -> list[list[Row]]:
    chosen: list[list[Row]] = [[] for _ in records]
    for name in names:
        failure: UsageError | None = None
        hits = 0
        for record, rows in zip(records, chosen, strict=True):
            try:
                row = store.find_row(record, name)
            except UsageError as error:
                failure = error
                continue
            hits += 1
            if row not in rows:
                rows.append(row)
        if failure is not None and not hits:
            raise failure
    if sum(map(len, chosen)) == 1:
        only = next(row.model for rows in chosen for row in rows)
        raise UsageError(f"both models are {only} of one run; give another one, or another RUN")
    return chosen


def _incomparable(row: Row) -> str | None:
    """Why a row has no place in a comparison."""
    if not row.distribution:
        return "is not a distribution: its score cannot be compared with a cross-entropy"
    if row.control:
        return "is a control, trained on a text without order"
    if row.zero_probability_tokens:
        return "gives tokens probability zero: it is infinitely far from any other"
    if row.nats_per_token is None and row.bits_per_byte is None:
        return "has no cross-entropy"
    return None


def find_runs(words: Sequence[str], out: Path) -> tuple[list[Path], list[str]]:
    """(folders of the runs, names of models) among `words`: the latest run where none of them is one.

    A word is a run where it names one, whole; or, before any model, where it is a part of one's name and of no model of
    the latest run.
    """
    folders: list[Path] = []
    names: list[str] = []
    for word in words:
        if store.names_run(word, out) or (not names and _is_part(word, out)):
            folders.append(store.find_run(word, out))
        else:
            names.append(word)
    folders = folders or [store.find_run(store.LATEST, out)]
    unique = {folder.resolve(): folder for folder in folders}
    return list(unique.values()), names


def _is_part(word: str, out: Path) -> bool:
    try:
        store.find_run(word, out)
    except UsageError:
        return False
    try:
        store.find_row(store.read_record(store.find_run(store.LATEST, out)), word)
    except LmbenchError:
        return True
    return False
