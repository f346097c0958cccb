"""Whole documents drawn into the parts of a text by the hash of their content."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from lmbench.corpus.text import Text

FEWEST = 10  # documents in a part: with fewer, one of them would decide what the part is like
_HASH = np.dtype("S16")
# Of the keys b"lmbench 1\n" to b"lmbench 39\n", which were tried, one for which validation and test of the default text
# (python-help of CPython 3.11.2, 3.11.7, 3.12.1 and 3.13.0) differ by less than 0.05 nats/token for a 5-gram;
# docs/split.md says how it was searched for. Nothing else was looked at: no comparison of models, and no other text.
# The standard deviation of that difference over keys is about 0.1.
_KEY = b"lmbench 39\n"


def drawn(text: Text, shares: list[float]) -> list[Text]:
    """Training text first, then a part for each of `shares` (fractions of the characters, each about met).

    Documents are put in the order of the SHA-256 of a fixed key and their bytes. The last part takes from the beginning
    until it is as near to its share as whole documents allow, then the part before it, and the rest trains; a document
    longer than a part's share is passed over by it. So which part a document falls into does not depend on the order
    of the text, identical documents fall into the same, and the last part does not depend on the share of the others.
    Within a part documents are in the order of the text.
    """
    owner, sizes = _groups(text)
    total = int(sizes.sum())
    part = np.zeros(len(sizes), dtype=np.int64)
    for index in range(len(shares), 0, -1):
        target = shares[index - 1] * total
        free = np.flatnonzero((part == 0) & (sizes <= target))
        filled = np.cumsum(sizes[free])
        if len(free):
            part[free[: int(np.abs(filled - target).argmin()) + 1]] = index
    chosen = part[owner]
    return [
        Text(text.data, text.starts[chosen == index], text.ends[chosen == index], text.lines)
        for index in range(len(shares) + 1)
    ]


def enough_documents(text: Text, shares: list[float]) -> bool:
    """Whether `drawn` gives each part at least 10 documents, and each its share to within a fifth of it."""
    if len(text.starts) * min(shares, default=0.0) < FEWEST / 2:
        return False
    total = text.characters
    parts = drawn(text, shares)[1:]
    return all(
        len(part.starts) >= FEWEST and abs(part.characters - share * total) <= share * total / 5
        for part, share in zip(parts, shares, strict=True)
    )


def _groups(text: Text) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """[d] the group of identical documents that each belongs to, in the order of their hashes, and [g] characters."""
    spans = zip(text.starts.tolist(), text.ends.tolist(), strict=True)
    # a byte behind the hash: numpy drops zeros at the end of a string
    hashes = [hashlib.sha256(_KEY + text.data[start:end].tobytes()).digest()[:15] + b"." for start, end in spans]
    _, owner = np.unique(np.array(hashes, dtype=_HASH), return_inverse=True)
    sizes = np.bincount(owner, weights=text.document_characters).astype(np.int64)
    return owner.astype(np.int64), sizes
