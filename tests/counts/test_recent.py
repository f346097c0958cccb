from __future__ import annotations

import numpy as np
from arpa_texts import letters
from hypothesis import given, settings
from hypothesis import strategies as st

from lmbench.counts.recent import recent_continuations, recent_counts
from lmbench.tokens import Tokens

documents = st.lists(st.lists(st.integers(0, 2), max_size=12), min_size=1, max_size=4)


def slowly(tokens: Tokens, order: int, window: int) -> tuple[list[list[int]], list[list[int]]]:
    """Every place and every k-gram, one after the other."""
    seen: list[list[int]] = [[] for _ in range(order)]
    total: list[list[int]] = [[] for _ in range(order)]
    for index in range(len(tokens.documents)):
        ids = tokens.document(index).tolist()
        for at in range(len(ids)):
            past = ids[max(0, at - window) : at]
            for k in range(1, order + 1):
                grams = [past[i : i + k] for i in range(len(past) - k + 1)]
                context = ids[max(0, at - k + 1) : at]
                whole = len(context) == k - 1
                seen[k - 1].append(whole * grams.count([*context, ids[at]]))
                total[k - 1].append(whole * sum(gram[:-1] == context for gram in grams))
    return seen, total


def test_the_worked_example() -> None:
    seen, total = recent_counts(letters([[0, 1, 0, 1]], 2), 2, 100)
    assert seen[:, :4].tolist() == [[0, 0, 1, 1], [0, 0, 0, 1]]
    assert total[:, :4].tolist() == [[0, 1, 2, 3], [0, 0, 0, 1]]


@given(documents, st.integers(1, 5), st.integers(1, 14))
@settings(deadline=None)
def test_counts_are_those_of_the_obvious_way(texts: list[list[int]], order: int, window: int) -> None:
    tokens = letters(texts, 3)
    seen, total = recent_counts(tokens, order, window)
    assert (seen.tolist(), total.tolist()) == slowly(tokens, order, window)


@given(st.lists(st.integers(0, 2), max_size=14), st.integers(1, 5), st.integers(1, 14))
@settings(deadline=None)
def test_continuations_count_every_token_that_could_come(context: list[int], order: int, window: int) -> None:
    seen, total = recent_continuations(np.array(context, dtype=np.int64), order, window, 4)
    for token in range(4):
        tokens = letters([[*context, token]], 3)
        expected, of = slowly(tokens, order, window)
        assert seen[:, token].tolist() == [row[len(context)] for row in expected]
        assert total.tolist() == [row[len(context)] for row in of]
