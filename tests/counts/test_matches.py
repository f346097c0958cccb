"""Longest earlier matches against trying every earlier place."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmbench.counts.matches import longest_earlier_matches


def naive(ids: list[int], window: int | None) -> list[int]:
    def match(i: int, j: int) -> int:
        length = 0
        while i + length < len(ids) and ids[i + length] == ids[j + length]:
            length += 1
        return length

    return [
        max((match(i, j) for j in range(max(0, i - window) if window else 0, i)), default=0) for i in range(len(ids))
    ]


def test_abaab_by_hand() -> None:
    ids = np.array([0, 1, 0, 0, 1], dtype=np.uint8)
    assert longest_earlier_matches(ids).tolist() == [0, 0, 1, 2, 1]
    assert longest_earlier_matches(ids, window=2).tolist() == [0, 0, 1, 1, 0]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(0, 2), max_size=60), st.one_of(st.none(), st.integers(1, 70)))
def test_agrees_with_trying_every_place(ids: list[int], window: int | None) -> None:
    assert longest_earlier_matches(np.array(ids, dtype=np.uint16), window).tolist() == naive(ids, window)


@pytest.mark.parametrize("window", [None, 3, 50])
def test_a_match_may_run_into_itself(window: int | None) -> None:
    assert longest_earlier_matches(np.zeros(100, np.uint8), window).tolist() == [0, *range(99, 0, -1)]


def test_pieces_of_a_text_are_matched_with_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lmbench.counts.parallel.CPU_CHUNK", 16)
    ids = np.random.default_rng(1).integers(0, 2, 150).astype(np.uint8)
    assert longest_earlier_matches(ids).tolist() == naive(ids.tolist(), None)
