"""Where a text is cut: from a number of characters to a document and an offset in it."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lmbench.corpus.text import WINDOW, Text, character_starts
from lmbench.errors import LmbenchError

_TOLERANCE = 0.01  # of the whole text: how far a cut at the end moves to fall between two documents
_BREAKS = (rb"\n[ \t\r]*\n+", rb"\n", rb"[ \t]+")  # after which a cut falls, the best first

Place = tuple[int, int]  # a document, and a byte offset


def cut_at_end(text: Text, shares: list[float]) -> list[Text]:
    """The last parts of the text, `shares` of its characters, in order; what is before them trains.

    A cut moves to the nearest boundary between documents where there is one within 1 % of the text, and falls
    inside a document, between two characters, otherwise.
    """
    kept = 1 - sum(shares)
    bounds = np.cumsum([kept, *shares[:-1]]).tolist()
    # Where the parts themselves are as small as the tolerance, two cuts must not move to one place.
    smallest = min((then - before for before, then in pairwise([0.0, *bounds, 1.0])), default=1.0)
    tolerance = min(_TOLERANCE, smallest / 4)
    return cut(text, Places(text).of(bounds, tolerance, inside=0))


class Places:
    """Finds the places of many cuts in one reading of the text."""

    def __init__(self, text: Text) -> None:
        self.text = text
        self._after = np.cumsum(text.document_characters)
        self._windows: dict[int, NDArray[np.int64]] = {}

    def of(self, bounds: list[float], tolerance: float, inside: int) -> list[Place]:
        """The places of cuts at the fractions `bounds` of the characters.

        `tolerance`: the fraction of the text within which a cut moves to the nearest boundary between documents;
        `inside`: the bytes within which one in a document moves to a break between paragraphs, else lines, else words.
        """
        total = int(self._after[-1]) if len(self._after) else 0
        return [self._of(int(round(total * bound, 6)), tolerance * total, inside) for bound in bounds]

    def _of(self, target: int, tolerance: float, inside: int) -> Place:
        # int(round(x, 6)): 1 - (0.1 + 0.2) + 0.1 is a hair less than 0.8, and the count must not fall by one for it
        text, between = self.text, self._after[:-1]
        at = int(np.searchsorted(between, target))
        near = [index for index in (at - 1, at) if 0 <= index < len(between)]
        nearest = min(near, key=lambda index: abs(int(between[index]) - target), default=None)
        if nearest is not None and abs(int(between[nearest]) - target) <= tolerance:
            return nearest + 1, int(text.starts[nearest + 1])
        document = int(np.searchsorted(self._after, target, "right"))
        if document == len(self._after):
            return document, int(text.ends[-1])
        offset = self._offset(document, target - (int(self._after[document - 1]) if document else 0))
        return document, _at_break(text, document, offset, inside)

    def _offset(self, document: int, character: int) -> int:
        """The byte at which the character with this number begins; the document's end where there is none."""
        start, end = int(self.text.starts[document]), int(self.text.ends[document])
        data = self.text.data
        if document not in self._windows:
            counts = [
                np.count_nonzero(character_starts(data[at : min(at + WINDOW, end)])) for at in range(start, end, WINDOW)
            ]
            self._windows[document] = np.cumsum(counts, dtype=np.int64)
        window = int(np.searchsorted(self._windows[document], character, "right"))
        if window == len(self._windows[document]):
            return end
        before = int(self._windows[document][window - 1]) if window else 0
        at = start + window * WINDOW
        return at + int(np.flatnonzero(character_starts(data[at : min(at + WINDOW, end)]))[character - before])


def _at_break(text: Text, document: int, offset: int, inside: int) -> int:
    low = max(int(text.starts[document]), offset - inside)
    high = min(int(text.ends[document]), offset + inside)
    around = text.data[low:high].tobytes()
    for pattern in _BREAKS:
        found = [low + match.end() for match in re.finditer(pattern, around) if match.end() < len(around)]
        if found:
            return min(found, key=lambda place: abs(place - offset))
    return offset


def cut(text: Text, places: list[Place]) -> list[Text]:
    """The pieces between the places; a document that is cut ends there, and goes on as one of the next piece.

    Raises LmbenchError where the places are not in order, which is where the text is too short for them.
    """
    if any(later < earlier for (_, earlier), (_, later) in pairwise(places)):
        raise LmbenchError("the text is too short for this split; give a longer one, or separate texts")
    parts: list[Text] = []
    edges = [(0, int(text.starts[0]) if len(text.starts) else 0), *places]
    edges.append((len(text.starts), int(text.ends[-1]) if len(text.ends) else 0))
    for (first, begin), (last, end) in pairwise(edges):
        starts = np.maximum(text.starts[first : last + 1], begin)
        ends = np.minimum(text.ends[first : last + 1], end)
        keep = ends > starts
        parts.append(Text(text.data, starts[keep], ends[keep], text.lines))
    return parts
