"""Spans spread through a text that has too few documents to draw from."""

from __future__ import annotations

import numpy as np

from lmbench.corpus.split_places import Places, cut
from lmbench.corpus.text import Text

_SHORTEST = 4_000  # characters of a span: about 1,000 tokens, of which the first few have too little before them
_MOST = 20  # spans of a part
_MOVES = 400  # bytes that a cut moves at most


def spread(text: Text, shares: list[float]) -> list[Text]:
    """Training text first, then a part for each of `shares`, each of `number_of_spans` pieces.

    The text is taken as so many stretches of equal length, and each gives a span to each part: with validation and
    test, a quarter of its training text, validation, half of its training text, test, the last quarter. A cut moves to
    the nearest boundary of documents, else to the nearest end of a paragraph, of a line, or of a word, by at most 400
    bytes and a tenth of a span. Every piece is a document of its own; `sources` says of which document it is a piece.
    """
    count = number_of_spans(text, shares)
    kept = (1 - sum(shares)) / len(shares)
    bounds = np.cumsum([kept / 2, *[length for share in shares for length in (share, kept)]])[:-1] / count
    at = (np.arange(count)[:, None] / count + bounds).ravel()
    shortest = min(*shares, kept) / count * text.characters
    moves = min(_MOVES, int(shortest / 10))
    pieces = cut(text, Places(text).of(at.tolist(), moves / max(1, text.characters), moves))
    parts = [pieces[::2], *(pieces[2 * index + 1 :: 2 * len(shares)] for index in range(len(shares)))]
    return [_joined(part, text) for part in parts]


def number_of_spans(text: Text, shares: list[float]) -> int:
    """As many as have 4,000 characters each in the smallest part, and from 1 to 20.

    More of them stand for the whole text better; each begins without a context, and has neighbours in training.
    """
    return int(min(_MOST, max(1, min(shares, default=0.0) * text.characters // _SHORTEST)))


def _joined(pieces: list[Text], text: Text) -> Text:
    starts, ends = ([getattr(piece, name) for piece in pieces] for name in ("starts", "ends"))
    begins = np.concatenate(starts)
    sources = np.searchsorted(text.starts, begins, side="right") - 1
    several = len(np.unique(sources)) < len(sources)
    return Text(text.data, begins, np.concatenate(ends), text.lines, sources if several else None)
