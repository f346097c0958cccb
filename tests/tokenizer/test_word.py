from __future__ import annotations

import lzma
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmbench.corpus import open_source
from lmbench.corpus.text import text_of
from lmbench.errors import LmbenchError, UsageError
from lmbench.progress import Silent
from lmbench.tokenizer import tokenizers


def test_words_by_hand() -> None:
    word = tokenizers.make("word").train(text_of(["the cat <unk> the", "a the cat"], lines=True), Silent())
    # <unk>, then by falling count (3, 2, 1), then the end
    assert word.vocabulary.tokens == (b"<unk>", b"the", b"cat", b"a", b"\n")
    assert (word.vocabulary.unknown, word.vocabulary.end_of_text) == (0, 4)
    assert not word.lossless
    assert not word.vocabulary.lossless
    tokens = word.encode(text_of(["a  dog\tthe", "<unk>"], lines=True), None, Silent())
    assert tokens.ids.tolist() == [3, 0, 1, 4, 0, 4]
    assert tokens.documents.tolist() == [0, 4]
    assert word.decode(tokens.ids) == "a <unk> the\n<unk>\n"


def test_the_most_frequent_words_are_kept_and_ties_are_alphabetical() -> None:
    word = tokenizers.make("word(vocabulary=2, lowercase=true)").train(text_of(["B a C c d D"]), Silent())
    assert word.vocabulary.tokens == (b"<unk>", b"c", b"d", b"")
    assert word.encode_text("C a D").tolist() == [1, 0, 2]
    assert word.decode(word.encode_text("c d")) == "c d"


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="ab \t\n\r\u3000\u00a0\x1c\x85é", max_size=40).filter(lambda text: text.split()))
def test_words_are_those_of_str_split(text: str) -> None:
    word = tokenizers.make("word").train(text_of([text]), Silent())
    ids = word.encode_text(text)
    assert [word.vocabulary.tokens[index].decode() for index in ids] == text.split()


def test_the_vocabulary_is_kenlms(shared: Path, tmp_path: Path) -> None:
    corpus = open_source(str(shared / "golden" / "words.train.txt"), lines=True, cache=tmp_path)
    word = tokenizers.make("word").train(corpus.text, Silent())
    with lzma.open(shared / "golden" / "words3.arpa.xz", "rt", encoding="utf-8") as arpa:
        unigrams = next(int(line.split("=")[1]) for line in arpa if line.startswith("ngram 1="))
        next(line for line in arpa if line.startswith("\\1-grams"))
        theirs = {next(arpa).split("\t")[1].strip() for _ in range(unigrams)}
    assert len(word.vocabulary) == unigrams - 1 == 23_843  # their <s> and </s> are our one end of text
    ours = {token.decode() for token in word.vocabulary.tokens} - {"\n"}
    assert ours == theirs - {"<s>", "</s>"}
    tokens = word.encode(corpus.text, None, Silent())
    assert not (tokens.ids == 0).any()


def test_bad_options_and_texts() -> None:
    with pytest.raises(UsageError, match="at least 1"):
        tokenizers.make("word(vocabulary=0)")
    with pytest.raises(LmbenchError, match="no words"):
        tokenizers.make("word").train(text_of([" \n "]), Silent())
