"""What holds for every smoothing in the folder, and what is worked by hand for each."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmbench.errors import UsageError
from lmbench.model import models
from lmbench.progress import Silent
from lmbench.smoothing import smoothings
from lmbench.tokens import Vocabulary, tokens_of

VOCABULARY = Vocabulary((b"a", b"b", b"c", b""), 3)
texts = st.one_of(
    st.lists(st.lists(st.integers(0, 2), max_size=20), min_size=1, max_size=4),
    st.integers(0, 40).map(lambda n: [[0] * n]),
)
NORMALISED = [name for name in smoothings.names if smoothings.load(name).normalised]


@pytest.mark.parametrize("name", NORMALISED)
@given(train=texts, valid=texts, order=st.integers(1, 6), context=st.lists(st.integers(0, 2), max_size=9))
@settings(deadline=None, max_examples=25)
def test_every_context_sums_to_one(
    name: str, train: list[list[int]], valid: list[list[int]], order: int, context: list[int]
) -> None:
    model = models.make(f"ngram(order={order}, smoothing={name})")
    model.fit(tokens_of(train, VOCABULARY), tokens_of(valid, VOCABULARY), Silent())
    following = model.next_log_probs(np.array(context, dtype=np.int64))
    assert not np.isnan(following).any()
    assert np.logaddexp.reduce(following) == pytest.approx(0, abs=1e-9)
    if model.card.smoothed:
        assert np.isfinite(following).all()


@pytest.mark.parametrize("name", NORMALISED)
def test_all_distinct_tokens(name: str) -> None:
    vocabulary = Vocabulary((*tuple(b"%d" % i for i in range(200)), b""), 200)
    text = tokens_of([list(range(200))], vocabulary)
    model = models.make(f"ngram(order=4, smoothing={name})").fit(text, text, Silent())
    for context in ([], [5], [5, 6], [7, 5], [0, 1, 2, 3]):
        total = np.logaddexp.reduce(model.next_log_probs(np.array(context, dtype=np.int64)))
        assert total == pytest.approx(0, abs=1e-9)


def probabilities(spec: str, text: list[list[int]], context: list[int]) -> list[float]:
    tokens = tokens_of(text, VOCABULARY)
    model = models.make(spec).fit(tokens, tokens, Silent())
    return np.exp(model.next_log_probs(np.array(context, dtype=np.int64))).tolist()


def test_additive_by_hand() -> None:
    """ "aab": after a come a and b, once each; c and the end never. alpha = 0.5, V = 4."""
    spec = "ngram(order=2, smoothing=additive(alpha=0.5))"
    assert probabilities(spec, [[0, 0, 1]], [0]) == pytest.approx([1.5 / 4, 1.5 / 4, 0.5 / 4, 0.5 / 4])
    assert probabilities(spec, [[0, 0, 1]], []) == pytest.approx([1.5 / 3, 0.5 / 3, 0.5 / 3, 0.5 / 3])
    assert probabilities(spec, [[0, 0, 1]], [2]) == pytest.approx([0.25] * 4)
    assert probabilities("ngram(order=1, smoothing=additive(alpha=1))", [[0, 0, 1]], []) == pytest.approx(
        [3 / 8, 2 / 8, 1 / 8, 2 / 8]
    )


def test_additive_of_a_high_order_does_not_fall_back_on_shorter_contexts() -> None:
    """After "bb", never seen, all are equal, however often b was."""
    spec = "ngram(order=3, smoothing=additive(alpha=0.5))"
    assert probabilities(spec, [[0, 1, 0, 1]], [1, 1]) == pytest.approx([0.25] * 4)
    assert probabilities(spec, [[0, 1, 0, 1]], [0]) == pytest.approx([0.5 / 3, 1.5 / 3, 0.5 / 3, 0.5 / 3])


def test_maximum_likelihood_by_hand() -> None:
    """Unseen after a seen context: zero. After an unseen context: the longest suffix that was seen."""
    spec = "ngram(order=3, smoothing=maximum_likelihood)"
    assert probabilities(spec, [[0, 0, 1, 0, 2]], [0, 0]) == [0, 1, 0, 0]
    assert probabilities(spec, [[0, 0, 1, 0, 2]], [1]) == pytest.approx([1, 0, 0, 0])
    assert probabilities(spec, [[0, 0, 1, 0, 2]], [2, 0]) == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0])
    assert probabilities(spec, [[0, 0, 1, 0]], [0, 2]) == pytest.approx([3 / 5, 1 / 5, 0, 1 / 5])


def test_additive_refuses_zero() -> None:
    with pytest.raises(UsageError, match="use maximum_likelihood"):
        models.make("ngram(smoothing=additive(alpha=0))").fit(
            tokens_of([[0]], VOCABULARY), tokens_of([[0]], VOCABULARY), Silent()
        )
