"""Parts of a text in tokens, and two texts as one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_texts import alphabet

from lmbench.errors import LmbenchError
from lmbench.tokens import Tokens, Vocabulary, tokens_of

LETTERS = alphabet(2)
TEXT = tokens_of([[0, 1], [], [1]], LETTERS)


def shown(tokens: Tokens) -> tuple[list[int], list[int]]:
    return tokens.ids.tolist(), tokens.documents.tolist()


def test_heads_and_tails_by_hand() -> None:
    assert shown(TEXT) == ([0, 1, 2, 2, 1, 2], [0, 3, 4])
    assert shown(TEXT.head(4)) == ([0, 1, 2, 2], [0, 3])
    assert shown(TEXT.tail(4)) == ([2, 2, 1, 2], [0, 1, 2])
    assert shown(TEXT.tail(2)) == ([1, 2], [0])
    assert shown(TEXT.tail(99)) == shown(TEXT)


def test_pieces_keep_what_they_are_pieces_of(tmp_path: Path) -> None:
    pieces = replace(TEXT, sources=np.array([3, 3, 5]))
    for part, sources in ((pieces.head(4), [3, 3]), (pieces.tail(4), [3, 3, 5]), (pieces.tail(2), [5])):
        assert part.sources is not None
        assert part.sources.tolist() == sources
    pieces.save(tmp_path)
    back = Tokens.load(tmp_path)
    assert back.sources is not None
    assert back.sources.tolist() == [3, 3, 5]
    assert pieces.hash == back.hash == TEXT.hash
    np.save(tmp_path / "sources.npy", np.array([3, 2, 5]))
    with pytest.raises(LmbenchError, match=r"sources\.npy"):
        Tokens.load(tmp_path)


def test_places_and_lines() -> None:
    assert tokens_of([[0, 1], [1]], Vocabulary((b"a", b"b", b""), 2)).places.tolist() == [0, 1, 2, 0, 1]
    assert [Vocabulary((b"a", end), 1).lines for end in (b"", b"\n")] == [False, True]


def test_nothing_has_no_documents() -> None:
    empty = tokens_of([], LETTERS)
    for none in (TEXT.head(0), TEXT.tail(0), empty.head(0), empty.tail(0), empty.tail(3)):
        assert shown(none) == ([], [])
        assert none.hash == empty.hash


@given(st.lists(st.lists(st.integers(0, 1), max_size=4), min_size=1, max_size=4), st.integers(0, 20))
def test_a_text_is_its_head_and_its_tail(documents: list[list[int]], count: int) -> None:
    text = tokens_of(documents, LETTERS)
    head, tail = text.head(count), text.tail(max(0, len(text) - count))
    assert head.ids.tolist() + tail.ids.tolist() == text.ids.tolist()
    inside = 0 < count < len(text) and count not in text.documents  # the cut makes two documents of one
    assert len(head.documents) + len(tail.documents) == len(documents) + inside


def test_two_texts_as_one() -> None:
    both = TEXT + tokens_of([[0]], LETTERS)
    assert shown(both) == ([0, 1, 2, 2, 1, 2, 0, 2], [0, 3, 4, 6])
    assert shown(TEXT.head(0) + TEXT) == shown(TEXT + TEXT.head(0)) == shown(TEXT)
    with pytest.raises(ValueError, match="two vocabularies"):
        TEXT + tokens_of([[0]], Vocabulary((b"a", b"b", b""), 1))


def test_a_document_without_an_end_is_not_run_into_the_next() -> None:
    cut = TEXT.head(2)
    with pytest.raises(ValueError, match="last document has no end"):
        cut + TEXT
    assert shown(TEXT + cut) == ([0, 1, 2, 2, 1, 2, 0, 1], [0, 3, 4, 6])
    assert np.array_equal((cut + TEXT.head(0)).ids, cut.ids)
