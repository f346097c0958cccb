"""A text into training, validation and test: contiguous, in the order given."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lmbench.corpus.text import WINDOW, Text, character_starts
from lmbench.errors import LmbenchError, UsageError

_TOLERANCE = 0.01  # of the whole text: how far a cut moves to fall between two documents
_VALIDATION = 0.05  # of the whole text: what is cut off a training part that has no validation part beside it


@dataclass(frozen=True)
class Splits:
    """`rule` says in a sentence how the parts were made. `refit`: validation text is part of the
    training text by convention, so count models are counted again on train + valid once their
    settings are chosen.
    """

    train: Text
    valid: Text
    test: Text
    rule: str
    refit: bool = False


def split(
    text: Text,
    fractions: str = "90/5/5",
    *,
    valid: Text | None = None,
    test: Text | None = None,
    name: str = "the text",
) -> Splits:
    """Cut `text` at fractions of its characters.

    "90/5/5": train, validation, test. "90/10": the first 90 % trains and the last 10 % is the
    test (the convention of tinyshakespeare); the last 5 % of the text inside the training part
    validates, and `refit` is set. A cut moves to the nearest boundary between documents where
    there is one within 1 % of the text, and falls inside a document, between two characters,
    otherwise. Where `valid` or `test` is given, only what is missing is cut off.

    With "90/10", characters 0 .. int(0.9 n) train: of n = 10 the first 9, of which int(0.85 n) = 8
    are left when the validation part is cut off.

    Raises UsageError for fractions that are none, LmbenchError where a part would have no text, which says so of
    `name`.
    """
    shares = shares_of(fractions)
    pair = len(shares) == 2
    refit = pair and valid is None
    if pair:
        shares = [shares[0] - _VALIDATION, _VALIDATION, shares[1]]
    given = {"validation": valid, "test": test}
    missing = [(part, share) for part, share in zip(given, shares[1:], strict=True) if given[part] is None]
    for part, whole in given.items():
        if whole is not None and not whole.bytes:
            raise LmbenchError(f"{name}: the {part} text is empty; pass one that has text in it")
    kept = 1.0 if not missing else 1 - sum(share for _, share in missing)
    bounds = [kept]
    for _, share in missing[:-1]:
        bounds.append(bounds[-1] + share)
    cuts = _cuts(text, bounds if missing else [])
    parts = _cut(text, cuts)
    made = dict(zip(["training", *(part for part, _ in missing)], parts, strict=True))
    for part, piece in made.items():
        if not piece.bytes:
            raise LmbenchError(
                f"{name}: the {part} split would be empty: the text has {text.characters:,} characters in "
                f"{len(text.starts):,} documents; give a longer text, or separate validation and test texts"
            )
    rule = _rule(fractions, [part for part, _ in missing], pair, refit, len(text.starts))
    return Splits(parts[0], valid or made["validation"], test or made["test"], rule, refit)


def shares_of(fractions: str) -> list[float]:
    """The shares of "90/5/5" or "90/10". Raises UsageError for what cannot be a --split of any text."""
    if not re.fullmatch(r"\s*\d+(\.\d+)?\s*(/\s*\d+(\.\d+)?\s*){1,2}", fractions):
        raise UsageError(f"--split {fractions!r}: write train/valid/test or train/test in per cent, such as 90/5/5")
    numbers = [float(number) for number in fractions.split("/")]
    if abs(sum(numbers) - 100) > 1e-6 or min(numbers) <= 0:
        raise UsageError(f"--split {fractions!r}: the parts must be more than 0 and add up to 100")
    if len(numbers) == 2 and numbers[0] / 100 <= _VALIDATION:
        raise UsageError(f"--split {fractions!r}: the training part must be more than {_VALIDATION:.0%}")
    return [number / 100 for number in numbers]


def _rule(fractions: str, missing: list[str], pair: bool, refit: bool, documents: int) -> str:
    if not missing:
        return "training, validation and test texts as given"
    where = "at the nearest document boundary within 1 %, else between two characters"
    where = where if documents > 1 else "between two characters"
    if len(missing) == 1:
        given = "test" if missing[0] == "validation" else "validation"
        return f"{given} text as given; the last part of {fractions} of the characters cut off as {missing[0]}, {where}"
    rule = f"contiguous, {fractions} of the characters in the order given, cut {where}"
    if pair and refit:
        rule += f"; the last {_VALIDATION:.0%} before the test part validates"
        rule += ", counts are taken again with it, and nets train on it too"
    return rule


def _cuts(text: Text, bounds: list[float]) -> list[tuple[int, int]]:
    """(document, byte offset) of each cut at a fraction of the characters."""
    sizes = text.document_characters
    total = int(sizes.sum())
    after = np.cumsum(sizes)
    cuts: list[tuple[int, int]] = []
    # Where the parts themselves are as small as the tolerance, two cuts must not move to one place.
    smallest = min((then - before for before, then in pairwise([0.0, *bounds, 1.0])), default=1.0)
    tolerance = min(_TOLERANCE, smallest / 4) * total
    for bound in bounds:
        # 1 - (0.1 + 0.2) + 0.1 is a hair less than 0.8: the count must not fall by one for it.
        target = int(round(total * bound, 6))
        between = after[:-1]
        nearest = int(np.abs(between - target).argmin()) if len(between) else 0
        if len(between) and abs(int(between[nearest]) - target) <= tolerance:
            cuts.append((nearest + 1, int(text.starts[nearest + 1])))
            continue
        document = int(np.searchsorted(after, target, "right"))
        if document == len(sizes):
            cuts.append((document, int(text.ends[-1])))
            continue
        inside = target - (int(after[document - 1]) if document else 0)
        offset = _offset_of(text.data[text.starts[document] : text.ends[document]], inside)
        cuts.append((document, int(text.starts[document]) + offset))
    return cuts


def _offset_of(data: NDArray[np.uint8], character: int) -> int:
    """The byte at which the character with this number begins; the data's length where there is none."""
    for at in range(0, len(data), WINDOW):
        begins = np.flatnonzero(character_starts(data[at : at + WINDOW]))
        if character < len(begins):
            return at + int(begins[character])
        character -= len(begins)
    return len(data)


def _cut(text: Text, cuts: list[tuple[int, int]]) -> list[Text]:
    """The parts between the cuts; a document that is cut ends there, and goes on as one of the next part."""
    parts: list[Text] = []
    edges = [(0, int(text.starts[0]) if len(text.starts) else 0), *cuts]
    edges.append((len(text.starts), int(text.ends[-1]) if len(text.ends) else 0))
    for (first, begin), (last, end) in pairwise(edges):
        starts = text.starts[first : last + 1].copy()
        ends = text.ends[first : last + 1].copy()
        starts = np.maximum(starts, begin)
        ends = np.minimum(ends, end)
        keep = ends > starts
        parts.append(Text(text.data, starts[keep], ends[keep], text.lines))
    return parts
