"""Suffix arrays against sorting the suffixes themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmbench.counts.range_minimum import RangeMinimum
from lmbench.counts.suffix_array import lcp_array, sort_suffixes, suffix_array


def naive(ids: list[int], documents: list[int]) -> tuple[list[int], list[int]]:
    ends = [*documents[1:], len(ids)]
    suffixes = [(ids[at:end], at) for start, end in zip(documents, ends, strict=True) for at in range(start, end)]
    suffixes.sort()
    shared = [0] * len(suffixes)
    for rank in range(1, len(suffixes)):
        before, here = suffixes[rank - 1][0], suffixes[rank][0]
        while shared[rank] < min(len(before), len(here)) and before[shared[rank]] == here[shared[rank]]:
            shared[rank] += 1
    return [at for _, at in suffixes], shared


def test_abaab_by_hand() -> None:
    order, lcp = sort_suffixes(np.array([0, 1, 0, 0, 1]))
    assert order.tolist() == [2, 3, 0, 4, 1]
    assert lcp.tolist() == [0, 1, 2, 0, 1]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=90), min_size=1, max_size=4), st.sampled_from([1, 10**6])
)
def test_agrees_with_sorting_the_suffixes(texts: list[list[int]], scale: int) -> None:
    # Ids scaled up leave fewer of them to a key, so that more rounds are needed.
    ids = [scale * value for text in texts for value in text]
    documents = np.cumsum([0] + [len(text) for text in texts[:-1]]).tolist()
    order, lcp = sort_suffixes(np.array(ids, dtype=np.uint32), np.array(documents))
    expected_order, expected_lcp = naive(ids, documents)
    assert order.tolist() == expected_order
    assert lcp.tolist() == expected_lcp


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=60), min_size=1, max_size=4),
    st.integers(1, 40),
    st.sampled_from([1, 10**6]),
)
def test_sorted_to_a_depth(texts: list[list[int]], depth: int, scale: int) -> None:
    ids = [scale * value for text in texts for value in text]
    documents = np.cumsum([0] + [len(text) for text in texts[:-1]]).tolist()
    order, lcp = sort_suffixes(np.array(ids), np.array(documents), depth=depth)
    expected_order, expected_lcp = naive(ids, documents)
    assert lcp.tolist() == [min(shared, depth) for shared in expected_lcp]
    ends = [*documents[1:], len(ids)]
    end = {at: end for start, end in zip(documents, ends, strict=True) for at in range(start, end)}
    prefixes = [ids[at : min(at + depth, end[at])] for at in order.tolist()]
    assert prefixes == [ids[at : min(at + depth, end[at])] for at in expected_order]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 2), min_size=1, max_size=60), st.integers(2, 4), st.lists(st.integers(0, 2), max_size=9))
def test_long_repeats(text: list[int], times: int, rest: list[int]) -> None:
    ids = [10**6 * value for value in [*(text * times), *rest]]
    order, lcp = sort_suffixes(np.array(ids))
    assert (order.tolist(), lcp.tolist()) == naive(ids, [0])


@pytest.mark.parametrize("period", [1, 2, 7])
@pytest.mark.parametrize("scale", [1, 10**6])
def test_periodic_text(period: int, scale: int) -> None:
    ids = [scale * (1 + at % period) for at in range(300)]
    order, lcp = sort_suffixes(np.array(ids))
    assert (order.tolist(), lcp.tolist()) == naive(ids, [0])


@pytest.mark.parametrize("scale", [1, 10**6])
@pytest.mark.parametrize("part", [1, 7, 64])
def test_parts_are_sorted_as_the_whole_is(part: int, scale: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lmbench.counts.suffix_array._PART", part)
    monkeypatch.setattr("lmbench.counts.grouping._LEAST", part)
    random = np.random.default_rng(part)
    for length in (2, 60, 700):
        ids = random.integers(0, 2, length)
        ids[length // 3 : 2 * (length // 3)] = ids[: length // 3]  # a long repeat, so that a run is longer than a part
        documents = [0, *sorted({1, length // 2, length - 1} - {length})]
        expected = naive((scale * ids).tolist(), documents)
        order, lcp = sort_suffixes((scale * ids).astype(np.uint32), np.array(documents))
        assert (order.tolist(), lcp.tolist()) == expected


def test_no_text_and_the_single_functions() -> None:
    assert suffix_array(np.zeros(0, dtype=np.uint8)).tolist() == []
    ids = np.array([1, 0, 1, 0], dtype=np.uint8)
    assert lcp_array(ids, suffix_array(ids)).tolist() == naive(ids.tolist(), [0])[1]
    with pytest.raises(ValueError, match="not the suffix array"):
        lcp_array(ids, np.arange(4))


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=70), st.data())
def test_range_minimum(values: list[int], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(values) - 1))
    end = data.draw(st.integers(start + 1, len(values)))
    assert RangeMinimum(np.array(values))(np.array([start]), np.array([end])).tolist() == [min(values[start:end])]


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=70), st.integers(-6, 6))
def test_nearest_before(values: list[int], below: int) -> None:
    found = RangeMinimum(np.array(values)).nearest_before(np.arange(len(values)), np.full(len(values), below))
    for at, index in enumerate(found.tolist()):
        assert index == max((place for place in range(at) if values[place] < below), default=-1)


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=70), st.integers(-6, 6))
def test_nearest_after(values: list[int], below: int) -> None:
    found = RangeMinimum(np.array(values)).nearest_after(np.arange(len(values)), np.full(len(values), below))
    for at, index in enumerate(found.tolist()):
        expected = min((place for place in range(at + 1, len(values)) if values[place] < below), default=len(values))
        assert index == expected
