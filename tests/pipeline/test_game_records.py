"""The record of a game is data from a stranger: passage, alphabet and letters are held against each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from commands import lmbench

from lmbench.errors import LmbenchError
from lmbench.pipeline.guessing import Found, fresh, read_guesses, write_guesses


def begun(path: Path, gamble: bool = False) -> dict[str, Any]:
    """A game in "ab|bca" by someone who has found two symbols, the second after a wrong guess."""
    record = fresh("text", 2, "all", "abc", "ab", "bca", player="ada", gamble=gamble)
    share = 0.5 if gamble else None
    letters = [
        Found(symbol="b", before=0, ties=1, wrong=[], share=share),
        Found(symbol="c", before=1, ties=1, wrong=[] if gamble else ["a"], share=share),
    ]
    write_guesses(path, record.model_copy(update={"letters": letters, "wrong": [] if gamble else ["b"]}))
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize("gamble", [False, True])
def test_a_game_that_keeps_the_rules_is_read(gamble: bool, tmp_path: Path) -> None:
    begun(tmp_path / "game.json", gamble)
    assert len(read_guesses(tmp_path / "game.json").letters) == 2


CHANGES: list[tuple[tuple[str | int, ...], Any]] = [
    (("passage",), ""), (("passage",), "bcz"), (("passage",), "b"), (("passage",), "cba"), (("alphabet",), ""),
    (("alphabet",), "abcc"), (("alphabet",), "ab"), (("reduction",), "27"), (("start",), -1),
    (("letters", 0, "symbol"), "c"), (("letters", 0, "symbol"), "bc"), (("letters", 0, "before"), -1),
    (("letters", 0, "before"), 3), (("letters", 0, "before"), 10**40), (("letters", 0, "ties"), 0),
    (("letters", 0, "ties"), 4), (("letters", 0, "share"), 0.5), (("letters", 1, "before"), 0),
    (("letters", 1, "wrong"), ["c"]), (("letters", 1, "wrong"), ["z"]), (("letters", 1, "wrong"), ["a", "a"]),
    (("wrong",), ["a"]), (("wrong",), ["z"]), (("wrong",), ["b", "b"]), (("wrong",), ["bc"]),
]  # fmt: skip


@pytest.mark.parametrize(("place", "value"), CHANGES)
def test_a_game_that_nobody_can_have_played_is_refused(
    place: tuple[str | int, ...], value: Any, tmp_path: Path
) -> None:
    content = begun(tmp_path / "game.json")
    holder: Any = content
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = value
    (tmp_path / "game.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(LmbenchError, match=r"game\.json is no whole record of a game"):
        read_guesses(tmp_path / "game.json")


@pytest.mark.parametrize("share", [None, -0.1, 1.5])
def test_a_bet_is_a_share_of_the_capital(share: float | None, tmp_path: Path) -> None:
    content = begun(tmp_path / "game.json", gamble=True)
    content["letters"][1]["share"] = share
    (tmp_path / "game.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(LmbenchError, match="letter 1 has a bet, and should have none, or the other way round"):
        read_guesses(tmp_path / "game.json")


def test_a_finished_game_has_no_wrong_guesses_left(tmp_path: Path) -> None:
    content = begun(tmp_path / "game.json")
    content |= {"passage": "bc", "wrong": ["a"]}
    (tmp_path / "game.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(LmbenchError, match="wrong guesses that could not be made"):
        read_guesses(tmp_path / "game.json")


@pytest.mark.parametrize("options", [["--resume"], ["--same"]])
def test_the_command_says_so_in_a_line(options: list[str], tmp_path: Path) -> None:
    content = begun(tmp_path / "game.json")
    content["letters"][0]["symbol"] = "c"
    (tmp_path / "game.json").write_text(json.dumps(content), encoding="utf-8")
    result = lmbench("guess", *options, tmp_path / "game.json", "--out", tmp_path / "out", stdin="?\n")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f"error: {tmp_path}/game.json is no whole record of a game (the file: letter 0 is not that of the passage)"
    ]
