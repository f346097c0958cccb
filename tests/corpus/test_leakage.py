"""Passages that training text shares with text held out, against a search for each of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmbench.corpus import leakage as module
from lmbench.corpus.leakage import by_byte, deduplicated, leakage, repeated, shared
from lmbench.corpus.split import Splits
from lmbench.corpus.text import Text, text_of
from lmbench.errors import LmbenchError

DOCUMENTS = st.lists(st.text(alphabet="aé猫", max_size=14), max_size=6)
PASSAGE = "".join(chr(0x4E00 + at) for at in range(60))


def as_read(documents: list[str], lines: bool) -> list[str]:
    """Lines are one text with their newlines."""
    return ["".join(document + "\n" for document in documents)] if lines else documents


def marked(documents: list[str], others: list[str], length: int) -> list[bool]:
    found = []
    for document in documents:
        marks = [False] * len(document)
        for at in range(len(document) - length + 1):
            if any(document[at : at + length] in other for other in others):
                marks[at : at + length] = [True] * length
        found += marks
    return found


@pytest.mark.parametrize("batch", [2, 7, 1 << 22])
@settings(max_examples=50)
@given(DOCUMENTS, DOCUMENTS, st.integers(1, 5), st.booleans())
def test_shared_characters_are_those_that_a_search_finds(
    batch: int, train: list[str], test: list[str], length: int, lines: bool
) -> None:
    expected = marked(as_read(test, lines), as_read(train, lines), length)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BATCH", batch)
        [found] = shared([text_of(train, lines)], [text_of(test, lines)], length)
    assert found.tolist() == expected


@settings(max_examples=100)
@given(DOCUMENTS, st.integers(1, 5))
def test_repeated_characters_are_those_that_a_count_finds(documents: list[str], length: int) -> None:
    windows = [document[at : at + length] for document in documents for at in range(len(document) - length + 1)]
    twice = [window for window in windows if windows.count(window) > 1]
    expected = marked(documents, twice, length)
    assert repeated([text_of(documents)], length) == pytest.approx(np.mean(expected) if expected else 0.0)


@settings(max_examples=50)
@given(DOCUMENTS, st.booleans(), st.data())
def test_marks_of_characters_and_of_bytes(documents: list[str], lines: bool, data: st.DataObject) -> None:
    text = text_of(documents, lines)
    whole = "".join(as_read(documents, lines))
    marks = data.draw(st.lists(st.booleans(), min_size=len(whole), max_size=len(whole)))
    expected = [mark for mark, character in zip(marks, whole, strict=True) for _ in character.encode()]
    assert by_byte(text, np.array(marks, dtype=np.bool_)).tolist() == expected


def test_leakage_by_hand() -> None:
    [found] = leakage([text_of(["before " + PASSAGE, "other"])], [text_of(["x" * 40, PASSAGE + "y" * 20])])
    assert found.shares == {50: 0.5, 100: 0.0}
    assert found.longest == [(60, PASSAGE)]
    assert leakage([text_of(["a"])], [text_of(["b"])])[0].longest == []
    [longer] = leakage([text_of([PASSAGE * 3])], [text_of([PASSAGE * 2])])
    assert longer.longest == [(120, PASSAGE + "…")]
    assert longer.shares == {50: 1.0, 100: 1.0}


def splits_of(train: Text, valid: list[str], test: list[str], refit: bool = False) -> Splits:
    return Splits(train, text_of(valid, train.lines), text_of(test, train.lines), "as given", refit)


def documents_of(text: Text) -> list[str]:
    return [text.document(index) for index in range(len(text.starts))]


def test_passages_are_cut_out_of_training_text_by_hand() -> None:
    left, right = "l" * 60, "r" * 70
    train = text_of(["whole", left + PASSAGE + right, PASSAGE + "short"])
    splits = deduplicated(splits_of(train, ["v" * 60], ["é" + PASSAGE]))
    assert documents_of(splits.train) == ["whole", left, right]
    assert documents_of(splits.test) == ["é" + PASSAGE]
    assert splits.rule.endswith("dropped from the training text: 125 of its 260 characters")


def test_lines_are_dropped_whole_and_none_makes_a_passage_anew() -> None:
    first, second = "a" * 30, "b" * 30
    train = text_of([first, PASSAGE, second, "c" * 30], lines=True)
    splits = deduplicated(splits_of(train, [PASSAGE], [first, second]))
    assert documents_of(splits.train) == ["c" * 30]


def test_validation_text_that_trains_is_cut_by_the_test_text() -> None:
    train = text_of(["t" * 60])
    assert documents_of(deduplicated(splits_of(train, [PASSAGE + "v"], [PASSAGE])).valid) == [PASSAGE + "v"]
    with pytest.raises(LmbenchError, match="all of its validation text"):
        deduplicated(splits_of(train, [PASSAGE + "v"], [PASSAGE], refit=True))
    with pytest.raises(LmbenchError, match="all of its training text"):
        deduplicated(splits_of(text_of([PASSAGE]), ["v" * 60], [PASSAGE]))


@settings(max_examples=60)
@given(DOCUMENTS, DOCUMENTS, DOCUMENTS, st.booleans())
def test_nothing_is_shared_afterwards(train: list[str], valid: list[str], test: list[str], lines: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SHORTEST", 3)
        try:
            splits = deduplicated(splits_of(text_of([*train, "0123"], lines), valid, test))
        except LmbenchError:  # of lines all may go
            return
        kept = splits.train
        assert not any(marks.any() for marks in shared([kept], [splits.valid, splits.test], 3))
        whole = as_read([*train, "0123"], lines)
        assert all(any(document in one for one in whole) for document in documents_of(kept))
