"""The unit word: split as the word tokenizer splits, exact lengths, and texts that have no such unit."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmbench.corpus.text import Text, text_of
from lmbench.entropy import estimators
from lmbench.entropy._words import Words, words_of
from lmbench.errors import LmbenchError
from lmbench.progress import Silent


def words(*documents: str) -> Words:
    (found,) = words_of([text_of(documents)], Silent())
    return found


def test_by_hand() -> None:
    found = words("to be or\n not to be", "or")
    assert found.ids.tolist() == [0, 1, 2, 3, 0, 1, 4, 2, 4]
    assert found.documents.tolist() == [0, 7]
    assert (found.characters, found.bytes) == (21, 21)
    assert found.vocabulary.tokens == (b"to", b"be", b"or", b"not", b"")


@given(st.lists(st.text("ab \n\t\u3000é", max_size=30), min_size=1, max_size=3))
def test_words_are_those_of_split(documents: list[str]) -> None:
    documents = [*documents, "a b"]
    found = words(*documents)
    read = [
        [found.vocabulary.tokens[index].decode() for index in found.document(place)[:-1].tolist()]
        for place in range(len(found.documents))
    ]
    assert read == [document.split() for document in documents]


def test_training_and_test_text_share_a_vocabulary() -> None:
    train, test = words_of([text_of(["a b a"]), text_of(["b c"])], Silent())
    assert train.vocabulary is test.vocabulary
    assert test.ids.tolist() == [1, 2, 3]
    joined = train + test
    assert (joined.characters, joined.bytes) == (8, 8)


def test_bits_per_character_are_of_the_text_white_space_included() -> None:
    # Two words, equally often: 1 bit a word; 80 words in a text of 80 * 3 - 1 characters and 80 * 4 - 1 bytes.
    train, test = words_of([text_of([""]), text_of([" ".join(["té", "sé"] * 40)])], Silent())
    (found,) = estimators.make("block(unit=word, order=1, correction=plug_in)").estimate(train, test, Silent())
    assert found.estimator == "block F_1 (word)"
    assert found.bits_per_token == pytest.approx(1.0)
    assert found.bits_per_character == pytest.approx(80 / 239)
    assert found.bits_per_byte == pytest.approx(80 / 319)


@pytest.mark.parametrize("name", ["match_length", "lz76", "lz78"])
def test_the_others_read_words_too(name: str) -> None:
    train, test = words_of([text_of(["a b c d " * 10]), text_of(["a b c d " * 10])], Silent())
    (found,) = estimators.make(f"{name}(unit=word)").estimate(train, test, Silent())
    assert "(word)" in found.estimator
    assert found.bits_per_token is not None
    assert 0 <= found.bits_per_token < math.log2(4)
    assert found.bits_per_character == pytest.approx(found.bits_per_token / 2)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (text_of(["三四郎は京都でちょっと用があって降りたついでに。\n" * 3]), "96% of its characters are of scripts"),
        (text_of(["ผู้ชายเลี้ยงเดี่ยว " * 3]), "without spaces between words; use --unit char"),
        (text_of(["Donaudampfschifffahrt"]), "fewer than two words"),
        (text_of([" \n\t "]), "fewer than two words"),
    ],
)
def test_a_text_without_words_is_one_line(text: Text, why: str) -> None:
    with pytest.raises(LmbenchError, match=rf"^this text has no unit word: [^\n]*{why}"):
        words_of([text], Silent())


def test_a_quotation_in_another_script_is_no_hindrance() -> None:
    assert len(words("he said 三四郎 and went on to say some more")) == 11
