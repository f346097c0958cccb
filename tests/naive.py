"""The slow, obvious way to count: what the fast one is held against."""

from __future__ import annotations

from collections import Counter, defaultdict

from lmbench.tokens import Tokens

Gram = tuple[int, ...]


def grams(tokens: Tokens, order: int) -> list[Counter[Gram]]:
    """{n-gram: count} of each order 1 .. order, each document begun by the end-of-text id."""
    end = tokens.vocabulary.end_of_text
    counters: list[Counter[Gram]] = [Counter() for _ in range(order)]
    for index in range(len(tokens.documents)):
        document = [end, *tokens.document(index).tolist()]
        for k in range(1, order + 1):
            start = 1 if k == 1 else 0
            for at in range(start, len(document) - k + 1):
                counters[k - 1][tuple(document[at : at + k])] += 1
    return counters


def continuations(counters: list[Counter[Gram]], end: int) -> list[dict[Gram, int]]:
    """{n-gram: distinct left neighbours} of every order but the highest; document-initial ones keep their count."""
    found: list[dict[Gram, int]] = []
    for k in range(1, len(counters)):
        left: dict[Gram, set[int]] = defaultdict(set)
        for gram in counters[k]:
            left[gram[1:]].add(gram[0])
        adjusted = {gram: len(left[gram]) for gram in counters[k - 1]}
        if k > 1:
            adjusted |= {gram: count for gram, count in counters[k - 1].items() if gram[0] == end}
        found.append(adjusted)
    return found


def modified_kneser_ney(tokens: Tokens, order: int, discounts: list[list[float]]):
    """p(w | context) by the textbook recursion, on dictionaries."""
    end = tokens.vocabulary.end_of_text
    raw = grams(tokens, order)
    adjusted: list[dict[Gram, int]] = [*continuations(raw, end), dict(raw[-1])]

    def p(word: int, context: Gram) -> float:
        if context == ("below",):
            return 1.0 / len(tokens.vocabulary)
        k = len(context) + 1
        table = adjusted[k - 1]
        continued = {gram: count for gram, count in table.items() if gram[:-1] == context}
        lower = ("below",) if k == 1 else context[1:]
        if not continued:
            return p(word, lower)
        d = [0.0, *discounts[k - 1]]
        total = sum(continued.values())
        own = table.get((*context, word), 0)
        spent = sum(d[min(count, 3)] for count in continued.values())
        return (own - d[min(own, 3)]) / total + spent / total * p(word, lower)

    return p
