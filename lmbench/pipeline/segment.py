"""Words found in a text without spaces, where models are uncertain of what follows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, pairwise
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lmbench import store
from lmbench.corpus.scripts import MOST_UNSPACED, unspaced_share
from lmbench.corpus.segmenter import name as segmenter_name
from lmbench.corpus.segmenter import segments
from lmbench.corpus.text import Text, text_of
from lmbench.errors import LmbenchError, UsageError
from lmbench.model import models
from lmbench.model._branching import RULES, Rule, branching_entropies, cut, reversed_documents, rising
from lmbench.model.base import Model, Refittable
from lmbench.pipeline.bounds import guesses_tokens
from lmbench.pipeline.match import trains
from lmbench.pipeline.opened import load_model, tokenizer_of
from lmbench.pipeline.training_text import training_parts
from lmbench.progress import Progress
from lmbench.runtime import Runtime
from lmbench.score.boundaries import Agreement, agreement, best_threshold
from lmbench.spec import Spec, parse
from lmbench.tokenizer import tokenizers
from lmbench.tokenizer.base import Tokenizer
from lmbench.tokens import Tokens

Direction = Literal["forward", "backward", "both"]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

MODELS = ("ngram(order=3)", "ngram(order=5)")
CHARACTERS = 20_000
_CHOSEN_ON = 0.2  # of the text: the beginning, on which thresholds are chosen; the rest is scored
_VALID = 20  # one token in so many of the text is left to choose a model's settings on
_FEWEST = 200  # characters that models are fitted on
_BITS = 1 / math.log(2)
_ONE_SIGN = ("char", "byte")  # tokenizers whose ids tell every character apart


@dataclass(frozen=True)
class Unspaced:
    """A text without its white space. `documents`: each of them; `begins`: [n] whether a word begins at each character
    of all of them, by `reference`; None where nothing says so, and `reference` is empty. `told`: why, or what else."""

    documents: list[str]
    begins: Flags | None
    reference: str
    told: list[str] = field(default_factory=list)

    @property
    def starts(self) -> Flags:
        """[n] whether a document begins at each character."""
        found = np.zeros(sum(map(len, self.documents)), dtype=np.bool_)
        found[np.cumsum([0, *map(len, self.documents[:-1])])] = True
        return found


@dataclass(frozen=True)
class Found:
    """What one model found in one way. `threshold`: bits; `begins`: [n] whether a word begins at each character.

    `scored`: on the text behind that on which the threshold was chosen; None where nothing tells the words.
    """

    model: str
    direction: Direction
    rule: Rule
    threshold: float
    begins: Flags
    scored: Agreement | None


@dataclass(frozen=True)
class Segmentation:
    """`found` by each model in each way; `chance`: the precision and recall of as many boundaries at random;
    `chosen_on`: characters on which thresholds were chosen."""

    text: Unspaced
    found: list[Found]
    chance: float | None
    chosen_on: int
    notes: list[str]

    def best(self) -> list[Found]:
        """The way that does best, of each model; where nothing tells the words, both directions by rise."""
        names = dict.fromkeys(each.model for each in self.found)
        return [max((each for each in self.found if each.model == name), key=_merit) for name in names]


def _merit(found: Found) -> tuple[float, bool, bool]:
    return (found.scored.f1 if found.scored else 0.0), found.direction == "both", found.rule == "rise"


def unspaced(documents: Sequence[str], most: int) -> Unspaced:
    """The first `most` visible characters of `documents`, without white space, and where their words begin.

    White space says so, or ICU where the script puts no spaces between words.
    """
    pieces: list[list[str]] = []
    left, told, reference = most, list[str](), "white space"
    sample = "".join(documents)[: 4 * most]
    by_segmenter = unspaced_share(sample) > MOST_UNSPACED
    if by_segmenter:
        try:
            reference = segmenter_name()
        except UsageError as error:
            reference, by_segmenter = "", False
            told.append(f"no precision and recall: {error}")
    for document in documents:
        words = [word.strip() for word in segments(document[: 4 * left])] if by_segmenter else document.split()
        kept = []
        for word in filter(None, ("".join(word.split()) for word in words)):
            kept.append(word[:left])
            left -= len(kept[-1])
            if not left:
                break
        pieces += [kept] if kept else []
        if not left:
            break
    if not pieces:
        raise LmbenchError("the text has nothing but white space; give one that has letters in it")
    begins = np.zeros(sum(len(word) for word in chain(*pieces)), dtype=np.bool_)
    begins[np.cumsum([0, *(len(word) for word in chain(*pieces))])[:-1]] = True
    text = Unspaced(["".join(each) for each in pieces], begins, reference, told)
    if not reference or not (begins & ~text.starts).any():
        line = [] if told else ["no precision and recall: the text given has no spaces that say where words are"]
        return replace(text, begins=None, reference="", told=[*told, *line])
    return text


@dataclass(frozen=True)
class Asked:
    """A model that reads on, and one that reads back, where there is one; `told`: what is to be said of them."""

    name: str
    forward: Model
    backward: Model | None
    told: str = ""


def of_specs(specs: Sequence[Spec], text: Text, progress: Progress, seed: int) -> tuple[Tokenizer, Iterator[Asked]]:
    """Models fitted on `text` itself, which is what is to be segmented: nothing but the text tells where words are."""
    for spec in specs:
        models.check(spec)
    if text.characters < _FEWEST:
        raise LmbenchError(
            f"{text.characters:,} characters are too few to learn words from; give a longer text, or --run RUN"
        )
    tokenizer: Tokenizer = tokenizers.make("char").train(text, progress)
    tokens = tokenizer.encode(text, None, progress)
    parts = _with_settings(tokens)

    def fitted(spec: Spec, reverse: bool) -> Model:
        train, valid, whole = (reversed_documents(part) for part in parts) if reverse else parts
        model: Model = models.make(spec, runtime=Runtime("cpu", seed))
        model = model.fit(train, valid, progress)
        if isinstance(model, Refittable):
            model.refit(whole, progress)
        return model

    return tokenizer, (
        Asked(str(spec), fitted(spec, reverse=False), None if trains(spec) else fitted(spec, reverse=True))
        for spec in specs
    )


def _with_settings(tokens: Tokens) -> tuple[Tokens, Tokens, Tokens]:
    """(what is fitted on, what settings are chosen on, both)."""
    count = max(1, len(tokens) // _VALID)
    return tokens.head(len(tokens) - count), tokens.tail(count), tokens


def of_run(folder: Path, names: Sequence[str], device: str, progress: Progress) -> tuple[Tokenizer, Iterator[Asked]]:
    """Models of a run; those of counts also read back, counted anew on its training text in reverse order.

    Raises UsageError where the run's tokens do not tell every character apart.
    """
    record = store.read_record(folder)
    tokens = record.card.tokenizer
    if tokens.split("(")[0] not in _ONE_SIGN:
        raise UsageError(
            f"{folder}: its tokens are {tokens}, in which letters are joined already; make a run with --tokenizer char"
        )
    rows = [store.find_row(record, name) for name in names] if names else list(filter(guesses_tokens, record.rows))
    rows = [row for row in rows if row.distribution and not row.control and not row.adaptive]
    if not rows:
        raise UsageError(f"{folder} has no fitted model that says what follows")

    def opened() -> Iterator[Asked]:
        parts: tuple[Tokens, Tokens] | None = None
        for row in rows:
            spec, backward, told = parse(row.model), None, "a network of the run reads on only"
            if not trains(spec):
                try:
                    parts = parts or training_parts(folder, progress)
                    backward, told = _backward(spec, parts, record.card.refit, progress), ""
                except LmbenchError as error:
                    told = f"it reads on only: {error}"
            yield Asked(row.model, load_model(folder, row, device), backward, told)

    return tokenizer_of(folder, record.card), opened()


def _backward(spec: Spec, parts: tuple[Tokens, Tokens], refit: bool, progress: Progress) -> Model:
    train, valid = map(reversed_documents, parts)
    model: Model = models.make(spec, runtime=Runtime("cpu"))
    model = model.fit(train, valid, progress)
    if refit and isinstance(model, Refittable):
        model.refit(train + valid, progress)
    return model


def segmented(
    text: Unspaced, tokenizer: Tokenizer, asked: Iterator[Asked], threshold: float | None, progress: Progress
) -> Segmentation:
    """The words that each model finds. `threshold`: bits, for all; None: the best one on the beginning of the text,
    or, where nothing tells its words, the mean entropy, and the mean of what rises there are."""
    tokens = tokenizer.encode(text_of(text.documents), None, progress)
    starts = text.starts
    first = round(_CHOSEN_ON * len(starts)) if threshold is None and text.begins is not None else 0
    found, notes = [], list(text.told)
    for each in asked:
        notes += [f"{each.name}: {each.told}"] if each.told else []
        forward = _per_character(branching_entropies(each.forward, tokens, progress), tokens)
        ways: dict[Direction, tuple[Floats, Floats]] = {"forward": (forward, rising(forward, starts))}
        if each.backward is not None:
            ways["backward"] = _read_back(each.backward, tokens, starts, progress)
            ways["both"] = ways["forward"][0] + ways["backward"][0], ways["forward"][1] + ways["backward"][1]
        for direction, values in ways.items():
            for rule, value in zip(RULES, values, strict=True):
                found.append(_found(each.name, direction, rule, value, text, first, threshold))
    truth = None if text.begins is None else text.begins[first:][~starts[first:]]
    return Segmentation(text, found, None if truth is None else float(truth.mean()), first, notes)


def _read_back(model: Model, tokens: Tokens, starts: Flags, progress: Progress) -> tuple[Floats, Floats]:
    """(entropy of the character before each character, given all from that on; its rise on the one after it)."""
    entropies = branching_entropies(model, reversed_documents(tokens), progress)
    back = np.zeros(len(tokens))
    rises = np.zeros(len(tokens))
    for start, end in zip(tokens.documents.tolist(), tokens.ends.tolist(), strict=True):
        own = entropies[start:end]  # own[j]: given the last j tokens
        back[start:end] = np.append(own[1:][::-1], 0.0)
        rises[start:end] = np.append(np.diff(own)[::-1], 0.0)
    values, risen = _per_character(back, tokens), _per_character(rises, tokens)
    values[starts], risen[starts] = -np.inf, -np.inf
    return values, risen


def _per_character(values: Floats, tokens: Tokens) -> Floats:
    """[c] what is known where each character begins, the ends of documents left out."""
    begins = tokens.vocabulary.character_lengths[tokens.ids] > 0
    begins &= tokens.ids != tokens.vocabulary.end_of_text
    return values[begins]


def _found(
    model: str, direction: Direction, rule: Rule, values: Floats, text: Unspaced, first: int, threshold: float | None
) -> Found:
    starts, truth = text.starts, text.begins
    if threshold is not None:
        at = threshold / _BITS
    elif truth is not None:
        at = best_threshold(values[:first], truth[:first], starts[:first])
    else:
        inside = values[~starts & np.isfinite(values)]
        inside = inside if rule == "global" else inside[inside > 0]
        at = float(inside.mean()) if len(inside) else 0.0
    begins = cut(values, at) | starts
    scored = None if truth is None else agreement(begins[first:], truth[first:], starts[first:])
    return Found(model, direction, rule, at * _BITS, begins, scored)


def words_in(text: Unspaced, begins: Flags, most: int | None = None) -> list[list[str]]:
    """The words of each document, of the first `most` characters."""
    found, at = [], 0
    for document in text.documents:
        own = begins[at : at + len(document)]
        edges = [*np.flatnonzero(own).tolist(), len(document)]
        found.append([document[low:high] for low, high in pairwise(edges)])
        at += len(document)
        if most is not None and at >= most:
            break
    return found
