"""Passages that stand in two texts, or twice in one: how much of held-out text the training text holds.

A passage is `length` characters in a row within one document; where documents are lines, their newlines are characters
and a passage may go over the ends of lines. All is linear in the texts (see `passages` for the fingerprints).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lmbench.corpus.passages import Prints, code_points, fingerprints
from lmbench.corpus.split import Splits
from lmbench.corpus.text import Text, character_starts
from lmbench.errors import LmbenchError

LENGTHS = (50, 100)  # characters of a passage
SHORTEST = LENGTHS[0]
_BATCH = 1 << 22  # bytes of text looked at together
_SHOWN = 60  # characters of a passage that are shown

Ints = NDArray[np.int64]
Marks = NDArray[np.bool_]


@dataclass(frozen=True)
class Leakage:
    """What of a held-out text the training text holds word for word.

    `shares`: by length, the share of the characters in passages so long that training holds. `longest`: (characters,
    beginning) of the stretches of the text that consist of the shortest such passages, the longest first, those that
    begin alike once; of white space one blank is shown. `marks`: [characters], which stand in the shortest such ones.
    """

    shares: dict[int, float]
    longest: list[tuple[int, str]]
    marks: Marks


def leakage(train: Sequence[Text], parts: Sequence[Text], most: int = 3) -> list[Leakage]:
    """What of each of `parts` the texts `train` together hold."""
    by_length = {length: shared(train, parts, length) for length in LENGTHS}
    return [
        Leakage(
            {length: float(marks[at].mean()) if len(marks[at]) else 0.0 for length, marks in by_length.items()},
            _longest(part, by_length[SHORTEST][at], most),
            by_length[SHORTEST][at],
        )
        for at, part in enumerate(parts)
    ]


def shared(train: Sequence[Text], parts: Sequence[Text], length: int) -> list[Marks]:
    """For each of `parts` [characters]: which stand in a passage of `length` characters that `train` holds too."""
    known = _Known(_prints(parts, length))
    met = np.zeros(len(known.prints), dtype=np.bool_)
    for _, prints in _windows(train, length) if len(known.prints) else ():
        met[known.find(prints)[1]] = True
    found = _Known(known.prints[met])
    return [_marks(part, found, length) for part in parts]


def repeated(texts: Sequence[Text], length: int) -> float:
    """The share of the characters of `texts` in passages of `length` that stand in them in two places or more."""
    prints = np.sort(_prints(texts, length))
    twice = _Known(prints[1:][prints[1:] == prints[:-1]])
    marks = [_marks(text, twice, length) for text in texts]
    characters = sum(map(len, marks))
    return sum(int(each.sum()) for each in marks) / characters if characters else 0.0


def deduplicated(splits: Splits, name: str = "the text") -> Splits:
    """`splits` whose training text shares no passage of 50 characters with validation and test, which stay as they are.

    The passages are cut out of the training text; what is left on both sides becomes a document of its own, and is
    dropped too where it is shorter than 50 characters. Where documents are lines, a line that holds a part of such a
    passage is dropped whole. Where validation text trains in the end (`refit`), it is cut by the test text likewise.
    `rule` says what was done. Raises LmbenchError where nothing would be left to train or to validate on.
    """
    train, gone = _without(splits.train, [splits.valid, splits.test])
    valid, gone_valid = _without(splits.valid, [splits.test]) if splits.refit else (splits.valid, 0)
    for part, text in (("training", train), ("validation", valid)):
        if not text.bytes:
            raise LmbenchError(
                f"{name}: all of its {part} text stands in the text held out, so that --deduplicate leaves nothing; "
                "give a test text that is another one"
            )
    lines = "lines that hold a part of passages" if splits.train.lines else "passages"
    done = f"{lines} of {SHORTEST} characters and more that validation or test hold are dropped from the training text"
    done += f": {gone:,} of its {splits.train.characters:,} characters"
    if gone_valid:
        done += f", and {gone_valid:,} characters that the test holds from the validation text, which trains too"
    return replace(splits, train=train, valid=valid, rule=f"{splits.rule}; {done}")


def by_byte(text: Text, marks: Marks) -> Marks:
    """[bytes] of the text, the newlines of lines included, from a mark for each character."""
    sizes = [np.diff(np.flatnonzero(character_starts(piece)), append=len(piece)) for piece, _ in _batches([text])]
    return np.repeat(marks, np.concatenate([*sizes, np.zeros(0, np.int64)]))


def _without(text: Text, held: Sequence[Text]) -> tuple[Text, int]:
    """`text` without what stands in passages of `held`, and how many characters went."""
    before, known = text.characters, _Known(_prints(held, SHORTEST))
    while (marks := _marks(text, known, SHORTEST)).any():  # lines that have become neighbours may make a passage
        text = _cut(text, marks)
    return text, before - text.characters


def _cut(text: Text, marks: Marks) -> Text:
    bounds = np.concatenate([[0], np.cumsum(text.document_characters)])
    hit = np.diff(np.concatenate([[0], np.cumsum(marks)])[bounds]) > 0
    if text.lines:
        return Text(text.data, text.starts[~hit], text.ends[~hit], lines=True)
    spans: list[Ints] = []
    for document in np.flatnonzero(hit).tolist():
        start, end = int(text.starts[document]), int(text.ends[document])
        places = np.append(np.flatnonzero(character_starts(text.data[start:end])) + start, end)
        free = _stretches(~marks[bounds[document] : bounds[document + 1]])
        spans.append(places[free[free[:, 1] - free[:, 0] >= SHORTEST]])
    whole = np.stack([text.starts[~hit], text.ends[~hit]], axis=1)
    kept = np.concatenate([whole, *spans])
    kept = kept[np.argsort(kept[:, 0], kind="stable")]
    return Text(text.data, np.ascontiguousarray(kept[:, 0]), np.ascontiguousarray(kept[:, 1]))


class _Known:
    """A set of prints that many others are looked up in."""

    def __init__(self, prints: Prints) -> None:
        self.prints = np.unique(prints)
        size = 1 << min(27, max(10, (16 * len(self.prints)).bit_length()))
        self._mask = np.uint64(size - 1)
        self._seen = np.zeros(size, dtype=np.bool_)  # by the lowest bits: passes over nearly all that is not known
        self._seen[self.prints & self._mask] = True

    def find(self, prints: Prints) -> tuple[Ints, Ints]:
        """Which of `prints` are known, and as which of the known ones."""
        likely = np.flatnonzero(self._seen[prints & self._mask])
        at = np.searchsorted(self.prints, prints[likely])
        at[at == len(self.prints)] = 0
        hit = self.prints[at] == prints[likely] if len(self.prints) else np.zeros(0, dtype=np.bool_)
        return likely[hit], at[hit]


def _marks(text: Text, known: _Known, length: int) -> Marks:
    """[characters] which stand in a window of `length` that is known."""
    change = np.zeros(text.characters + 1, dtype=np.int8)
    for starts, prints in _windows([text], length) if len(known.prints) else ():
        hits = starts[known.find(prints)[0]]
        change[hits] += 1
        change[hits + length] -= 1
    marks: Marks = np.cumsum(change[:-1], dtype=np.int32) > 0
    return marks


def _prints(texts: Sequence[Text], length: int) -> Prints:
    return np.concatenate([*(prints for _, prints in _windows(texts, length)), np.zeros(0, np.uint64)])


def _windows(texts: Sequence[Text], length: int) -> Iterator[tuple[Ints, Prints]]:
    """Where the windows of `length` characters begin in each of the texts, in characters, and their prints."""
    for text in texts:
        points, last, at = np.zeros(0, np.uint32), np.zeros(0, np.bool_), 0
        for piece, ends in _batches([text]):
            more = code_points(piece.tobytes().decode("utf-8"))
            ended = np.zeros(len(more), dtype=np.bool_)
            ended[np.cumsum(character_starts(piece))[ends - 1] - 1] = True
            points, last = np.concatenate([points, more]), np.concatenate([last, ended])
            prints = fingerprints(points, length)
            before = np.concatenate([[0], np.cumsum(last)])
            starts = np.flatnonzero(before[length - 1 : length - 1 + len(prints)] == before[: len(prints)])
            yield at + starts, prints[starts]
            at, points, last = at + len(prints), points[len(prints) :], last[len(prints) :]


def _batches(texts: Iterable[Text]) -> Iterator[tuple[NDArray[np.uint8], Ints]]:
    """The bytes of the texts one document after the other, lines with their newlines, cut between characters; and
    after which of them documents end that are no lines."""
    newline = np.frombuffer(b"\n", dtype=np.uint8)
    for text in texts:
        pieces: list[NDArray[np.uint8]] = []
        ends: list[int] = []
        filled = 0
        for start, end in zip(text.starts.tolist(), text.ends.tolist(), strict=True):
            for low, high in pairwise(_cuts(text, start, end)):
                pieces.append(text.data[low:high])
                filled += high - low
                if high == end and not text.lines:
                    ends.append(filled)
                if high == end and text.lines:
                    pieces.append(newline)
                    filled += 1
                if filled >= _BATCH:
                    yield np.concatenate(pieces), np.array(ends, dtype=np.int64)
                    pieces, ends, filled = [], [], 0
        if filled:
            yield np.concatenate(pieces), np.array(ends, dtype=np.int64)


def _cuts(text: Text, start: int, end: int) -> list[int]:
    """Places between characters from `start` to `end`, at most about a batch apart."""
    cuts = [start]
    for at in range(start + _BATCH, end, _BATCH):
        place = at
        while place < end and text.data[place] & 0xC0 == 0x80:
            place += 1
        cuts.append(place)
    return [*cuts, end] if cuts[-1] < end or (text.lines and start == end) else cuts


def _stretches(marks: Marks, begins: Ints | None = None) -> Ints:
    """[k, 2] where runs of marks begin and end; one ends, too, before each place where a document begins."""
    first = np.zeros(len(marks) + 1, dtype=np.bool_)
    first[[0, len(marks)]] = True
    first[begins if begins is not None else []] = True
    padded = np.concatenate([[False], marks, [False]])
    starts = np.flatnonzero(padded[1:-1] & (~padded[:-2] | first[:-1]))
    ends = np.flatnonzero(padded[1:-1] & (~padded[2:] | first[1:])) + 1
    return np.stack([starts, ends], axis=1)


def _longest(text: Text, marks: Marks, most: int) -> list[tuple[int, str]]:
    ends = np.cumsum(text.document_characters)
    found = _stretches(marks, None if text.lines else ends)
    found = found[np.argsort(found[:, 0] - found[:, 1], kind="stable")[: 10 * most]]
    each = {_beginning(text, ends, start, stop): stop - start for start, stop in found[::-1].tolist()}
    return sorted(((length, beginning) for beginning, length in each.items()), key=lambda one: -one[0])[:most]


def _beginning(text: Text, ends: Ints, start: int, stop: int) -> str:
    """The characters from `start` to `stop`, shortened."""
    document = int(np.searchsorted(ends, start, "right"))
    skipped = start - (int(ends[document - 1]) if document else 0)
    piece, wanted = "", min(stop - start, 2 * _SHOWN)
    while len(piece) < skipped + wanted:
        piece += text.document(document) + ("\n" if text.lines else "")
        document += 1
    shown = " ".join(piece[skipped : skipped + wanted].split())
    return shown if len(shown) <= _SHOWN and wanted == stop - start else f"{shown[:_SHOWN]}…"
