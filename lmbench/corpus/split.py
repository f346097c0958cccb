"""A text into training, validation and test, by one of three rules: documents drawn, spans, or the end cut off."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from lmbench.corpus.split_drawn import drawn, enough_documents
from lmbench.corpus.split_places import cut_at_end
from lmbench.corpus.split_spans import number_of_spans, spread
from lmbench.corpus.text import Text
from lmbench.errors import LmbenchError, UsageError

_VALIDATION = 0.05  # of the whole text: what is taken off a training part that has no validation part beside it
_RULES: dict[str, Callable[[Text, list[float]], list[Text]]] = {
    "documents": drawn,
    "spans": spread,
    "end": cut_at_end,
}


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
    """Take validation and test off `text`, as `fractions` of its characters say: A/B/C[:RULE] or A/C[:RULE].

    "90/5/5": train, validation, test. "90/10": train and test (the convention of tinyshakespeare); the 5 % of the text
    that validate are taken from the training part, and `refit` is set. Where `valid` or `test` is given, only what is
    missing is taken. The rules:

    documents: whole documents, drawn by the hash of their content (`split_drawn.drawn`).
    spans: pieces spread through the text, each a document of its own (`split_spans.spread`).
    end: the last part of the text is the test, what stands before it validates (`split_places.cut_at_end`).

    Without a rule, two fractions cut off the end, and three draw documents where each part gets at least 10 of them,
    else they take spans.

    With "90/10", characters 0 .. int(0.9 n) train: of n = 10 the first 9, of which int(0.85 n) = 8
    are left when the validation part is cut off.

    Raises UsageError for fractions that are none, LmbenchError where a part would have no text, which says so of
    `name`.
    """
    shares, rule = shares_of(fractions), fractions.partition(":")[2].strip()
    pair = len(shares) == 2
    refit = pair and valid is None
    if pair:
        shares = [shares[0] - _VALIDATION, _VALIDATION, shares[1]]
    given = {"validation": valid, "test": test}
    missing = [(part, share) for part, share in zip(given, shares[1:], strict=True) if given[part] is None]
    for part, whole in given.items():
        if whole is not None and not whole.bytes:
            raise LmbenchError(f"{name}: the {part} text is empty; pass one that has text in it")
    wanted = [share for _, share in missing]
    rule = rule or ("end" if pair else "documents" if enough_documents(text, wanted) else "spans")
    parts = _RULES[rule](text, wanted) if missing else [text]
    made = dict(zip(["training", *(part for part, _ in missing)], parts, strict=True))
    for part, piece in made.items():
        if not piece.bytes:
            raise LmbenchError(
                f"{name}: the {part} split would be empty: the text has {text.characters:,} characters in "
                f"{len(text.starts):,} documents; give a longer text, or separate validation and test texts"
            )
    said = _said(text, fractions.partition(":")[0], rule, [part for part, _ in missing], wanted, refit)
    return Splits(parts[0], valid or made["validation"], test or made["test"], said, refit)


def shares_of(fractions: str) -> list[float]:
    """The shares of "90/5/5" or "90/10:end". Raises UsageError for what cannot be a --split of any text."""
    numbers, colon, rule = fractions.partition(":")
    if not re.fullmatch(r"\s*\d+(\.\d+)?\s*(/\s*\d+(\.\d+)?\s*){1,2}", numbers):
        raise UsageError(f"--split {fractions!r}: write train/valid/test or train/test in per cent, such as 90/5/5")
    if colon and rule.strip() not in _RULES:
        raise UsageError(f"--split {fractions!r}: there is no rule {rule!r} (choose from {', '.join(_RULES)})")
    shares = [float(number) for number in numbers.split("/")]
    if abs(sum(shares) - 100) > 1e-6 or min(shares) <= 0:
        raise UsageError(f"--split {fractions!r}: the parts must be more than 0 and add up to 100")
    if len(shares) == 2 and shares[0] / 100 <= _VALIDATION:
        raise UsageError(f"--split {fractions!r}: the training part must be more than {_VALIDATION:.0%}")
    return [share / 100 for share in shares]


def _said(text: Text, numbers: str, rule: str, missing: list[str], wanted: list[float], refit: bool) -> str:
    """The rule in words, for the protocol card."""
    if not missing:
        return "training, validation and test texts as given"
    said = {
        "documents": "whole documents, drawn: in the order of the SHA-256 of a fixed key and their content the first "
        "are the test, the next validation, the rest training; identical ones stay together, and one that is longer "
        "than a part trains",
        "spans": f"{number_of_spans(text, wanted)} spans for each part, spread evenly through the text and cut between "
        "paragraphs, else lines, else words; each span, and what is left between two, is a document of its own, which "
        "nothing before it is context of",
        "end": "contiguous, in the order given, cut "
        + ("at the nearest document boundary within 1 %, else " if len(text.starts) > 1 else "")
        + "between two characters",
    }[rule]
    if len(missing) == 1:
        given = "test" if missing[0] == "validation" else "validation"
        what = "the last part cut off" if rule == "end" else said
        return f"{given} text as given; {missing[0]} of {numbers} of the characters: {what}"
    said = f"{numbers} of the characters: {said}"
    if refit:
        said += f"; {_VALIDATION:.0%} taken from the training part validate, counts are taken again with them, and "
        said += "nets train on them too"
    return said
