from __future__ import annotations

import numpy as np
import pytest
from arpa_texts import fitted, letters
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import grams

from lmbench.counts import contexts
from lmbench.counts.contexts import longest_contexts

documents = st.lists(st.lists(st.integers(0, 2), max_size=10), min_size=1, max_size=4)


@given(documents, documents, st.integers(1, 5), st.sampled_from([1, 3, 1 << 16]))
@settings(deadline=None)
def test_the_longest_context_is_found_at_every_place(
    train: list[list[int]], test: list[list[int]], order: int, chunk: int
) -> None:
    tokens, asked = letters(train, 3), letters(test, 3)
    model = fitted(tokens, order)
    known = {gram for counter in grams(tokens, max(1, order - 1)) for gram in counter} | {(i,) for i in range(4)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contexts, "_CHUNK", chunk)
        lengths, weights = longest_contexts(model, asked.ids)
    assert len(lengths) == len(weights) == len(asked) + 1
    at = 0
    for index in range(len(asked.documents)):
        document = asked.document(index).tolist()
        for place in range(len(document)):
            history = (3, *document[:place])  # the end of text begins it
            reach = min(order - 1, len(history))
            longest = max([0, *(k for k in range(1, reach + 1) if history[-k:] in known)])
            assert lengths[at] == longest
            at += 1


def test_the_weight_is_that_of_the_context() -> None:
    """After "a" only the end has come: Witten-Bell's weight is 1 / (1 + 1)."""
    tokens = letters([[0]], 1)
    lengths, weights = longest_contexts(fitted(tokens, 2), np.array([0], dtype=np.uint8))
    assert lengths.tolist() == [1, 1]
    assert np.exp(weights) == pytest.approx([0.5, 0.5])
