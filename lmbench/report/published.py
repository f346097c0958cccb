"""Published figures for the entropy of English, in bits per character."""

from __future__ import annotations

from dataclasses import dataclass

from lmbench.record import Record

ENGLISH_WORDS = ("the", "of", "and", "to", "a", "in", "that", "is", "i", "it")
SHARE = "english_function_words"  # the key of a corpus card that holds `english_share`
_LEAST_SHARE = 0.1  # of all words; English prose has about a quarter, other languages hardly any


@dataclass(frozen=True)
class Published:
    """A range in bits per character, `low` = `high` for a single figure; `about`: how it was come by."""

    source: str
    low: float
    high: float
    about: str


SHANNON = Published("Shannon 1951", 0.6, 1.3, "people guess letters, 100 known; 27 symbols")
COVER_KING = Published("Cover & King 1978", 1.3, 1.3, "people bet on letters, “approximately 1.3”; 27 symbols")
PUBLISHED = (
    SHANNON,
    COVER_KING,
    Published("Brown et al. 1992", 1.75, 1.75, "word trigram model, upper bound"),
)


def english_share(text: str) -> float:
    """The share of `ENGLISH_WORDS` among the words of `text`; 0 where it has none."""
    words = text.lower().split()
    return sum(word in ENGLISH_WORDS for word in words) / max(1, len(words))


def looks_english(record: Record) -> bool:
    """Whether the text was found to be English by `english_share`, which panels and games leave in the card."""
    share = record.card.corpus_card.get(SHARE)
    return isinstance(share, float) and share >= _LEAST_SHARE
