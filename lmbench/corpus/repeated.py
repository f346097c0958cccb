"""Held-out text that trains too: the same file, the same text, or whole documents of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lmbench.corpus.text import Text


class Repeated(NamedTuple):
    """Shares of a text's documents, and of its characters, that are documents which stand whole in another text."""

    documents: float
    characters: float


def repeated(train: Sequence[Text], part: Text) -> Repeated:
    """What of `part` stands whole, as a document, in one of the texts `train`, by the SHA-256 of its bytes.

    Of `train` only documents as long as one of `part` are read.
    """
    own = list(_hashes(part, range(len(part.starts))))
    if not own:
        return Repeated(0.0, 0.0)
    wanted, sizes = set(own), np.unique(part.ends - part.starts)
    found = set[bytes]()
    for text in train:
        likely = np.flatnonzero(np.isin(text.ends - text.starts, sizes))
        found.update(digest for digest in _hashes(text, likely.tolist()) if digest in wanted)
    hit = np.array([digest in found for digest in own])
    characters = part.document_characters
    return Repeated(float(hit.mean()), float(characters[hit].sum() / max(1, int(characters.sum()))))


def _hashes(text: Text, documents: Iterable[int]) -> Iterator[bytes]:
    for at in documents:
        yield hashlib.sha256(text.data[text.starts[at] : text.ends[at]].tobytes()).digest()


def holds(source: str, other: str) -> bool:
    """Whether `other` is the file `source`, by whatever name or link, or lies in the folder `source`."""
    outer, inner = Path(source), Path(other)
    try:
        return outer.samefile(inner) or (outer.is_dir() and inner.resolve().is_relative_to(outer.resolve()))
    except (OSError, ValueError):  # one of them is no file
        return False
