"""What the models of a run say of the beginning of its test text, and what they write when they go on from there.

Surprisals are those that the run was scored with, read from its folder. What a model held for likeliest is asked of the
fitted model, and only while there is time: a page has to be there soon, however many models there are.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lmbench import machine, store
from lmbench.errors import LmbenchError
from lmbench.generation.text import stream
from lmbench.model.base import Model, distributions
from lmbench.pipeline.opened import load_model, scored_tokens_of
from lmbench.record import Record, Row
from lmbench.report.material import Choices, Material, Voice
from lmbench.tokens import Tokens, Vocabulary

TOKENS = 600  # of a passage
TOP = 8  # likeliest tokens that are kept
PROMPT, SAMPLE = 12, 60  # tokens that a sample goes on from, and has
_FOR_CHOICES = 0.75  # of a model's time; the rest is for its sample
_SEED = 0


def material_of(folder: Path, record: Record, seconds: float, count: int = TOKENS) -> Material:
    """The first `count` test tokens as every model of the run sees them; models are asked for `seconds` at most, the
    best first, each for an equal share of what is left."""
    try:
        tokens = scored_tokens_of(folder, record.card).head(count)
    except LmbenchError as error:
        return Material([], [], True, {}, [], left_out=[("the test text", str(error))])
    rows = [(row, _reason(row)) for row in record.rows]
    left_out = [(row.model, reason) for row, reason in rows if reason]
    asked = sorted((row for row, reason in rows if not reason), key=lambda row: row.nats_per_token or 0.0)
    clock = _Clock(seconds, len(asked))
    voices = []
    for row in asked:
        try:
            nats = _surprisals(folder, row, len(tokens))
        except LmbenchError as error:
            left_out.append((row.model, str(error)))
            continue
        voices.append(_voice(folder, row, nats, tokens, clock))
    shown = {index for voice in voices for choices in voice.choices for index, _ in choices}
    names = {index: _name(tokens.vocabulary, index) for index in sorted(shown)}
    joined = tokens.lossless
    prompt = ("" if joined else " ").join(pieces(tokens)[: _prompt(tokens)])
    return Material(tokens.ids.tolist(), pieces(tokens), joined, names, voices, prompt, left_out)


def _reason(row: Row) -> str:
    """Why a row has no place in a passage; empty where it has one."""
    if not row.distribution:
        return "its scores are no probabilities"
    if row.control:
        return "a control"
    if row.nats_per_token is None and row.bits_per_byte is not None:
        return "it has tokens of its own, which are not those of the passage"
    return ""


def _surprisals(folder: Path, row: Row, count: int) -> list[float | None]:
    found = store.read_log_probs(folder, row)[:count]
    return [-value if math.isfinite(value) else None for value in found.tolist()]


class _Clock:
    """Shares `seconds` among `models`: each has an equal part of what is left when it has been read. What the first
    takes to be read, and what has to be loaded for any model, is not counted."""

    def __init__(self, seconds: float, models: int) -> None:
        self._seconds, self._models = seconds, models
        self._end: float | None = None

    @property
    def over(self) -> bool:
        return self._seconds <= 0 if self._end is None else time.monotonic() >= self._end

    def share(self) -> tuple[float, float]:
        """When the time of the next model begins and ends, on the monotonic clock."""
        now = time.monotonic()
        if self._end is None:
            self._end = now + self._seconds
        share = max(0.0, self._end - now) / max(1, self._models)
        self._models -= 1
        return now, now + share


def _voice(folder: Path, row: Row, nats: list[float | None], tokens: Tokens, clock: _Clock) -> Voice:
    """The voice of a row, with as many choices as there is time for."""
    if clock.over:
        return Voice(row.model, nats, said="there was no time left to ask it")
    choices: list[Choices] = []
    text, said = None, ""
    try:
        model = load_model(folder, row)
        start, end = clock.share()
        for each in _choices(model, tokens):
            choices.append(each)
            if time.monotonic() > start + _FOR_CHOICES * (end - start):
                break
        text = _sample(model, tokens, end)
    except LmbenchError as error:
        said = str(error)
    except (MemoryError, RuntimeError) as error:
        if not machine.out_of_memory(error):
            raise
        said = "it does not fit in memory"
    if not said and len(choices) < len(tokens):
        said = f"it is slow: there was time for the first {len(choices):,} of {len(tokens):,} tokens"
    return Voice(row.model, nats, choices, text, said)


def _choices(model: Model, tokens: Tokens) -> Iterator[Choices]:
    """The likeliest tokens at each place, the likeliest first, of equal ones the lower id."""
    for log_probs in distributions(model, tokens):
        for row in log_probs:
            yield _likeliest(row)


def _likeliest(log_probs: NDArray[np.float64]) -> Choices:
    few = min(TOP, len(log_probs))
    least = np.partition(log_probs, len(log_probs) - few)[len(log_probs) - few]
    found = np.flatnonzero(log_probs >= least)
    order = found[np.argsort(-log_probs[found], kind="stable")][:few]
    return [(index, math.exp(log_probs[index])) for index in order.tolist() if log_probs[index] > -math.inf]


def _sample(model: Model, tokens: Tokens, end: float) -> str:
    """What the model writes after the beginning of the passage, until it has all its tokens or the time is over."""
    from lmbench.generation.sample import sample  # torch, which a plan that is wrong does without

    vocabulary = tokens.vocabulary
    prompt = tokens.ids[: _prompt(tokens)].astype(np.int64)

    def timed() -> Iterator[int]:
        for index in sample(model, prompt, SAMPLE, vocabulary.end_of_text, seed=_SEED):
            yield index
            if time.monotonic() > end:
                return

    return "".join(stream(timed(), vocabulary, spaced=not vocabulary.lossless))


def _prompt(tokens: Tokens) -> int:
    """How many tokens samples go on from: of the first document only, without its end."""
    return min(PROMPT, int(tokens.ends[0]) - 1) if len(tokens.documents) else 0


def pieces(tokens: Tokens) -> list[str]:
    """[n] the text of each token: every character stands whole in the first token that has a part of it, so that a
    token that goes on with a character has no text. Bytes that are no UTF-8 are surrogates. Ends have a name.

    Worked example, "né" in bytes: `["n", "é", ""]`.
    """
    vocabulary = tokens.vocabulary
    if tokens.spelled is not None:
        return tokens.texts()
    if not vocabulary.lossless:
        return [_name(vocabulary, index) for index in tokens.ids.tolist()]
    raw = [vocabulary.tokens[index] for index in tokens.ids.tolist()]
    owners = np.repeat(np.arange(len(raw)), [len(each) for each in raw]).tolist()
    found = ["" for _ in raw]
    at = 0
    for character in b"".join(raw).decode("utf-8", "surrogateescape"):
        found[owners[at]] += character
        at += len(character.encode("utf-8", "surrogateescape"))
    if not vocabulary.lines:
        for place in np.flatnonzero(tokens.ids == vocabulary.end_of_text).tolist():
            found[place] = f"{_END}\n"
    return found


_END = "⟨end⟩"


def _name(vocabulary: Vocabulary, index: int) -> str:
    """A token as a list of them has it."""
    if index == vocabulary.unknown:
        return "⟨unknown⟩"
    return vocabulary.tokens[index].decode("utf-8", "surrogateescape") or _END
