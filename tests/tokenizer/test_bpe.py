from __future__ import annotations

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from lmbench.corpus import open_source
from lmbench.corpus.text import text_of
from lmbench.errors import LmbenchError, UsageError
from lmbench.progress import Silent
from lmbench.tokenizer import tokenizers
from lmbench.tokenizer._cache import load_tokenizer


def test_merges_by_hand() -> None:
    bpe = tokenizers.make("bpe(vocabulary=259)").train(text_of(["abab ab cd"]), Silent())
    # The most frequent pair is (a, b); then (ab, ab) or ( ␣, ab) or (c, d), each once: one of them.
    assert len(bpe.vocabulary) == 259
    assert bpe.vocabulary.tokens[256] == b"ab"
    assert bpe.vocabulary.end_of_text == 258
    assert sorted(bpe.vocabulary.tokens[:256]) == [bytes([value]) for value in range(256)]


def test_the_smallest_vocabulary_is_bytes() -> None:
    bpe = tokenizers.make("bpe(vocabulary=257)").train(text_of(["aaaa" * 100]), Silent())
    assert len(bpe.vocabulary) == 257
    assert len(bpe.encode_text("aaé")) == 4
    with pytest.raises(UsageError, match="at least 257"):
        tokenizers.make("bpe(vocabulary=256)")


def test_a_text_with_too_few_pairs_gives_a_smaller_vocabulary() -> None:
    bpe = tokenizers.make("bpe(vocabulary=4096)").train(text_of(["x"]), Silent())
    assert len(bpe.vocabulary) == 257


def test_real_text_in_pieces_has_the_ids_of_the_library_in_one(shared: Path, tmp_path: Path) -> None:
    text = open_source(str(shared / "data" / "books" / "valid.jsonl.xz"), cache=tmp_path).text
    book = text_of(
        [text.document(0), open_source(str(shared / "data" / "sanshiro.txt"), cache=tmp_path).text.document(0)]
    )
    bpe = tokenizers.make("bpe(vocabulary=2000)").train(book, Silent())
    bpe.save(tmp_path)
    library = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    tokens = bpe.encode(book, None, Silent())
    for index in range(2):
        assert tokens.document(index)[:-1].tolist() == library.encode(book.document(index)).ids


def test_a_corrupted_file_is_named(tmp_path: Path) -> None:
    bpe = tokenizers.make("bpe").train(text_of(["x y"]), Silent())
    bpe.save(tmp_path)
    whole = (tmp_path / "tokenizer.json").read_text(encoding="utf-8")
    for content in ("", whole[:-9], json.dumps({"version": "1.0"})):
        (tmp_path / "tokenizer.json").write_text(content, encoding="utf-8")
        with pytest.raises(LmbenchError, match=r"tokenizer\.json"):
            load_tokenizer(tmp_path)
