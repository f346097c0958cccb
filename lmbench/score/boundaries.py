"""How well boundaries that were found in a text agree with those of its words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Agreement:
    """Precision, recall and their harmonic mean F1, of boundaries; `word_f1` of words, right where both ends are and
    nothing between them is cut."""

    precision: float
    recall: float
    f1: float
    word_f1: float


def agreement(found: Flags, truth: Flags, begins: Flags) -> Agreement:
    """Of boundaries `found` [n] with the true ones `truth` [n], each before a character; those at which a document
    `begins` [n] are known, and no boundary that counts.

    Worked example, "it was" found as "i t was": of the boundaries before t and w one is right: precision 1/2, recall 1,
    F1 2/3; of the words i, t and was, against it and was, one is right: F1 2 * 1 / (3 + 2) = 2/5.
    """
    inside = ~begins
    right = float((found & truth & inside).sum())
    said, there = float((found & inside).sum()), float((truth & inside).sum())
    own, other = words_of(found | begins), words_of(truth | begins)
    both = len(np.intersect1d(own, other, assume_unique=True))
    return Agreement(
        precision=right / said if said else 0.0,
        recall=right / there if there else 0.0,
        f1=2 * right / (said + there) if said + there else 0.0,
        word_f1=2 * both / (len(own) + len(other)) if len(own) + len(other) else 0.0,
    )


def words_of(begins: Flags) -> NDArray[np.int64]:
    """[w] a number for each word, which says where it begins and ends."""
    starts = np.flatnonzero(begins)
    ends = np.append(starts[1:], len(begins))
    found: NDArray[np.int64] = starts * (len(begins) + 1) + ends
    return found


def best_threshold(values: NDArray[np.float64], truth: Flags, begins: Flags) -> float:
    """The threshold above which `values` [n] are cut that has the highest F1 of boundaries; of equal ones the highest.

    Worked example, values 3 1 2 of which the first and the last are boundaries: 1, which cuts both and nothing else.
    """
    inside = ~begins & np.isfinite(values)
    order = np.argsort(-values[inside], kind="stable")
    ordered, hits = values[inside][order], np.cumsum(truth[inside][order])
    if not len(ordered) or not hits[-1]:
        return float(ordered[0]) if len(ordered) else 0.0
    f1 = 2 * hits / (np.arange(1, len(ordered) + 1) + int((truth & ~begins).sum()))
    last = np.append(ordered[1:] != ordered[:-1], True)  # equal values are cut together
    f1[~last] = -1.0
    at = int(np.argmax(f1))
    return float(ordered[at + 1]) if at + 1 < len(ordered) else float(np.nextafter(ordered[at], -np.inf))
