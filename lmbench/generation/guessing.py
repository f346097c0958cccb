"""The rules of Shannon's guessing game and of Cover and King's bets, without a screen, a file or a model.

A symbol is a Unicode code point, as it is to the `char` tokenizer; texts are in the composed form (NFC), so that a
letter with its accent is one symbol wherever Unicode has it as one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from lmbench import terminal
from lmbench.errors import UsageError
from lmbench.score.shannon import Ranks, gambling_bits

SHANNON = "abcdefghijklmnopqrstuvwxyz "
SHOWN = {" ": "␣", "\n": "↵", "\t": "⇥", "\u3000": "⬚", "\u00a0": "⍽"}
_TYPED = {
    "\\s": " ",
    "\\n": "\n",
    "\\t": "\t",
    "\\?": "?",
    "\\\\": "\\",
    **{sign: symbol for symbol, sign in SHOWN.items()},
}
_REST = "rest"


def composed(text: str) -> str:
    """The text in NFC."""
    return unicodedata.normalize("NFC", text)


def reduced(text: str) -> str:
    """`text` in Shannon's 27 letters: a-z without case or accents, all else a space, never two in a row.

    An apostrophe within a word goes without trace.

    >>> reduced("Don't --- Éclairs, 2 of them!")
    'dont eclairs of them '
    """
    letters = []
    for character in unicodedata.normalize("NFKD", text).casefold():
        if character in SHANNON[:-1]:
            letters.append(character)
        elif character in "'’" or unicodedata.combining(character):
            continue
        elif letters and letters[-1] != " ":
            letters.append(" ")
    return "".join(letters)


def visible(text: str) -> str:
    """`text` with signs for what cannot be seen: a space, a line's end, a tab, control characters."""
    return terminal.visible("".join(SHOWN.get(character, character) for character in text))


@dataclass
class Letter:
    """A symbol that has been found: after what `wrong` guesses, or with what `share` of the capital on it.

    `before` and `ties` are as in `score.shannon.Ranks`: a person who gives up after k wrong guesses leaves the rest
    of the alphabet tied; a model's ties are its own.
    """

    symbol: str
    before: int
    ties: int = 1
    wrong: list[str] = field(default_factory=list)
    share: float | None = None


@dataclass
class Game:
    """`known`: the text shown beforehand; `passage`: what is to be guessed; `alphabet`: every symbol that may come."""

    known: str
    passage: str
    alphabet: str
    letters: list[Letter] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)  # guesses at the symbol that is due

    @property
    def done(self) -> bool:
        return len(self.letters) == len(self.passage)

    @property
    def text(self) -> str:
        """Everything that the guesser knows."""
        return self.known + self.passage[: len(self.letters)]

    @property
    def due(self) -> str:
        """The symbol to be guessed."""
        return self.passage[len(self.letters)]

    def guess(self, symbol: str) -> str:
        """`right`, `wrong`; or, and not counted, `repeated` for what was wrong before and `outside` the alphabet."""
        if symbol not in self.alphabet or len(symbol) != 1:
            return "outside"
        if symbol in self.wrong:
            return "repeated"
        if symbol != self.due:
            self.wrong.append(symbol)
            return "wrong"
        self.letters.append(Letter(symbol, len(self.wrong), 1, self.wrong))
        self.wrong = []
        return "right"

    def give_up(self) -> str:
        """The symbol; it counts as if the guesser had gone on at random among those not named yet."""
        symbol, left = self.due, len(self.alphabet) - len(self.wrong)
        self.letters.append(Letter(symbol, len(self.wrong), left, self.wrong))
        self.wrong = []
        return symbol

    def bet(self, shares: dict[str, float], even: float) -> float:
        """The share that lay on the symbol that came: `shares` by symbol, `even` on each symbol not among them.

        Its rank is that of its share.
        """
        symbol = self.due
        own = shares.get(symbol, even)
        others = [*shares.values(), *[even] * (len(self.alphabet) - len(shares))]
        before = sum(share > own + 1e-12 for share in others)
        ties = sum(abs(share - own) <= 1e-12 for share in others)
        self.letters.append(Letter(symbol, before, ties, [], own))
        return own

    def ranks(self) -> Ranks:
        """The ranks so far."""
        before = np.array([letter.before for letter in self.letters], dtype=np.int64)
        ties = np.array([letter.ties for letter in self.letters], dtype=np.int64)
        return Ranks(before, ties, len(self.alphabet))

    def bits(self) -> float | None:
        """Cover and King's estimate so far, bits per symbol; None where not every symbol was bet on."""
        shares = [letter.share for letter in self.letters if letter.share is not None]
        if not shares or len(shares) < len(self.letters):
            return None
        return gambling_bits(np.array(shares), len(self.alphabet))


