"""An ARPA file the slow, obvious way: a dictionary, and the textbook recursion on it."""

from __future__ import annotations

import math

Gram = tuple[str, ...]


class NaiveArpa:
    """Reads plain text of an ARPA file; probabilities, not logarithms."""

    def __init__(self, text: str) -> None:
        self.probs: dict[Gram, float] = {}
        self.backoffs: dict[Gram, float] = {}
        order = 0
        for line in text.splitlines():
            if line.startswith("\\"):
                order = int(line[1:].split("-")[0]) if line.endswith("-grams:") else 0
            elif order and line.strip():
                fields = line.split()
                gram = tuple(fields[1 : order + 1])
                self.probs[gram] = value(fields[0])
                self.backoffs[gram] = value(fields[order + 1]) if len(fields) > order + 1 else 1.0
        self.words = [gram[0] for gram in self.probs if len(gram) == 1]
        self.order = max(map(len, self.probs))

    def p(self, word: str, context: Gram) -> float:
        """p(word | context); a word or context that the file has not is <unk>."""
        known = tuple(item if (item,) in self.probs else "<unk>" for item in context)
        return self._p(word if (word,) in self.probs else "<unk>", known[max(0, len(known) - self.order + 1) :])

    def _p(self, word: str, context: Gram) -> float:
        if (*context, word) in self.probs:
            return self.probs[*context, word]
        return self.backoffs.get(context, 1.0) * self._p(word, context[1:]) if context else 0.0


def value(log10: str) -> float:
    return 0.0 if float(log10) <= -99 else math.pow(10, float(log10))
