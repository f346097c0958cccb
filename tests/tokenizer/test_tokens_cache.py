from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lmbench.corpus.split import Splits, split
from lmbench.corpus.text import text_of
from lmbench.progress import Silent
from lmbench.tokenizer import tokenizers
from lmbench.tokenizer._cache import encode_splits, encoded, trained
from lmbench.tokenizer.base import IdsWriter
from lmbench.tokens import Vocabulary


@pytest.fixture
def splits() -> Splits:
    return split(text_of(["the cat sat on the mat " * 20]), "80/10/10")


def test_splits_share_one_vocabulary_and_are_mapped(splits: Splits, tmp_path: Path) -> None:
    parts = encode_splits(trained("bpe(vocabulary=270)", splits.train, tmp_path), splits, tmp_path)
    assert len({id(part.vocabulary) for part in parts}) == 1
    assert all(isinstance(part.ids, np.memmap) for part in parts)
    assert [part.bytes for part in parts] == [splits.train.bytes, splits.valid.bytes, splits.test.bytes]


def test_the_second_time_nothing_is_encoded(splits: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = encode_splits(trained("char", splits.train, tmp_path), splits, tmp_path)

    def fail(*_: object) -> None:
        raise AssertionError("again")

    monkeypatch.setattr(tokenizers.load("char"), "train", fail)
    monkeypatch.setattr(tokenizers.load("char"), "encode", fail)
    again = encode_splits(trained("char", splits.train, tmp_path), splits, tmp_path)
    assert [part.hash for part in first] == [part.hash for part in again]


def test_another_text_or_tokenizer_is_another_entry(splits: Splits, tmp_path: Path) -> None:
    char, byte = tokenizers.make("char"), tokenizers.make("byte")
    char.train(splits.train, Silent())
    hashes = {
        encoded(tokenizer, part, tmp_path).hash for tokenizer in (char, byte) for part in (splits.train, splits.test)
    }
    lines = text_of(["the cat"], lines=True)
    hashes |= {encoded(byte, lines, tmp_path).hash, encoded(byte, text_of(["the cat"]), tmp_path).hash}
    assert len(hashes) == 6


@pytest.mark.parametrize("damage", [lambda data: data[:-3], lambda data: b"x" * len(data), lambda data: b""])
def test_damaged_entries_are_made_again(splits: Splits, tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    tokenizer = trained("bpe(vocabulary=270)", splits.train, tmp_path)
    before = encoded(tokenizer, splits.train, tmp_path).hash
    for name in ("ids.npy", "vocabulary.json", "documents.npy", "tokenizer.json"):
        for path in tmp_path.rglob(name):
            path.write_bytes(damage(path.read_bytes()))
        again = trained("bpe(vocabulary=270)", splits.train, tmp_path)
        assert encoded(again, splits.train, tmp_path).hash == before


def test_ids_of_many_writes_are_one_array(tmp_path: Path) -> None:
    vocabulary = Vocabulary((b"a", b"b", b""), 2)
    with IdsWriter(tmp_path, vocabulary) as writer:
        none = np.zeros(0, np.int64)
        writer.write(np.array([0, 1]), none)
        writer.write(np.array([1, 0, 0]), np.array([1, 1, 3]))
        writer.write(np.zeros(0, np.int64), np.array([0]))
        tokens = writer.finish()
    assert tokens.ids.tolist() == [0, 1, 1, 2, 2, 0, 0, 2, 2]
    assert tokens.documents.tolist() == [0, 4, 5, 8]
    assert tokens.ids.dtype == np.uint8
