"""Two games on one passage, side by side: two people's, or a person's and a model's."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lmbench.errors import UsageError
from lmbench.generation.guessing import Letter
from lmbench.pipeline.guessing import GuessRecord
from lmbench.score.bootstrap import Interval
from lmbench.score.shannon import Bounds, Ranks, bounds, mean_interval, paired_bounds


@dataclass(frozen=True)
class Side:
    """One guesser: bounds and, where each symbol was bet on, bits per symbol by the bets.

    `ruined`: a symbol that came had nothing on it, so that the bits are infinite, and None here.
    """

    player: str
    letters: list[Letter]
    bounds: Bounds
    bits: float | None
    ruined: bool


@dataclass(frozen=True)
class Comparison:
    """The first `symbols` of the passage, which both have found.

    `differences`: of `lower`, `upper` (bits per symbol), `guesses` (mean rank) and, where both bet, `bits`: the first
    minus the second, with a 95 % interval that knows they shared the passage. `sooner`: symbols that the first, and
    that the second, found in fewer guesses.
    """

    passage: str
    alphabet: int
    symbols: int
    sides: tuple[Side, Side]
    differences: dict[str, tuple[float, Interval | None]]
    sooner: tuple[int, int]

    def as_json(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


def compared(first: GuessRecord, second: GuessRecord) -> Comparison:
    """Raises UsageError where the two games are not on the same passage, or one of them has not begun."""
    for name, words in (("passage", "passage"), ("known", "text shown before it"), ("alphabet", "alphabet")):
        if getattr(first, name) != getattr(second, name):
            raise UsageError(
                f"the two games differ in their {words}: {first.source} at {first.start}, {len(first.passage)} symbols "
                f"of {len(first.alphabet)}, and {second.source} at {second.start}, {len(second.passage)} symbols of "
                f"{len(second.alphabet)}; play one with --same and the other"
            )
    count = min(len(first.letters), len(second.letters))
    if not count:
        raise UsageError("one of the two games has no symbol found yet; go on with it")
    games = []
    for record in (first, second):
        game = record.game()
        game.letters = game.letters[:count]
        games.append(game)
    ranks: list[Ranks] = [game.ranks() for game in games]
    differences = paired_bounds(ranks[0], ranks[1])
    bet = [game.bits() for game in games]
    bits = [own if own is not None and math.isfinite(own) else None for own in bet]
    if bits[0] is not None and bits[1] is not None:
        shares = [np.array([letter.share for letter in game.letters], dtype=np.float64) for game in games]
        lost = np.log2(shares[1]) - np.log2(shares[0])
        differences["bits"] = (float(lost.mean()), mean_interval(lost))
    middle = [rank.before + rank.ties / 2 for rank in ranks]
    sides = [
        Side(record.player, game.letters, bounds(rank), own, own is None and game_bits is not None)
        for record, game, rank, own, game_bits in zip((first, second), games, ranks, bits, bet, strict=True)
    ]
    return Comparison(
        passage=first.passage[:count],
        alphabet=len(first.alphabet),
        symbols=count,
        sides=(sides[0], sides[1]),
        differences=differences,
        sooner=(int((middle[0] < middle[1]).sum()), int((middle[1] < middle[0]).sum())),
    )
