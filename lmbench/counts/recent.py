"""How often an n-gram stands in the window of text just before it, for all places of a text at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmbench.tokens import Tokens

Ints = NDArray[np.int64]


def recent_counts(tokens: Tokens, order: int, window: int) -> tuple[Ints, Ints]:
    """[order, n] each: how often the k-gram that ends at each place, and its first k-1 tokens as a context, occurred.

    Counted are occurrences that lie whole within the `window` tokens before the place, and
    within its document. A context counts where a token follows it there.
    Worked example, "a b a b" with a large window: of order 1, seen 0 0 1 1 and contexts
    0 1 2 3; of order 2, (b a) and (a b) at the last two: seen 0 0 0 1, contexts 0 0 0 1.
    """
    ids = np.asarray(tokens.ids, dtype=np.int64)
    length = len(ids)
    places = np.arange(length)
    before = tokens.places
    low = places - np.minimum(before, window)
    seen = np.zeros((order, length), dtype=np.int64)
    total = np.zeros((order, length), dtype=np.int64)
    total[0] = places - low
    seen[0] = _earlier(ids, places, low)
    codes = ids
    for k in range(2, order + 1):
        # where a k-gram would reach into the document before, nothing is asked and nothing counts
        inside = np.flatnonzero(before >= k - 1)
        if len(inside) == 0:
            break
        contexts = codes[inside - 1]
        total[k - 1, inside] = _earlier(contexts, inside, low[inside] + k - 1)
        codes = np.zeros(length, dtype=np.int64)
        codes[inside] = np.unique(contexts * len(tokens.vocabulary) + ids[inside], return_inverse=True)[1]
        seen[k - 1, inside] = _earlier(codes[inside], inside, low[inside] + k - 1)
    return seen, total


def _earlier(codes: Ints, places: Ints, low: Ints) -> Ints:
    """[m] how many earlier entries have the same code and a place of at least `low`; `places` ascend."""
    order = np.argsort(codes, kind="stable")
    width = int(places[-1]) + 2 if len(places) else 1
    key = codes[order] * width + places[order]
    first = np.searchsorted(key, codes[order] * width + low[order])
    found = np.zeros(len(codes), dtype=np.int64)
    found[order] = np.maximum(np.arange(len(key)) - first, 0)
    return found


def recent_continuations(
    context: NDArray[np.integer[Any]], order: int, window: int, vocabulary_size: int
) -> tuple[Ints, Ints]:
    """[order, V] how often each token, and [order] how often any, followed the last k-1 tokens of `context`.

    The same counts, for every token that may come next after the ids of a document so far.
    """
    ids = np.asarray(context, dtype=np.int64)
    ids = ids[max(0, len(ids) - window) :]
    seen = np.zeros((order, vocabulary_size), dtype=np.int64)
    ends = np.arange(len(ids))  # where a k-gram that begins with the last k-1 tokens ends
    for k in range(1, min(order, len(ids)) + 1):
        if k > 1:
            ends = ends[ends >= k - 1]
            ends = ends[ids[ends - k + 1] == ids[len(ids) - k + 1]]
        seen[k - 1] = np.bincount(ids[ends], minlength=vocabulary_size)
    return seen, seen.sum(axis=1)
