"""The block parser against the line parser, which says what is right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmbench.counts.arpa.lines import Lines, read_fast, read_slowly
from lmbench.errors import LmbenchError

words = st.text("ab\"'é#\\猫,;\x0b", min_size=1, max_size=3)
number = st.sampled_from(["-1.5", "0", "-0.0", "-99", "-1e-3", "-.5", "-2.", "-inf", "-Infinity"])
wrong = st.sampled_from(["nan", "0.5", "inf", "1e400", "", "x", "-1_0", "--1", "0x1"])
space = st.sampled_from([" ", "\t", "\t", "  ", " \t"])
end = st.sampled_from(["\n", "\n", "\r\n", " \n", "\n\n", "\t\r\n"])


@st.composite
def blocks(draw: st.DrawFn, good: bool) -> tuple[str, int]:
    order = draw(st.integers(1, 3))
    lines = []
    for _ in range(draw(st.integers(0, 6))):
        fields = [draw(number), *(draw(words) for _ in range(order))]
        if draw(st.booleans()):
            fields.append(draw(st.one_of(number, st.just("0.3"))))
        if not good and draw(st.integers(0, 3)) == 0:
            place = draw(st.integers(0, len(fields) - 1))
            fields[place : place + 1] = draw(st.sampled_from([[], ["\x00"], [draw(wrong)], [draw(wrong), "a"]]))
        lines.append("".join(draw(space) + field for field in fields)[draw(st.integers(0, 1)) :] + draw(end))
    return "".join(lines), order


def equal(first: Lines, second: Lines) -> bool:
    return (
        np.array_equal(first.log_probs, second.log_probs)
        and np.array_equal(first.log_backoffs, second.log_backoffs)
        and [column.to_pylist() for column in first.words] == [column.to_pylist() for column in second.words]
    )


@given(blocks(good=True))
@settings(deadline=None)
def test_good_lines_are_read_fast_and_the_same(block: tuple[str, int]) -> None:
    text, order = block[0].encode(), block[1]
    fast = read_fast(text, order)
    assert fast is not None
    assert equal(fast, read_slowly(text, order, None, "file", 1))


@given(blocks(good=False))
@settings(deadline=None)
def test_what_the_fast_way_takes_the_slow_way_takes_alike(block: tuple[str, int]) -> None:
    text, order = block[0].encode(), block[1]
    fast = read_fast(text, order)
    if fast is not None:
        assert equal(fast, read_slowly(text, order, None, "file", 1))


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("ragged", [b"-1\ta b\t-2\n-3\tb b\n", b"-3\tb b\n-1\ta b\t-2\n"])
def test_a_missing_back_off_is_one(order: int, ragged: bytes) -> None:
    lines = read_fast(ragged.replace(b" b", b"") if order == 1 else ragged, order)
    assert lines is not None
    assert sorted(zip(lines.log_probs, lines.log_backoffs, strict=True)) == [(-3, 0), (-1, -2)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"-1 a", "3: 2 fields"),
        (b"-1 a b c d", "3: 5 fields"),
        (b"nan a b", "3: 'nan' is not a number"),
        (b"0.1 a b", "3: 0.1 is a log-probability above 0"),
        (b"-1 a b inf", "3: 'inf' is not a number"),
        (b"-1 a b 1e999", "3: the back-off 1e999 is above 99"),
        (b"-1 a b 100", "3: the back-off 100 is above 99"),
        (b"-1 a b nan", "3: 'nan' is not a number"),
        (b"-1 a z", "3: 'z' is not among the 1-grams"),
        (b"-1 a \xff", "3: not UTF-8"),
        (b"-1_0 a b", "3: '-1_0' is not a number"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(line: bytes, reason: str) -> None:
    block = b"\n-1 a b\n" + line + b"\n-1 b a\n"
    fast = read_fast(block, 2)
    assert fast is None or "z" in fast.words[1].to_pylist()
    with pytest.raises(LmbenchError, match=f"^file:{reason}"):
        read_slowly(block, 2, {"a", "b"}, "file", 1)
