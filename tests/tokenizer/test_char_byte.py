from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lmbench.corpus import open_source
from lmbench.corpus.split import split
from lmbench.corpus.text import text_of
from lmbench.progress import Silent
from lmbench.tokenizer import tokenizers
from lmbench.tokenizer._cache import encode_splits, trained


def test_bytes_by_hand() -> None:
    tokens = tokenizers.make("byte").encode(text_of(["ab", "", "é"]), None, Silent())
    assert tokens.ids.tolist() == [97, 98, 256, 256, 0xC3, 0xA9, 256]
    assert tokens.documents.tolist() == [0, 3, 4]
    assert tokens.ids.dtype == np.uint16
    assert len(tokens.vocabulary) == 257


def test_characters_by_hand() -> None:
    char = tokenizers.make("char").train(text_of(["ba", "猫a"]), Silent())
    # a, b, 猫 in order of their code points, the end, 256 bytes
    assert char.vocabulary.tokens[:5] == (b"a", b"b", "猫".encode(), b"", b"\0")
    assert len(char.vocabulary) == 3 + 1 + 256
    tokens = char.encode(text_of(["b猫", "é!", "a"]), None, Silent())
    assert tokens.ids.tolist() == [1, 2, 3, 4 + 0xC3, 4 + 0xA9, 4 + ord("!"), 3, 0, 3]
    assert tokens.documents.tolist() == [0, 3, 7]
    assert char.decode(np.array([4 + 0xC3, 0])) == "\ufffda"


def test_unknown_characters_by_hand() -> None:
    char = tokenizers.make("char(fallback=unknown)").train(text_of(["ab"], lines=True), Silent())
    assert char.vocabulary.tokens == (b"a", b"b", b"\n", b"<unk>")
    assert char.vocabulary.unknown == 3
    assert not char.lossless
    assert not char.vocabulary.lossless
    tokens = char.encode(text_of(["aéb"], lines=True), None, Silent())
    assert tokens.ids.tolist() == [0, 3, 1, 2]
    assert tokens.ids.dtype == np.uint8


@pytest.mark.parametrize("spec", ["byte", "char", "bpe(vocabulary=1000)"])
def test_soseki_comes_back(spec: str, shared: Path, tmp_path: Path) -> None:
    splits = split(open_source(str(shared / "data" / "sanshiro.txt"), cache=tmp_path).text)
    tokenizer = trained(spec, splits.train, tmp_path)
    for part, tokens in zip(
        (splits.train, splits.valid, splits.test), encode_splits(tokenizer, splits, tmp_path), strict=True
    ):
        original = b"".join(window.tobytes() for window in part.contents())
        assert tokens.vocabulary.decode(tokens.ids) == original
        assert tokens.bytes == part.bytes
        assert tokens.characters == part.characters


def test_shakespeare_has_65_characters(shared: Path, tmp_path: Path) -> None:
    splits = split(open_source(str(shared / "data" / "tinyshakespeare.txt"), cache=tmp_path).text, "90/10")
    char = trained("char(fallback=unknown)", splits.train, tmp_path)
    assert len(char.vocabulary) == 65 + 2
