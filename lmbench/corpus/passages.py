"""Passages that stand in two places, found by a fingerprint of every window of the text: linear in time.

A fingerprint is 64 bits. Two windows of n that differ share one with a probability of about 2^-64, so that among
10^9 windows held against 10^8 others one false hit is expected in 200 texts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.uint32]
Prints = NDArray[np.uint64]

_ODD = np.uint64(0x9E3779B97F4A7C15)
_JOIN = np.uint64(0xD6E8FEB86659FD93)


def code_points(text: str) -> Points:
    """[n] uint32, the Unicode code points of `text`."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


def fingerprints(points: Points, length: int) -> Prints:
    """[n - length + 1] uint64, one of each window of `length` symbols; of fewer symbols than that there is none.

    The print of 2 k symbols is made of the two of k at its ends, and that of `length` of the two of the largest
    power of two that fits, which overlap.
    """
    if len(points) < length:
        return np.zeros(0, dtype=np.uint64)
    prints = _mixed(points.astype(np.uint64) + np.uint64(1))
    size = 1
    while size < length:
        step = min(size, length - size)
        prints = _mixed(prints[:-step] * _JOIN + prints[step:])
        size += step
    return prints


def _mixed(prints: Prints) -> Prints:
    """A one-to-one map of 64 bits, in place: x -> (x ^ x >> 31) m ^ ... (the finisher of splitmix64, shortened)."""
    prints ^= prints >> np.uint64(31)
    prints *= _ODD
    prints ^= prints >> np.uint64(29)
    return prints


def without_shared(documents: Sequence[str], length: int) -> list[bool]:
    """Which documents stay, so that no two of them share a passage of `length` characters, and none stands twice.

    One after the other: a document that shares a passage with one that stays goes.
    """
    prints = [fingerprints(code_points(document), length) for document in documents]
    _, numbers = np.unique(np.concatenate([*prints, np.zeros(0, np.uint64)]), return_inverse=True)
    held = np.zeros(len(numbers), dtype=np.bool_)
    stay: list[bool] = []
    known: set[str] = set()
    at = 0
    for document, own in zip(documents, prints, strict=True):
        ids = numbers[at : at + len(own)]
        at += len(own)
        stay.append(document not in known and not held[ids].any())
        if stay[-1]:
            held[ids] = True
            known.add(document)
    return stay
