"""The rules of the guessing game."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmbench.errors import UsageError
from lmbench.generation.guessing import SHANNON, Game, bets, composed, guesses, reduced, visible
from lmbench.score.shannon import bounds


def game(passage: str = "the", alphabet: str = SHANNON) -> Game:
    return Game("on ", passage, alphabet)


def test_a_letter_is_found_after_its_wrong_guesses_and_repeated_ones_do_not_count() -> None:
    played = game()
    said = [played.guess(symbol) for symbol in "aeaét"]
    assert said == ["wrong", "wrong", "repeated", "outside", "right"]
    assert (played.letters[0].before, played.letters[0].wrong) == (2, ["a", "e"])
    assert played.wrong == []
    assert played.text == "on t"
    assert [played.guess("h"), played.guess("e")] == ["right", "right"]
    assert played.done
    assert played.ranks().before.tolist() == [2, 0, 0]


def test_giving_up_leaves_the_rest_of_the_alphabet_tied() -> None:
    played = game()
    played.guess("x")
    played.guess("y")
    assert played.give_up() == "t"
    assert (played.letters[0].before, played.letters[0].ties) == (2, 25)
    played.give_up()
    played.give_up()
    assert played.done
    idle = game()
    while not idle.done:
        idle.give_up()
    assert bounds(idle.ranks()).upper == pytest.approx(math.log2(27))


def test_bets_by_cover_and_king() -> None:
    played = Game("", "aab", "abcd")
    assert played.bits() is None
    assert played.bet({"a": 0.5, "b": 0.2}, 0.15) == 0.5
    assert played.bet({"a": 0.5, "b": 0.2}, 0.15) == 0.5
    assert played.bits() == pytest.approx(1.0)  # log2 4 - (1/2) log2 (2 x 2)
    played.bet({"a": 0.7}, 0.1)
    assert played.bits() == pytest.approx((1 + 1 - math.log2(0.1)) / 3)
    assert [(letter.before, letter.ties) for letter in played.letters] == [(0, 1), (0, 1), (1, 3)]


def test_what_a_line_of_bets_says() -> None:
    assert bets("a60", "abcd") == ({"a": pytest.approx(0.7)}, pytest.approx(0.1))
    assert bets("a60 rest", "abcd") == ({"a": pytest.approx(0.6)}, pytest.approx(0.4 / 3))
    assert bets("", "abcd") == ({}, 0.25)
    wide = "\u3000"
    assert bets(f"{wide}40 a20", f"a{wide}\u00a0x")[0] == {wide: pytest.approx(0.5), "a": pytest.approx(0.3)}
    assert visible(wide) != wide
    assert guesses(visible(wide), game(wide, f"a{wide}")) == [wide]
    assert bets("rest", "abcd") == ({}, 0.25)
    shares, even = bets(r"e50% \s20 _10 515", "e 5_x")
    assert shares == {
        "e": pytest.approx(0.51),
        " ": pytest.approx(0.21),
        "_": pytest.approx(0.11),
        "5": pytest.approx(0.16),
    }
    assert even == pytest.approx(0.01)
    assert bets("_30 A10", SHANNON, fold=True)[0].keys() == {" ", "a"}


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("z10", "no 'z'"), ("a", "percentage"), ("ab", "percentage"), ("a-5", "percentage"), ("anan", "percentage"),
        ("a101", "percentage"), ("a60 b60", "120 %"), ("a100", "ruin"), ("a50 b50 rest", "ruin"), ("a100 b0", "ruin"),
    ],
)  # fmt: skip
def test_what_is_no_bet(line: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        bets(line, "abcd")


@given(st.dictionaries(st.sampled_from("abcdefg"), st.integers(0, 100), max_size=6), st.booleans())
def test_all_of_the_capital_lies_somewhere(percents: dict[str, int], rest: bool) -> None:
    line = " ".join(f"{symbol}{percent}" for symbol, percent in percents.items()) + " rest" * rest
    try:
        shares, even = bets(line, "abcdefgh")
    except UsageError:
        assert sum(percents.values()) >= 100 or rest
        return
    assert sum(shares.values()) + even * (8 - len(shares)) == pytest.approx(1)
    assert min([*shares.values(), even]) > 0


def test_what_a_line_of_guesses_says() -> None:
    every = Game("", "x", "ab?\\ \n\t猫é_")
    assert guesses("?", every) == [None]
    assert guesses(r"\?", every) == ["?"]
    assert guesses(r"\s\n\t\\", every) == [" ", "\n", "\t", "\\"]
    assert guesses("␣", every) == [" "]
    assert guesses(" ", every) == [" "]
    assert guesses("_", every) == ["_"]
    assert guesses("_", game()) == [" "]
    assert guesses("", every) == []
    assert guesses("猫a?", every) == ["猫", "a", "?"]
    assert guesses("é", every) == ["é"]  # an e and an accent
    assert guesses("É", game(), fold=True) == ["e"]
    assert guesses(r"T\s", game(), fold=True) == ["t", " "]


def test_shannons_27_letters() -> None:
    assert reduced("Don't --- Éclairs, 2 of them!") == "dont eclairs of them "
    assert reduced("\n\nStraße") == "strasse"
    assert reduced("三四郎") == ""


@given(st.text())
def test_a_reduced_text_stays_as_it_is(text: str) -> None:
    once = reduced(text)
    assert set(once) <= set(SHANNON)
    assert "  " not in once
    assert reduced(once) == once


def test_what_cannot_be_seen_is_shown() -> None:
    assert visible("a b\n\t\x00\x7f猫") == "a␣b↵⇥^@^?猫"
    assert len(composed("が")) == 1
