from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmbench.corpus.passages import code_points, fingerprints, without_shared


@settings(max_examples=200)
@given(st.text(alphabet="abé猫", max_size=40), st.integers(1, 12))
def test_windows_have_one_print_exactly_where_they_are_the_same(text: str, length: int) -> None:
    prints = fingerprints(code_points(text), length).tolist()
    windows = [text[at : at + length] for at in range(len(text) - length + 1)]
    assert len(prints) == len(windows)
    assert len(set(zip(prints, windows, strict=True))) == len(set(prints)) == len(set(windows))


@pytest.mark.parametrize("length", [1, 2, 3, 50, 63, 64, 65, 100])
def test_every_symbol_of_a_window_counts(length: int) -> None:
    points = np.zeros(length, dtype=np.uint32)
    found = {int(fingerprints(points, length)[0])}
    for at in range(length):
        points[at] = 1
        found.add(int(fingerprints(points, length)[0]))
        points[at] = 0
    assert len(found) == length + 1


def test_documents_that_share_a_passage_go_by_hand() -> None:
    # "bcdef" stands in the first two; the third shares four characters only; the fourth is the third again.
    documents = ["abcdef", "xbcdefx", "cdefg", "cdefg", "no", "no", "yes"]
    assert without_shared(documents, 5) == [True, False, True, False, True, False, True]
    assert without_shared([], 5) == []


@given(st.lists(st.text(alphabet="ab", max_size=12), max_size=10), st.integers(1, 5))
def test_what_stays_shares_nothing_and_what_goes_shares_something(documents: list[str], length: int) -> None:
    stay = without_shared(documents, length)
    held: set[str] = set()
    seen: set[str] = set()
    for document, kept in zip(documents, stay, strict=True):
        own = {document[at : at + length] for at in range(len(document) - length + 1)}
        assert kept == (document not in seen and not own & held)
        if kept:
            held |= own
            seen.add(document)
