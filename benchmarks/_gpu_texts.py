"""The texts of the stages of gpu.py: given ones, and made-up ones for what needs no real text."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def text_of(seed: int, documents: int) -> Any:
    """Documents of 40 to 400 letters, each letter followed by one of two."""
    import numpy as np

    from lmbench.tokens import Vocabulary, tokens_of

    generator = np.random.default_rng(seed)
    found = []
    for length in generator.integers(40, 400, documents).tolist():
        letters, last = [], 0
        for turn in generator.integers(0, 2, length).tolist():
            last = (2 * last + turn) % 23
            letters.append(last)
        found.append(letters)
    return tokens_of(found, Vocabulary((*(bytes([97 + index]) for index in range(23)), b""), 23))


def file_of(path: str | None) -> Path:
    """The text, or in a rehearsal without one a made-up text."""
    if path is not None:
        return Path(path)
    made = Path(tempfile.mkdtemp()) / "made-up.txt"
    tokens = text_of(5, 60)
    made.write_bytes(b"\n".join(tokens.vocabulary.decode(tokens.document(index)[:-1]) for index in range(60)) + b"\n")
    return made


@contextmanager
def texts_of(args: argparse.Namespace) -> Iterator[list[Path]]:
    """Train, valid and test of --books; in a rehearsal, made-up ones."""
    if args.books is None:
        yield [file_of(None) for _ in range(3)]
        return
    yield [next(Path(args.books).glob(f"{part}.*")) for part in ("train", "valid", "test")]
