"""The guessing game on a screen: by single keys on a terminal, or line by line."""

from __future__ import annotations

import codecs
import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from lmbench import terminal
from lmbench.errors import UsageError
from lmbench.generation.guessing import Game, bets, guesses, reduced, visible
from lmbench.score.shannon import FEWEST, bounds, doubt

_TAIL = 400  # characters of the text so far that are shown
_REVEAL = "\x12"  # Ctrl-R
_END = "\x04"  # Ctrl-D


class Screen(Protocol):
    def show(self, game: Game, message: str) -> None:
        """What the guesser sees before the next guess."""

    def ask(self, game: Game) -> list[str | None]:
        """Symbols to guess one after the other; None gives up. Raises EOFError at the end of the input."""


def play(game: Game, screen: Screen, save: Callable[[Game], None]) -> None:
    """Guess until the passage is found; `save` is called after every guess."""
    message = ""
    while not game.done:
        screen.show(game, message)
        entries = screen.ask(game)
        message = "" if entries else "type a symbol; ? gives up and shows it"
        for entry in entries:
            if entry is None:
                message = f"it is {visible(game.give_up())}"
                save(game)
                break
            message = _told(game, entry)
            save(game)
            if game.done or message:
                break
    screen.show(game, message)


def _told(game: Game, symbol: str) -> str:
    """What a guess comes to; nothing where it is right."""
    wrong = len(game.wrong) + 1
    said = game.guess(symbol)
    if said == "right":
        return ""
    if said == "repeated":
        return f"{visible(symbol)} was wrong before: not counted"
    if said == "outside":
        return f"{visible(symbol)} does not occur in this text: not counted"
    return f"{visible(symbol)} is wrong ({wrong})"


def gamble(game: Game, fold: bool, save: Callable[[Game], None]) -> None:
    """Bet on every symbol of the passage, a line of bets each."""
    said: list[str] = []
    while not game.done:
        for line in ("", *tail(game), *said, estimate(game)):
            terminal.say(line)
        terminal.ask("bets> ")
        try:
            shares, even = bets(_line(), game.alphabet, fold)
        except UsageError as error:
            said = [f"{error}; nothing was bet"]
            continue
        symbol = game.due
        share = game.bet(shares, even)
        times = share * len(game.alphabet)
        said = [f"it is {visible(symbol)}: {share:.2%} of the capital lay on it; capital x {times:.3g}"]
        save(game)
    for line in ("", *tail(game), *said, estimate(game)):
        terminal.say(line)


def tail(game: Game) -> list[str]:
    """The last lines of what is known, with a mark where the next symbol goes; a space just before it can be seen."""
    text = game.text[-_TAIL:]
    shown = [" " if symbol == " " else _broken(symbol) for symbol in text[:-1]]
    mark = "" if game.done else "▁"
    return (("… " if len(game.text) > _TAIL else "") + "".join(shown) + _broken(text[-1:]) + mark).split("\n")


def _broken(symbol: str) -> str:
    """A symbol that can be seen; after the sign of a line's end a new line begins."""
    return visible(symbol) + ("\n" if symbol == "\n" else "")


def estimate(game: Game) -> str:
    """Where game and bounds stand, in a line."""
    done, of = len(game.letters), len(game.passage)
    if not done:
        return f"symbol 1 of {of}, from {len(game.alphabet):,} different ones"
    where = f"symbol {done + 1} of {of}" if not game.done else f"all {of} symbols found"
    found = bounds(game.ranks())
    bits = game.bits()
    if bits is not None:
        doublings = done * (math.log2(len(game.alphabet)) - bits)
        return f"{where}; the capital has doubled {doublings:.2f} times; {bits:.3f} bits/symbol by these bets"
    span = f"{found.lower:.3f} to {found.upper:.3f} bits/symbol; " if done >= FEWEST else ""
    return f"{where}; {span}{found.first:.0%} at the first guess, {found.guesses:.2f} guesses on average"


def verdict(game: Game) -> str:
    """The bounds with their intervals, and how far these are to be trusted."""
    found = bounds(game.ranks())

    def with_interval(value: float, interval: tuple[float, float] | None) -> str:
        return f"{value:.3f}" + (f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else "")

    line = f"lower bound {with_interval(found.lower, found.ci95_lower)}, "
    line += f"upper bound {with_interval(found.upper, found.ci95_upper)} bits/symbol"
    few = doubt(found.symbols, found.ci95_upper)
    return f"{line}; {few}" if few else line


class Lines:
    """A guess a line: where there is no terminal, or where an input method has to compose what is typed."""

    def __init__(self, fold: bool) -> None:
        self._fold = fold
        self._found = -1

    def show(self, game: Game, message: str) -> None:
        if message:
            terminal.say(message)
        if len(game.letters) != self._found:
            self._found = len(game.letters)
            for line in ("", *tail(game), estimate(game)):
                terminal.say(line)

    def ask(self, game: Game) -> list[str | None]:
        terminal.ask("guess> ")
        return guesses(_line(), game, self._fold)


def _line() -> str:
    """A line of input without its end. Raises EOFError where there is none."""
    if sys.stdin.isatty():
        return input()  # with the line editing of the terminal
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.removesuffix("\n").removesuffix("\r")


class Keys:
    """A key a guess, on a terminal; the screen is drawn anew each time."""

    def __init__(self, key: Callable[[], str], fold: bool) -> None:
        self._key = key
        self._fold = fold

    def show(self, game: Game, message: str) -> None:
        asks = "? or Ctrl-R" if "?" not in game.alphabet else "Ctrl-R"
        wrong = f"wrong: {' '.join(visible(symbol) for symbol in game.wrong)}" if game.wrong else ""
        keys = f"press a key to guess; {asks} shows the symbol, Ctrl-C or Ctrl-D stops and keeps the game"
        terminal.clear()
        for line in (*tail(game), "", estimate(game), *filter(None, (wrong, message, keys))):
            terminal.say(line)

    def ask(self, game: Game) -> list[str | None]:
        symbol = self._key()
        if symbol == _END:
            raise EOFError
        if symbol == _REVEAL or (symbol == "?" and "?" not in game.alphabet):
            return [None]
        symbol = "\n" if symbol == "\r" else symbol
        if self._fold and not symbol.isspace():
            symbol = reduced(symbol) or symbol
        return [symbol] if symbol else []


def one_key(alphabet: str) -> bool:
    """Whether single keys can be read here, and every symbol is one of a common keyboard's."""
    if not (sys.stdin.isatty() and terminal.is_terminal()):
        return False
    try:
        import termios  # noqa: F401
    except ImportError:  # Windows
        return False
    return all(symbol in "\n\t" or " " <= symbol <= "~" for symbol in alphabet)


@contextmanager
def single_keys() -> Iterator[Callable[[], str]]:
    """A function that waits for one key and gives its character; nothing for keys that write none, such as arrows.

    The terminal hands keys over one by one, and does not write them, as long as the block lasts.
    """
    import select
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)

    def key() -> str:
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        symbol = ""
        while not symbol:
            data = os.read(descriptor, 1)
            if not data:
                return _END
            symbol = decoder.decode(data)
        if symbol == "\x1b":  # the rest of an escape sequence is there at once
            while select.select([descriptor], [], [], 0.02)[0]:
                os.read(descriptor, 1)
            return ""
        return symbol

    try:
        tty.setcbreak(descriptor)
        yield key
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
