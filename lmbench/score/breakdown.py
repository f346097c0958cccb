"""Where one model is better than another: their losses by what each token is, and how it came."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lmbench.tokens import Vocabulary

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Group:
    """Tokens that have something in common. `nats`: what each model loses per token of them, in the models' order."""

    label: str
    tokens: int
    share: float
    nats: tuple[float, ...]


@dataclass(frozen=True)
class Breakdown:
    """All tokens of a text in groups by one property `by`; groups without tokens are left out."""

    by: str
    models: tuple[str, ...]
    groups: tuple[Group, ...]


def breakdown(by: str, labels: Sequence[str], group: Ints, losses: dict[str, Floats]) -> Breakdown:
    """Mean losses by group: `group` [n] is the place in `labels` of each token's, `losses` {model: [n] nats}.

    Worked example: labels a, b; group 0 1 1; losses m: 1 2 4 give a: 1.0 (1 token), b: 3.0 (2 tokens).
    """
    counts = np.bincount(group, minlength=len(labels))
    means = {
        name: np.bincount(group, weights=each, minlength=len(labels)) / np.maximum(counts, 1)
        for name, each in losses.items()
    }
    groups = tuple(
        Group(label, int(count), float(count) / max(1, len(group)), tuple(float(means[name][place]) for name in losses))
        for place, (label, count) in enumerate(zip(labels, counts, strict=True))
        if count
    )
    return Breakdown(by, tuple(losses), groups)


def doubling(values: Ints, most: int) -> tuple[list[str], Ints]:
    """(labels, [n] places): 0, 1, 2, 3-4, 5-8, .. and all from `most` (a power of two) + 1 on."""
    bounds = [0, 1]
    while bounds[-1] < most:
        bounds.append(bounds[-1] * 2)
    labels = ["0", "1"]
    labels += [f"{low + 1}-{high}" if low + 1 < high else f"{high}" for low, high in pairwise(bounds[1:])]
    return [*labels, f"{bounds[-1] + 1:,} and more"], np.searchsorted(bounds, values).astype(np.int64)


def decades(values: Ints) -> tuple[list[str], Ints]:
    """(labels, [n] places): 0, 1-9, 10-99, .. up to the largest of `values`."""
    digits = len(str(int(values.max(initial=0))))
    labels = ["0", *(f"{10**power:,}-{10 ** (power + 1) - 1:,}" for power in range(digits))]
    return labels, np.searchsorted([10**power for power in range(digits)], values, side="right").astype(np.int64)


def kinds(vocabulary: Vocabulary) -> tuple[list[str], Ints]:
    """(labels, [V] places): what each token is, by its first character that is no white space.

    Letters by their script (the first word of the character's name in Unicode), digits, punctuation and signs, white
    space, the end of a document, the unknown token, and parts of characters.
    """
    found = [_kind(token) for token in vocabulary.tokens]
    found[vocabulary.end_of_text] = "end of document"
    if vocabulary.unknown is not None:
        found[vocabulary.unknown] = "unknown"
    labels = sorted(set(found))
    places = {label: place for place, label in enumerate(labels)}
    return labels, np.array([places[label] for label in found], dtype=np.int64)


def _kind(token: bytes) -> str:
    try:
        text = token.decode("utf-8")
    except UnicodeDecodeError:
        return "parts of characters"
    bare = text.strip()
    if not bare:
        return "white space"
    category = unicodedata.category(bare[0])
    if category[0] == "L":
        script = unicodedata.name(bare[0], "OTHER").split()[0].split("-")[0]
        return f"{'Han' if script == 'CJK' else script.capitalize()} letters"
    return "digits" if category[0] == "N" else "punctuation and signs" if category[0] in "PS" else "other characters"


@dataclass(frozen=True)
class Bin:
    """Places where the most probable token had a probability between `low` and `high`: the mean of it (`confidence`),
    and how often it came (`accuracy`)."""

    low: float
    high: float
    places: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Calibration:
    """Of a sample of places: how often what came was the most probable token, or among the five (`first`, `five`), and
    how far the probability of the most probable one is from how often it came (`error`: expected calibration error,
    Guo et al. 2017; of few places it is too high). `bins`: the reliability curve, empty bins left out."""

    places: int
    first: float
    five: float
    error: float
    bins: tuple[Bin, ...]


def calibration(confidence: Floats, first: NDArray[np.bool_], five: NDArray[np.bool_], bins: int = 10) -> Calibration:
    """From [q] probabilities of the most probable token, and whether it came, and whether one of the five did.

    Worked example, two bins: 0.9 and 0.7 right, 0.2 wrong: bins (0.2; 0.0) and (0.8; 1.0), the error is (0.2 + 2 x
    0.2) / 3 = 0.2.
    """
    place = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    found = []
    for index in range(bins):
        own = place == index
        if own.any():
            means = float(confidence[own].mean()), float(first[own].mean())
            found.append(Bin(index / bins, (index + 1) / bins, int(own.sum()), *means))
    error = sum(each.places * abs(each.confidence - each.accuracy) for each in found) / max(1, len(confidence))
    return Calibration(len(confidence), float(first.mean()), float(five.mean()), error, tuple(found))


@dataclass(frozen=True)
class Blend:
    """Two models interpolated: `weight` of the first, chosen on the first half of the text; what each of them and the
    blend lose per token of the second half. `gain`: the better one less the blend."""

    weight: float
    nats: float
    apart: tuple[float, float]

    @property
    def gain(self) -> float:
        return min(self.apart) - self.nats


def blend(first: Floats, second: Floats) -> Blend:
    """The best linear mixture of two models, from their [n] log-probabilities of one text.

    Expectation-maximisation of one weight (Jelinek & Mercer 1980): the loss is convex in it.
    """
    half = len(first) // 2
    weight = 0.5
    for _ in range(200):
        with np.errstate(divide="ignore"):
            one, two = np.log(weight) + first[:half], np.log1p(-weight) + second[:half]
        before, weight = weight, float(np.exp(one - np.logaddexp(one, two)).mean()) if half else weight
        if abs(weight - before) < 1e-6:
            break
    with np.errstate(divide="ignore"):
        mixed = np.logaddexp(np.log(weight) + first[half:], np.log1p(-weight) + second[half:])
    return Blend(weight, -float(mixed.mean()), (-float(first[half:].mean()), -float(second[half:].mean())))


def extremes(first: Floats, second: Floats, count: int) -> tuple[Ints, Ints]:
    """Offsets of the `count` tokens at which the first model gains most on the second, and at which it loses most."""
    order = np.argsort(second - first, kind="stable")  # of log-probabilities: what the first is ahead by, largest first
    ahead = order[: min(count, int((first > second).sum()))]
    behind = order[::-1][: min(count, int((first < second).sum()))]
    return ahead, behind