def guesses(line: str, game: Game, fold: bool = False) -> list[str | None]:
    r"""What a typed line says: symbols to be guessed one after the other, or None where the guesser gives up.

    `?` alone gives up; `\?` is a question mark, `\s` or a lone space (or a lone `_`, where the text has none) a space,
    `\n` a line's end, `\t` a tab, `\\` a backslash. More symbols than one are guesses at as many that follow.
    `fold`: case and accents are taken off.
    """
    if line == "?":
        return [None]
    if line == "_" and "_" not in game.alphabet:
        return [" "]
    found: list[str | None] = []
    text = composed(line)
    at = 0
    while at < len(text):
        pair = text[at : at + 2]
        width = 2 if pair in _TYPED else 1
        symbol = _TYPED.get(text[at : at + width], text[at])
        found.extend(_folded(symbol) if fold else symbol)
        at += width
    return found


def _folded(symbol: str) -> Iterable[str]:
    return [" "] if symbol.isspace() else reduced(symbol).strip() or symbol


def bets(line: str, alphabet: str, fold: bool = False) -> tuple[dict[str, float], float]:
    r"""(share of the capital by symbol, share on each other symbol) from a line such as `e50 t20 \s10 rest`.

    A word is a symbol and a percentage. What is left of 100 is kept, which at fair odds is as good as laid evenly on
    every symbol; with `rest` it lies on the symbols that are not named alone.

    Worked example, alphabet of 4: `a60` is 0.6 + 0.1 on a and 0.1 on each other; `a60 rest` is 0.6 and 0.1333.

    Raises UsageError for what is no bet, more than 100 per cent, or nothing at all on some symbol: were that one to
    come, all would be lost, and the estimate infinite.
    """
    named: dict[str, float] = {}
    rest = False
    for word in filter(None, re.split(r"[ \t]+", composed(line))):  # other white space may be a symbol to bet on
        if word == _REST:
            rest = True
            continue
        width = 2 if word[:2] in _TYPED else 1
        symbol = _TYPED.get(word[:width], word[0])
        symbol = " " if symbol == "_" and "_" not in alphabet else symbol
        symbol = "".join(_folded(symbol)) if fold else symbol
        if symbol not in alphabet or not symbol:
            raise UsageError(f"{word!r}: there is no {visible(symbol)!r} in this text's alphabet")
        try:
            percent = float(word[width:].removesuffix("%"))
        except ValueError:
            percent = -1.0
        if not 0 <= percent <= 100:
            raise UsageError(f"{word!r}: write a symbol and a percentage, such as e50")
        named[symbol] = named.get(symbol, 0.0) + percent / 100
    left = 1 - sum(named.values())
    if left < -1e-9:
        raise UsageError(f"these bets are {100 * (1 - left):g} % of the capital: 100 at most")
    left = max(0.0, left)
    others = len(alphabet) - len(named)
    if rest and others:
        even, kept = left / others, 0.0
    else:
        even = kept = left / len(alphabet)
    shares = {symbol: share + kept for symbol, share in named.items()}
    if min([*shares.values(), *([even] if others else [])]) <= 1e-9:
        raise UsageError("some symbol would have nothing on it, and ruin you if it came: leave a little for the rest")
    return shares, even
