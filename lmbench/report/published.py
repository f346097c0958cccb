"""Published figures, in bits per character: for the entropy of English, and for texts that a manifest knows."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pydantic import JsonValue

from lmbench.record import Record

ENGLISH_WORDS = ("the", "of", "and", "to", "a", "in", "that", "is", "i", "it")
SHARE = "english_function_words"  # the key of a corpus card that holds `english_share`
OF_THIS_TEXT = "published for this text"
ELSEWHERE = "published for other English texts"
_MOST = 1e3  # bits per character of a figure that can be drawn
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
    """Whether the text was found to be English by `english_share`, which the card has."""
    share = record.card.corpus_card.get(SHARE)
    return isinstance(share, float) and share >= _LEAST_SHARE


def published_of(record: Record) -> list[tuple[str, list[Published]]]:
    """(heading, figures) of what others have published: for the very text, as its manifest says, and for English."""
    found = [_of_text(each, record) for each in _entries(record)]
    own = [each for each in found if each is not None]
    groups = [(OF_THIS_TEXT, own)] if own else []
    return groups + ([(ELSEWHERE, [*PUBLISHED])] if looks_english(record) else [])


def _entries(record: Record) -> list[JsonValue]:
    found = record.card.corpus_card.get("published")
    return found if isinstance(found, list) else []


def _of_text(entry: JsonValue, record: Record) -> Published | None:
    """In bits per character of the test text; None where the entry, which may be a stranger's, is no such figure."""
    if not isinstance(entry, dict):
        return None
    value, test = entry.get("value"), record.card.test
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < _MOST:
        return None
    scales = {
        "bits/character": 1.0,
        "nats/character": 1 / math.log(2),
        "bits/byte": test.bytes / max(1, test.characters),
    }
    unit = str(entry.get("unit"))
    if unit not in scales:
        return None
    name, source, about = (str(entry.get(key, "")) for key in ("model", "source", "about"))
    bits = value * scales[unit]
    return Published(f"{name} ({source})", bits, bits, f"{value:g} {unit}, {about}")
