"""The distribution of ranks as a table, laid out as Shannon's table I."""

from __future__ import annotations

import numpy as np

from lmbench.record import Shannon, ShannonPoint
from lmbench.report.ranks import rank_html, rank_lines
from lmbench.score.shannon import Ranks, bounds, group_edges


def played(alphabet: int, *ranks: int) -> Shannon:
    """A game with `ranks`, from 1, at one context length."""
    before = np.array(ranks, dtype=np.int64) - 1
    found = bounds(Ranks(before, np.ones_like(before), alphabet))
    point = ShannonPoint(
        context=2, lower=found.lower, upper=found.upper, ci95_lower=None, ci95_upper=None, cross_entropy=None,
        first=found.first, guesses=found.guesses, shares=list(found.shares),
    )  # fmt: skip
    groups = (group_edges(alphabet)[:-1] + 1).tolist()
    return Shannon(
        model="m", alphabet=alphabet, positions=len(ranks), characters_per_token=1.0, points=[point], notes=[],
        groups=groups,
    )  # fmt: skip


def test_the_worked_example() -> None:
    assert rank_lines(played(27, 1, 1, 2, 7)) == [
        ("1", ["50.0"]), ("2", ["25.0"]), ("3", ["–"]), ("4", ["–"]), ("5", ["–"]), ("6 – 8", ["25.0"]),
    ]  # fmt: skip


def test_far_ranks_are_in_the_octave_that_they_lie_in() -> None:
    lines = dict(rank_lines(played(300, 32, 33, 64, 65, 128, 129, 300)))
    assert [lines[key] for key in ("17 – 32", "33 – 64", "65 – 128", "129 – 256", "257 – 300")] == [
        ["14.3"], ["28.6"], ["28.6"], ["14.3"], ["14.3"],
    ]  # fmt: skip


def test_an_alphabet_of_two() -> None:
    assert rank_lines(played(2, 1, 2)) == [("1", ["50.0"]), ("2", ["50.0"])]


def test_a_record_without_shares_has_no_table() -> None:
    game = played(27, 1)
    old = game.model_copy(update={"points": [game.points[0].model_copy(update={"shares": []})], "groups": []})
    assert rank_lines(old) == []
    assert rank_html(old) == ""
    assert "<td>100.0</td>" in rank_html(game)
