"""Katz back-off as `ngram-count` without options estimates it, on dictionaries, one context after another.

Written from the description in SRILM's manual (ngram-discount(7), ngram-count(1)): the slow reference for
`good_turing(cutoffs=srilm)`. A discount above 1, which SRILM lets pass, is 1 in both.
"""

from __future__ import annotations

from collections import Counter, defaultdict

LEAST = {1: 1, 2: 1}  # -gtNmin; 2 for all higher orders
MOST = {1: 1}  # -gtNmax; 7 for all higher orders
LEFT = 3e-6  # what a context leaves for the unseen at the least

Ngram = tuple[int, ...]


class Katz:
    """`probs[h][w]` and `weights[h]` of the contexts h of up to order - 1 tokens; `size`: tokens there are."""

    def __init__(self, documents: list[list[int]], end: int, size: int, order: int) -> None:
        self.size = size
        self.probs: dict[Ngram, dict[int, float]] = {}
        self.weights: dict[Ngram, float] = {}
        for length in range(1, order + 1):
            self._estimate(length, _counts(documents, end, length))

    def _estimate(self, length: int, counts: dict[Ngram, Counter[int]]) -> None:
        factors = _discounts([count for after in counts.values() for count in after.values()], MOST.get(length, 7))
        for context, after in counts.items():
            total = after.total()
            kept = {
                word: count * factors.get(count, 1.0) for word, count in after.items() if count >= LEAST.get(length, 2)
            }
            while sum(kept.values()) / total > 1 - LEFT and len(after) < self.size:
                total += 1
            if not kept:
                continue
            found = {word: amount / total for word, amount in kept.items()}
            left = 1 - sum(found.values())
            if not context:
                unseen = [word for word in range(self.size) if word not in found]
                found |= {word: left / len(unseen) for word in unseen}
            elif len(found) == self.size:
                found = {word: prob / (1 - left) for word, prob in found.items()}
            else:
                lower = 1 - sum(self.prob(context[1:], word) for word in found)
                self.weights[context] = left / lower
            self.probs[context] = found

    def prob(self, context: Ngram, word: int) -> float:
        if word in self.probs.get(context, {}):
            return self.probs[context][word]
        return self.weights.get(context, 1.0) * self.prob(context[1:], word)


def _counts(documents: list[list[int]], end: int, length: int) -> dict[Ngram, Counter[int]]:
    counts: dict[Ngram, Counter[int]] = defaultdict(Counter)
    for document in documents:
        text = [end, *document, end]
        for at in range(max(1, length - 1), len(text)):
            counts[tuple(text[at - length + 1 : at])][text[at]] += 1
    return counts


def _discounts(counts: list[int], most: int) -> dict[int, float]:
    number = Counter(counts)
    while most and not (number[1] and number[most + 1]):
        most -= 1
    factors = {}
    for r in range(1, most + 1):
        common = (most + 1) * number[most + 1] / number[1]
        ratio = (r + 1) * number[r + 1] / (r * number[r]) if number[r] else 2.0
        factor = (ratio - common) / (1 - common) if common != 1 else 0.0
        factors[r] = factor if LEFT < factor < 1 and ratio <= 1 else 1.0
    return factors
