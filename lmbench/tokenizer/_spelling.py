"""What a word tokenizer leaves out, coded: the letters of unknown words, and the white space between words."""

from __future__ import annotations

import math
import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

_ORDER = 6
_MOST = 500_000  # characters of words that the speller learns from, the most frequent words first
_START, _END = " ", "\n"  # white space, which no word has
_CODE_POINTS = 0x110000
_SPACE = re.compile(r"(\s+)")
_SPACES = 29  # characters that str.isspace() says yes to


Gap = tuple[str, str, str]  # the character before, the white space, the character after; "" at a document's ends


def divided(piece: str, last: bool, left: str) -> tuple[list[str], list[Gap], str]:
    """(the words of `piece`, the gap before each, the character that the next piece follows).

    `left`: what this piece follows, "" where it begins a document. Where it ends one (`last`), one gap more.

    >>> divided("a  b\n", True, "")
    (['a', 'b'], [('', '', 'a'), ('a', '  ', 'b'), ('b', '\\n', '')], '')
    """
    parts = _SPACE.split(piece)
    words, spaces = (parts[2::2], parts[1::2]) if not parts[0] else (parts[0::2], ["", *parts[1::2]])
    if words and not words[-1]:
        words.pop()
    if len(spaces) == len(words):
        spaces.append("")
    edges = [left, *(word[-1] for word in words)]
    gaps = [(before, space, word[0]) for before, space, word in zip(edges, spaces, words, strict=False)]
    if not last:
        return words, gaps, edges[-1]
    return words, [*gaps, (edges[-1], spaces[-1], "")], ""


class Table:
    """Keys in the order in which they come, each distinct one with what it costs."""

    def __init__(self, cost: Callable[..., float]) -> None:
        self.costs: dict[tuple[str, ...], float] = {}
        self._numbers: dict[tuple[str, ...], int] = {}
        self._found = array("i")
        self._cost = cost

    def extend(self, keys: Iterable[tuple[str, ...]]) -> None:
        numbers, costs = self._numbers, self.costs
        for key in keys:
            number = numbers.get(key)
            if number is None:
                number = numbers[key] = len(numbers)
                costs[key] = self._cost(*key)
            self._found.append(number)

    def array(self) -> NDArray[np.int32]:
        return np.array(self._found, dtype=np.int32)


class Speller:
    """p(word | it is unknown): characters by an interpolated Kneser-Ney model of order 6, and the word's end.

    After Mielke & Eisner 2019 (arXiv 1804.08205), who spell with a recurrent net. Each word counts as often as it
    occurs. p(c | h) = (max(a(hc) - D, 0) + D N1+(h.) p(c | h')) / a(h.) with D = n1 / (n1 + 2 n2) of each order, a the
    count at the highest order and at a word's beginning, else the number of distinct characters before. Below order 1
    the characters of these words, the end and any other character are equally likely, and any other is one of
    1,114,112 code points. Strings that are words of the vocabulary have a share too, so that the sum over unknown
    words is a little below one.

    Worked example: the word "a" alone, order 1: a("a") = a(end) = 1, D = 1/2: p("a") = p(end) = (1/2 + 1/3) / 2 = 5/12,
    so that "a" has 25/144.
    """

    def __init__(self, words: Mapping[str, int], order: int = _ORDER) -> None:
        self.words: dict[str, int] = {}
        held = 0
        for word, count in sorted(words.items(), key=lambda item: (-item[1], item[0])):
            held += len(word)
            if held > _MOST and self.words:
                break
            self.words[word] = count
        self.order = order
        self._known: dict[str, float] = {}

    @cached_property
    def _levels(self) -> list[tuple[float, dict[str, tuple[dict[str, int], int]]]]:
        """Of each order: the discount, and for each context its continuations' counts and their sum."""
        raw: list[dict[str, Counter[str]]] = [defaultdict(Counter) for _ in range(self.order)]
        for word, count in self.words.items():
            text = _START + word + _END
            for at in range(1, len(text)):
                for length in range(min(self.order, at + 1)):
                    raw[length][text[at - length : at]][text[at]] += count
        for length in range(self.order - 1):  # continuation counts, but at a word's beginning
            fewer: dict[str, Counter[str]] = defaultdict(Counter)
            for context, after in raw[length + 1].items():
                for character in after:
                    fewer[context[1:]][character] += 1
            raw[length].update(fewer)
        return [(_discount(level), {h: (dict(after), after.total()) for h, after in level.items()}) for level in raw]

    @cached_property
    def _alphabet(self) -> set[str]:
        return {_END}.union(*self.words)

    def log_prob(self, word: str) -> float:
        """Nats: ln p of the word's characters and its end; finite for any word."""
        found = self._known.get(word)
        if found is None:
            text = _START + word + _END
            found = self._known[word] = sum(math.log(self._prob(text, at)) for at in range(1, len(text)))
        return found

    def _prob(self, text: str, at: int) -> float:
        character = text[at]
        prob = 1 / (len(self._alphabet) + 1)
        if character not in self._alphabet:
            prob /= _CODE_POINTS
        for length, (discount, contexts) in enumerate(self._levels[: at + 1]):
            found = contexts.get(text[at - length : at])
            if found is None:
                break
            after, total = found
            kept = max(after.get(character, 0) - discount, 0.0)
            prob = (kept + discount * len(after) * prob) / total
        return prob


def _discount(level: Mapping[str, Counter[str]]) -> float:
    numbers = Counter(count for after in level.values() for count in after.values())
    once, twice = numbers[1], numbers[2]
    return once / (once + 2 * twice) if once and twice else 0.5


class Gaps:
    """p(white space | the last character before it and the first one after it), by Witten-Bell interpolation.

    "" stands for a document's beginning or end. p(g | l, r) = (c(lgr) + N1+(l.r) p(g | r)) / (c(l.r) + N1+(l.r)), and
    so on to p(g | r), p(g) and, below that, any string of white space: (1/2)^(n+1) (1/29)^n for one of n characters.
    The word after it is known first: its id tells whether it begins with a capital, as lines of verse do.
    """

    def __init__(self, counts: Mapping[tuple[str, str, str], int]) -> None:
        self.counts = dict(counts)

    @cached_property
    def _levels(self) -> list[dict[str, Counter[str]]]:
        levels: list[dict[str, Counter[str]]] = [defaultdict(Counter) for _ in range(3)]
        for (left, gap, right), count in self.counts.items():
            for level, context in zip(levels, ("", f"{right} ", f"{right} {left}"), strict=True):
                level[context][gap] += count
        return levels

    def log_prob(self, left: str, gap: str, right: str) -> float:
        """Nats, finite for any string of white space."""
        prob = 0.5 ** (len(gap) + 1) / _SPACES ** len(gap) if len(gap) < 200 else 0.0
        tiny = -(len(gap) + 1) * math.log(2) - len(gap) * math.log(_SPACES)
        share = 1.0
        for level, context in zip(self._levels, ("", f"{right} ", f"{right} {left}"), strict=True):
            after = level.get(context)
            if after:
                below = len(after) / (after.total() + len(after))
                share *= below
                prob = below * prob + after[gap] / (after.total() + len(after))
        return math.log(prob) if prob > 0 else tiny + math.log(share)
