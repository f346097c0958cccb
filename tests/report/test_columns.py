"""Texts side by side: nothing is lost, nothing is wider than its column, and every column begins where it should."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from lmbench.report.columns import GAP, LEAST, Column, rows, width_of

CHARACTERS = ["a", "b", " ", "三", "。", "\u0301", "🙂", "\n", "\t", "é"]
PIECES = st.lists(st.text(st.sampled_from(CHARACTERS), max_size=7))


def filled(width: int, pieces: list[str]) -> Column:
    column = Column(width)
    for piece in pieces:
        column.add(piece)
    column.close()
    return column


@given(PIECES, st.integers(4, 12))
def test_a_column_holds_all_of_its_text_and_no_line_is_too_wide(pieces: list[str], width: int) -> None:
    lines = filled(width, pieces).lines
    assert all(cell_len(line) <= width for line in lines)
    whole = "".join(pieces).replace("\t", "    ")
    assert "".join(lines) == whole.replace("\n", "")
    assert len(lines) >= whole.count("\n")
    together = Column(width)
    together.add("".join(pieces))
    together.close()
    assert together.lines == lines  # however it came


@given(PIECES, PIECES, st.integers(4, 12))
def test_the_second_column_begins_at_one_place(left: list[str], right: list[str], width: int) -> None:
    columns = [filled(width, left), filled(width, right)]
    first, second = (list(column.lines) for column in columns)
    for number, line in enumerate(rows(columns)):
        before = first[number] if number < len(first) else ""
        after = second[number] if number < len(second) else ""
        assert line == (before + " " * (width - cell_len(before) + GAP) + after).rstrip(" ")
    assert not columns[0].lines
    assert not columns[1].lines


def test_lines_are_cut_behind_blanks_and_wide_characters_take_two_columns() -> None:
    assert filled(5, ["ab cdef\n三四五六"]).lines == ["ab ", "cdef", "三四", "五六"]
    assert filled(6, ["a bcdefghi"]).lines == ["a bcde", "fghi"]  # the blank is far from the end
    assert filled(4, ["cafe\u0301s"]).lines == ["cafe\u0301", "s"]


def test_a_line_is_written_once_every_text_has_it() -> None:
    one, other = Column(4), Column(4)
    one.add("abcdefgh")
    assert list(rows([one, other])) == []
    other.add("xy\n")
    assert list(rows([one, other])) == ["abcd   xy"]
    one.close()
    other.close()
    assert list(rows([one, other])) == ["efgh"]


def test_where_there_is_no_room_texts_stand_one_under_the_other() -> None:
    assert width_of(80, 3) == (80 - 2 * GAP) // 3
    assert width_of(2 * LEAST + GAP, 2) == LEAST
    assert width_of(2 * LEAST + GAP - 1, 2) is None
