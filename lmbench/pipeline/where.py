"""Where one model of a run is better than another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lmbench import store
from lmbench.counts.suffix_index import SuffixIndex
from lmbench.counts.suffix_matches import Matches
from lmbench.errors import LmbenchError, UsageError
from lmbench.model.base import Model, distributions_at
from lmbench.pipeline.comparison import Contestant, demand_same_text
from lmbench.pipeline.job import Job
from lmbench.pipeline.match import trains, trains_itself
from lmbench.pipeline.opened import load_model
from lmbench.pipeline.training_text import training_index
from lmbench.progress import Progress
from lmbench.record import GroupOfTokens, Record, Row, TokensBy
from lmbench.record import Where as RecordedWhere
from lmbench.score.breakdown import (
    Blend,
    Breakdown,
    Calibration,
    Floats,
    Ints,
    blend,
    breakdown,
    calibration,
    decades,
    doubling,
    extremes,
    kinds,
)
from lmbench.score.overlap import covered
from lmbench.spec import parse
from lmbench.tokens import Tokens

FIVE = 5
_LONGEST_MATCH, _FARTHEST = 64, 1 << 14  # the last group of matches and of positions begins after it
_PASSAGE = 20  # tokens of a passage
_BEFORE = 60  # bytes of context that are shown


@dataclass(frozen=True)
class Moment:
    """One token, with what stands before it and what each model lost on it."""

    offset: int
    before: str
    token: str
    nats: tuple[float, float]


@dataclass(frozen=True)
class Where:
    """`models`: the two. `calibrations`: of each that could be asked, else the reason in `unasked`. `agreement`: the
    share of the sampled places where both have the same most probable token. `wins`: where the first gains most on the
    second, `losses`: where it loses most."""

    models: tuple[str, str]
    nats: tuple[float, float]
    breakdowns: tuple[Breakdown, ...]
    blend: Blend
    calibrations: dict[str, Calibration]
    agreement: float | None
    unasked: dict[str, str]
    wins: tuple[Moment, ...]
    losses: tuple[Moment, ...]


def two_of(found: Sequence[Contestant], named: bool) -> tuple[Contestant, Contestant]:
    """The two to look at: those that were named; else the best net and the best that holds none, or the best two where
    there is no such pair."""
    if named:
        ranked = sorted(found, key=lambda each: each.row.nats_per_token or 0.0)
        if len(ranked) > 2:
            raise UsageError("--where looks at two models: name two of " + ", ".join(each.name for each in ranked))
        return ranked[0], ranked[1]
    places = {id(each.row): each for each in found}
    first, second = _pair([each.row for each in found])
    return places[id(first)], places[id(second)]


def _pair(rows: Sequence[Row]) -> tuple[Row, Row]:
    ranked = sorted(rows, key=lambda row: row.nats_per_token or 0.0)
    nets = [row for row in ranked if trains_itself(parse(row.model))]
    counts = [row for row in ranked if not trains(parse(row.model))]
    return (nets[0], counts[0]) if nets and counts else (ranked[0], ranked[1])


def where(
    first: Contestant, second: Contestant, progress: Progress, *, places: int, moments: int, seed: int = 0
) -> Where:
    """All of it, by token. `places`: how many are drawn to ask both models for what they expect; `moments`: how many
    wins and losses. Raises UsageError where the two have other tokens."""
    demand_same_text([first, second], "token")
    if any(each.row.nats_per_token is None for each in (first, second)):
        raise UsageError("--where looks at tokens of the run, and a model has tokens of its own")
    tokens, log_probs = first.tokens, [first.log_probs, second.log_probs]
    names = (first.name, second.name)
    index = training_index(first.folder, progress)
    with progress.task("matching") as task:
        losses = dict(zip(names, (-each for each in log_probs), strict=True))
        found = breakdowns_of(tokens, index, losses)
        task.advance()
    drawn = np.sort(np.random.default_rng(seed).permutation(len(tokens))[:places]).astype(np.int64)
    calibrations, tops, unasked = {}, [], {}
    for each in (first, second):
        try:
            made, top = _asked(each, drawn, progress)
        except LmbenchError as error:
            unasked[each.name] = str(error)
        else:
            calibrations[each.name] = made
            tops.append(top)
    ahead, behind = extremes(log_probs[0], log_probs[1], moments)
    return Where(
        models=names,
        nats=(-float(log_probs[0].mean()), -float(log_probs[1].mean())),
        breakdowns=found,
        blend=blend(log_probs[0], log_probs[1]),
        calibrations=calibrations,
        agreement=float((tops[0] == tops[1]).mean()) if len(tops) == 2 else None,
        unasked=unasked,
        wins=_moments(tokens, ahead, losses),
        losses=_moments(tokens, behind, losses),
    )


def breakdowns_of(tokens: Tokens, index: SuffixIndex, losses: dict[str, Floats]) -> tuple[Breakdown, ...]:
    """Losses {model: [n] nats} by what the training text of `index` holds, by place in the document, and by kind."""
    matched, copied = matches(tokens, index)
    counts = np.bincount(index.text.astype(np.int64), minlength=len(tokens.vocabulary))
    passage = f"in a passage of {_PASSAGE} tokens that training holds"
    return (
        breakdown("longest context in training, tokens", *doubling(matched, _LONGEST_MATCH), losses),
        breakdown(passage, ["no", "yes"], copied.astype(np.int64), losses),
        *by_token(tokens, counts, losses),
    )


def by_token(tokens: Tokens, counts: Ints, losses: dict[str, Floats]) -> tuple[Breakdown, ...]:
    """Losses by what each token is: `counts` [V] of it in training, its place in its document, its kind."""
    ids = np.asarray(tokens.ids)
    labels, of_ids = kinds(tokens.vocabulary)
    return (
        breakdown("times in training", *decades(counts[ids]), losses),
        breakdown("tokens before it in its document", *doubling(tokens.places, _FARTHEST), losses),
        breakdown("kind", labels, of_ids[ids], losses),
    )


def with_where(job: Job, record: Record, folder: Path) -> Record:
    """The record, with what two of its models lose by kind, frequency and place of the token; what training holds of
    the text takes an index, and is left to `where`."""
    rows = [row for row in record.rows if row.nats_per_token is not None and row.distribution and not row.control]
    if len(rows) < 2:
        return record
    chosen = _pair(rows)
    log_probs = [store.read_log_probs(folder, row) for row in chosen]
    losses = {row.model: -each for row, each in zip(chosen, log_probs, strict=True)}
    counts = job.train.counts + job.valid.counts if job.splits.refit else job.train.counts
    parts = [
        TokensBy(
            by=part.by,
            groups=[GroupOfTokens(label=each.label, tokens=each.tokens, nats=list(each.nats)) for each in part.groups],
        )
        for part in by_token(job.test, counts, losses)
    ]
    mixed = blend(*log_probs)
    found = RecordedWhere(models=list(losses), breakdowns=parts, weight=mixed.weight, gain=mixed.gain)
    return record.model_copy(update={"where": found})


def matches(tokens: Tokens, index: SuffixIndex) -> tuple[Ints, NDArray[np.bool_]]:
    """[n] how many tokens before each training holds in one piece with something after them, the beginning of a
    document counted as one; and which lie in a passage of 20 tokens that it holds."""
    stream = np.concatenate([[index.end_of_text], tokens.ids]).astype(np.int64)
    found = Matches(index, stream)
    depths = np.zeros(len(stream), dtype=np.int64)
    for level in found.levels():
        depths[level.positions] = np.maximum(depths[level.positions], level.depth)
    return depths[1:], covered(found.longest(), _PASSAGE)[1:]


def _asked(each: Contestant, drawn: Ints, progress: Progress) -> tuple[Calibration, Ints]:
    """How well one is calibrated at the places `drawn`, and its most probable token at each."""
    if each.row.adaptive:
        raise LmbenchError("it learns from the text before, and is not asked place by place")
    model: Model = load_model(each.folder, each.row)
    tokens = each.tokens
    top, five, confidence = np.zeros_like(drawn), np.zeros(len(drawn), dtype=np.bool_), np.zeros(len(drawn))
    with progress.task(f"asking {each.name}", len(drawn)) as task:
        asked = distributions_at(model, tokens, drawn)
        for row, (offset, scores) in enumerate(zip(drawn.tolist(), asked, strict=True)):
            best = np.argpartition(scores, -FIVE)[-FIVE:] if len(scores) > FIVE else np.arange(len(scores))
            top[row] = best[np.argmax(scores[best])]
            five[row] = tokens.ids[offset] in best
            confidence[row] = np.exp(scores[top[row]])
            task.advance()
    return calibration(confidence, np.asarray(tokens.ids)[drawn] == top, five), top


def _moments(tokens: Tokens, offsets: Ints, losses: dict[str, Floats]) -> tuple[Moment, ...]:
    one, two = losses.values()
    found = []
    for offset in offsets.tolist():
        nats = float(one[offset]), float(two[offset])
        found.append(Moment(offset, _text(tokens, offset), _decoded(tokens, offset, offset + 1), nats))
    return tuple(found)


def _text(tokens: Tokens, offset: int) -> str:
    """What stands before a token in its document, or in the documents before where those are lines."""
    start = 0
    if not tokens.vocabulary.lines:
        start = int(tokens.documents[np.searchsorted(tokens.documents, offset, side="right") - 1])
    return _decoded(tokens, max(start, offset - _BEFORE), offset)[-_BEFORE:]


def _decoded(tokens: Tokens, start: int, stop: int) -> str:
    vocabulary = tokens.vocabulary
    between = b"" if vocabulary.lossless else b" "
    pieces = [vocabulary.tokens[token] for token in tokens.ids[start:stop].tolist()]
    return between.join(pieces).decode("utf-8", errors="replace")
