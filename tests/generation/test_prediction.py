"""What comes next: entropies, the likeliest, and the tree of continuations, held against every string there is."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_texts import VOCABULARY, letters, text

from lmbench.errors import LmbenchError
from lmbench.generation.following import Following
from lmbench.generation.prediction import Branch, entropy_bits, likeliest, predicted, surprisals, unfolded
from lmbench.model.base import Evidence, Model, evidence
from lmbench.model.ngram import Ngram
from lmbench.model.suffix import Suffix
from lmbench.progress import Silent

END = VOCABULARY.end_of_text
TRAIN, VALID = text(1, 200, 40), text(4, 40)


@pytest.fixture(scope="module")
def model() -> Model:
    return Ngram(order=3).fit(TRAIN, VALID, Silent())


def test_entropies_by_hand() -> None:
    with np.errstate(divide="ignore"):
        assert entropy_bits(np.log(np.array([0.5, 0.25, 0.25, 0.0]))) == pytest.approx(1.5)
        assert entropy_bits(np.log(np.array([1.0, 0.0]))) == 0
    assert entropy_bits(np.full(8, -math.log(8))) == pytest.approx(3)


@given(st.lists(st.sampled_from([-np.inf, -1.0, -2.0, -3.0]), min_size=1, max_size=12), st.integers(1, 14))
@settings(max_examples=60, deadline=None)
def test_the_likeliest_are_a_sort(scores: list[float], count: int) -> None:
    wanted = sorted(range(len(scores)), key=lambda token: (-scores[token], token))[:count]
    assert [token for token, _ in likeliest(np.array(scores), count)] == wanted


def strings(model: Model, ids: list[int], longest: int) -> dict[tuple[int, ...], float]:
    """The probability of every string of up to so many tokens after `ids`, asked one by one."""
    found = {}
    for length in range(1, longest + 1):
        for path in itertools.product(range(len(VOCABULARY)), repeat=length):
            if END in path[:-1]:
                continue
            total = 1.0
            for at, token in enumerate(path):
                total *= math.exp(model.next_log_probs(np.array([*ids, *path[:at]], dtype=np.int64))[token])
            found[path] = total
    return found


def paths(branches: list[Branch], before: tuple[int, ...] = ()) -> dict[tuple[int, ...], float]:
    found = {}
    for branch in branches:
        path = (*before, branch.token)
        found |= {path: branch.total, **paths(branch.branches, path)}
    return found


def test_the_tree_has_the_likeliest_of_all_strings(model: Model) -> None:
    start = [0, 1]
    every = strings(model, start, 3)
    found = paths(unfolded(model, np.array(start), END, 12))
    assert len(found) == 12
    longest = [path for path in found if len(path) <= 3]
    assert all(found[path] == pytest.approx(every[path]) for path in longest)
    best = sorted(every.values(), reverse=True)[:12]
    assert sorted(found.values(), reverse=True) == pytest.approx(best)


def test_a_branch_ends_with_its_document() -> None:
    short: Model = Ngram(order=2).fit(text(1, *[2] * 30), VALID, Silent())
    found = paths(unfolded(short, np.array([0]), END, 40))
    assert any(path[-1] == END for path in found)
    assert all(END not in path[:-1] for path in found)


def test_surprisals_are_those_of_the_distributions(model: Model) -> None:
    ids = np.array(letters(9, 12))
    found = surprisals(model, ids, VOCABULARY)
    for at, token in enumerate(ids.tolist()):
        assert found[at] == pytest.approx(-predicted(model, ids[:at], END).log_probs[token] / math.log(2))
    assert surprisals(model, ids[:0], VOCABULARY).shape == (0,)


def test_a_document_that_ended_is_no_context(model: Model) -> None:
    whole, alone = np.array([0, 1, END, 3, 0]), np.array([3, 0])
    assert np.array_equal(predicted(model, whole, END).log_probs, predicted(model, alone, END).log_probs)
    assert predicted(model, whole, END).evidence == predicted(model, alone, END).evidence


def counted(context: list[int]) -> tuple[int, int]:
    """(how often it occurs in the training text with something after it, kinds of tokens after it), by hand."""
    after = []
    for index in range(len(TRAIN.documents)):
        document = [END, *TRAIN.document(index).tolist()]
        size = len(context)
        after += [document[at + size] for at in range(len(document) - size) if document[at : at + size] == context]
    return len(after), len(set(after))


@pytest.mark.parametrize("context", [[], [0, 1], [6], [6, 6, 0, 1], letters(1, 30), [2, 5, 4]])
def test_what_a_prediction_rests_on_is_counted(context: list[int], model: Model) -> None:
    suffix: Model = Suffix().fit(TRAIN, VALID, Silent())
    ids = np.array(context, dtype=np.int64)
    for asked, most in ((model, 2), (suffix, 100)):
        found = evidence(asked, ids)
        assert found is not None
        known = [END, *context]
        longest = next(size for size in range(min(most, len(known)), -1, -1) if counted(known[len(known) - size :])[0])
        assert found.length == longest
        if longest:
            count, types = counted(known[len(known) - longest :])
            assert found.types == types
            assert found.count in (None, count)
    assert isinstance(evidence(suffix, ids), Evidence)


def test_a_model_that_has_diverged_is_named(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Following, "log_probs", lambda self: np.full(len(VOCABULARY), np.nan))
    with pytest.raises(LmbenchError, match="diverged"):
        predicted(model, np.array([0]), END)
