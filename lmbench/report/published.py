"""Published figures for the entropy of English, in bits per character."""

from __future__ import annotations

from dataclasses import dataclass

from lmbench.record import Record

ENGLISH_WORDS = ("the", "of", "and", "to", "a", "in", "that", "is", "i", "it")
_LEAST_SHARE = 0.1  # of all words; English prose has about a quarter, other languages hardly any


@dataclass(frozen=True)
class Published:
    """A range in bits per character, `low` = `high` for a single figure; `about`: how it was come by."""

    source: str
    low: float
    high: float
    about: str


PUBLISHED = (
    Published("Shannon 1951", 0.6, 1.3, "people guess letters, 100 known; 27 symbols"),
    Published("Cover & King 1978", 1.3, 1.3, "people bet on letters, “approximately 1.3”; 27 symbols"),
    Published("Brown et al. 1992", 1.75, 1.75, "word trigram model, upper bound"),
)


def looks_english(record: Record) -> bool:
    """Whether the text of a panel was found to be English, by how many of its words are `ENGLISH_WORDS`."""
    share = record.card.corpus_card.get("english_function_words")
    return isinstance(share, float) and share >= _LEAST_SHARE
