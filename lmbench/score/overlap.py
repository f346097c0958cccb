"""What a text repeats word for word: figures from the longest match of each of its positions.

`lengths`: [n] int64, how many tokens from each position on occur in the reference text in one piece.
`remaining`: [n] int64, tokens from each position to the end of its document, itself included; no
match is longer. Every part of a match is a match, so that the two tell all there is to know.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def ngram_novelty(lengths: Ints, remaining: Ints, n: int) -> float | None:
    """The share of the text's n-grams that the reference does not hold; None where the text has no n-gram.

    Of all n-grams, repeated ones each time, as in McCoy et al. 2023 (RAVEN) and Merrill et al. 2024.
    Worked example, "a b c a" with lengths 2 1 0 1: of 4 1-grams 1 is new, of 3 2-grams 2 are.
    """
    whole = remaining >= n
    return float((lengths[whole] < n).mean()) if whole.any() else None


def uniqueness(lengths: Ints, n: int) -> float | None:
    """The share of the tokens that lie in no n-gram of the reference: L-uniqueness, Lu et al. 2024.

    uniq(x, L) = 1/|x| sum_k 1{f(x[i : i+n], C) = 0 for all i in (k-n, k], n >= L}, f being 1 where the
    reference C holds the n-gram. None where there are no tokens.
    """
    if not len(lengths):
        return None
    return 1.0 - float(covered(lengths, n).mean())


def covered(lengths: Ints, n: int) -> NDArray[np.bool_]:
    """[n] which tokens lie in a match of at least `n` tokens: lengths 2 1 0 1 and n = 2 give 1 1 0 0."""
    starts = np.flatnonzero(lengths >= n)
    change = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.add.at(change, starts, 1)
    np.subtract.at(change, starts + lengths[starts], 1)
    inside: NDArray[np.bool_] = np.cumsum(change[:-1]) > 0
    return inside


def creativity_index(lengths: Ints, first: int, last: int) -> float | None:
    """The sum of L-uniqueness over L = `first` .. `last`: Lu et al. 2024, for verbatim matches, over a stated range.

    It lies between 0 (all of it is in matches of `last` tokens) and last - first + 1 (none of it in matches of
    `first`); two figures compare where range and unit are the same. The paper counts words, and beside these
    verbatim matches near ones, which are not looked for here.

    Worked example: reference "the cat sat on the mat", text "the cat sat on a mat", L = 2 to 5:
    4 of 6 words lie in matches of 2, 3 and 4 words, none of 5: 1/3 + 1/3 + 1/3 + 1 = 2.
    """
    found = [uniqueness(lengths, n) for n in range(first, last + 1)]
    return None if None in found else float(sum(value for value in found if value is not None))


def passages(lengths: Ints, least: int, most: int) -> list[tuple[int, int]]:
    """(start, length) of up to `most` matches of at least `least` tokens, the longest first, none of which overlap."""
    whole = np.ones(len(lengths), dtype=np.bool_)
    whole[1:] = lengths[1:] >= lengths[:-1]  # else it is the rest of the match that begins one before
    starts = np.flatnonzero(whole & (lengths >= max(1, least)))
    taken = np.zeros(len(lengths), dtype=np.bool_)
    found: list[tuple[int, int]] = []
    for start in starts[np.lexsort((starts, -lengths[starts]))].tolist():
        if len(found) == most:
            break
        stop = start + int(lengths[start])
        if not taken[start] and not taken[stop - 1]:
            taken[start:stop] = True
            found.append((start, stop - start))
    return found


def remaining_in(documents: NDArray[np.integer[Any]], size: int) -> Ints:
    """[n] tokens from each position to the end of its document: starts 0 and 2 of 5 tokens give 2 1 3 2 1."""
    ends = np.append(documents[1:], size).astype(np.int64)
    return np.repeat(ends, ends - documents) - np.arange(size)
