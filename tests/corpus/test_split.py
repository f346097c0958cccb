from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmbench.corpus import open_source
from lmbench.corpus.split import split
from lmbench.corpus.text import Text, text_of
from lmbench.errors import LmbenchError, UsageError


def contents(text: Text) -> str:
    return b"".join(window.tobytes() for window in text.contents()).decode()


def test_one_document_by_hand() -> None:
    splits = split(text_of(["あいうえお" * 4]), "90/5/5")  # 20 characters: cuts at 18 and 19
    assert [contents(part) for part in (splits.train, splits.valid, splits.test)] == [
        ("あいうえお" * 4)[:18],
        "え",
        "お",
    ]
    assert not splits.refit
    assert "90/5/5 of the characters" in splits.rule


@pytest.mark.parametrize("size", [20, 100, 1003, 1_000_000])
def test_the_last_tenth_is_karpathys_to_the_character(size: int) -> None:
    splits = split(text_of(["x" * size]), "90/10")
    assert splits.test.characters == size - int(size * 0.9)
    assert splits.train.characters == size * 85 // 100


def test_a_cut_does_not_come_a_character_early_for_a_rounding_error() -> None:
    splits = split(text_of(["x" * 10]), "70/10/20")  # the sum of the shares before the test is a hair less than 0.8
    assert [part.characters for part in (splits.train, splits.valid, splits.test)] == [7, 1, 2]


def test_two_parts_validate_inside_the_training_part() -> None:
    splits = split(text_of(["0123456789" * 10]), "90/10")
    sizes = [part.characters for part in (splits.train, splits.valid, splits.test)]
    assert sizes == [85, 5, 10]
    assert splits.refit
    assert "counts are taken again" in splits.rule


def test_karpathys_convention(shared: Path, tmp_path: Path) -> None:
    text = open_source(str(shared / "data" / "tinyshakespeare.txt"), cache=tmp_path).text
    splits = split(text, "90/10")
    assert splits.train.characters + splits.valid.characters == 1_003_854
    assert splits.test.characters == 111_540


def test_a_cut_moves_to_a_document_boundary_within_one_per_cent() -> None:
    # 200 characters; the cuts fall at 180 and 190, and boundaries at 178, 192 are within 2.
    text = text_of(["a" * 178, "b" * 14, "c" * 8])
    splits = split(text)
    assert [contents(part) for part in (splits.train, splits.valid, splits.test)] == ["a" * 178, "b" * 14, "c" * 8]
    # At 177 it is too far, and the cut falls inside the second document.
    splits = split(text_of(["a" * 177, "b" * 15, "c" * 8]))
    assert contents(splits.train) == "a" * 177 + "b" * 3
    assert [len(part.starts) for part in (splits.train, splits.valid, splits.test)] == [2, 1, 1]


@settings(max_examples=200)
@given(
    st.lists(st.text(alphabet="ab é猫😀\n", min_size=1, max_size=40), min_size=1, max_size=8),
    st.sampled_from(["90/5/5", "90/10", "50/25/25", "98/1/1", "33.5/33.5/33"]),
    st.booleans(),
)
def test_nothing_is_lost_and_the_order_is_kept(documents: list[str], fractions: str, lines: bool) -> None:
    documents[0] += "x" * 500  # enough for one per cent to be a few characters
    text = text_of(documents, lines=lines)
    splits = split(text, fractions)
    parts = [splits.train, splits.valid, splits.test]
    assert "".join(contents(part) for part in parts) == "".join(documents)
    total = text.characters
    shares = [float(share) / 100 for share in fractions.split("/")]
    expected = shares[0] if len(shares) == 3 else 0.85
    assert abs(splits.train.characters - expected * total) <= 0.01 * total + 2
    for part in parts:
        assert part.bytes > 0
        assert part.lines == lines


def test_given_texts_leave_only_the_missing_part_to_cut_off() -> None:
    text, other = text_of(["x" * 100]), text_of(["other"])
    both = split(text, valid=other, test=other)
    assert both.train.characters == 100
    assert both.valid is other
    assert both.test is other
    assert "as given" in both.rule
    one = split(text, test=other)
    assert (one.train.characters, one.valid.characters, one.test) == (95, 5, other)
    assert "validation" in one.rule
    two = split(text, "90/10", valid=other)
    assert (two.train.characters, two.valid, two.test.characters, two.refit) == (90, other, 10, False)


@pytest.mark.parametrize("fractions", ["", "90", "90/5", "90/5/4", "100/0", "90/5/5/0", "a/b", "90/-5/15", "4/96"])
def test_malformed_fractions(fractions: str) -> None:
    with pytest.raises(UsageError, match="split"):
        split(text_of(["x" * 100]), fractions)


@pytest.mark.parametrize("documents", [["a"], ["a", "b"], ["abc"], ["猫" * 9]])
def test_too_short_a_text_is_one_line(documents: list[str]) -> None:
    with pytest.raises(LmbenchError, match="split would be empty"):
        split(text_of(documents))


def test_an_empty_given_text_is_named() -> None:
    with pytest.raises(LmbenchError, match=": the test text is empty"):
        split(text_of(["x" * 100]), test=text_of([]))
