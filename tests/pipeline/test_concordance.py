"""Phrases looked up in small texts."""

from __future__ import annotations

import numpy as np
import pytest

from lmbench.corpus.text import Text, text_of
from lmbench.counts.suffix_index import SuffixIndex
from lmbench.errors import UsageError
from lmbench.pipeline.concordance import Concordance, concordance
from lmbench.progress import Silent
from lmbench.tokenizer import tokenizers
from lmbench.tokenizer.base import Tokenizer

TEXT = text_of(["the queen said no. the queen said yes.", "the king said the queen", "猫は猫である"])


def asked(phrase: str, tokenizer: str = "char", text: Text = TEXT, **options: int) -> Concordance:
    made: Tokenizer = tokenizers.make(tokenizer)
    made.train(text, Silent())
    index = SuffixIndex.build(made.encode(text, None, Silent()), Silent())
    return concordance(index, made, phrase, **options)


@pytest.mark.parametrize("tokenizer", ["char", "byte", "bpe(vocabulary=300)", "word"])
def test_counts_a_phrase_and_what_follows(tokenizer: str) -> None:
    found = asked("the queen", tokenizer)
    assert found.count == 3
    assert (found.followed, found.types, found.sparse) == (3, 2, False)
    said, end = found.continuations
    assert said.token.strip() in ("", "said")  # a character, or a word
    assert (said.count, said.probability, said.end) == (2, pytest.approx(2 / 3), False)
    assert (end.count, end.probability, end.end) == (1, pytest.approx(1 / 3), True)
    assert found.suffix is None
    assert found.unknown == 0


def test_examples_are_the_text_around_and_its_document() -> None:
    found = asked("queen", examples=10, width=9)
    places = [(item.document, item.at, item.left, item.phrase, item.right) for item in found.examples]
    assert sorted(places) == [
        (1, 4, "the ", "queen", " said no."),
        (1, 23, " no. the ", "queen", " said yes"),
        (2, 18, "said the ", "queen", ""),
    ]


def test_examples_in_words_have_their_spaces() -> None:
    [item] = asked("king", "word").examples
    assert (item.left, item.phrase, item.right) == ("the ", "king", " said the queen")


def test_bytes_of_characters_are_put_together() -> None:
    [first, second] = asked("猫", "byte").examples
    assert {first.right, second.right} == {"は猫である", "である"}


def test_a_byte_pair_phrase_is_found_after_a_space_and_without() -> None:
    text = text_of(["queen queen queen\nqueen"])
    found = asked("queen", "bpe(vocabulary=264)", text)
    assert found.tokens == [["queen"], [" queen"]]
    assert found.count == 4


def test_the_probability_of_the_last_token() -> None:
    """ "the" stands four times, three of them before "queen", which has the end of its document after it once."""
    found = asked("the queen", "word")
    assert (found.count, found.given, found.probability) == (3, 4, pytest.approx(3 / 4))
    found = asked("queen said", "word")
    assert (found.count, found.given, found.probability) == (2, 3, pytest.approx(2 / 3))
    assert asked("the queen said", "word").context == "the queen"
    once = asked("queen", "word")
    assert (once.given, once.probability) == (once.training_tokens, pytest.approx(3 / once.training_tokens))
    assert asked("zebra queen", "char").probability is None


def test_a_phrase_that_does_not_occur_is_shortened() -> None:
    found = asked("a queen said")
    assert found.count == 0
    assert found.suffix == " queen said"
    assert found.suffix_count == 2
    assert [item.token for item in found.continuations] == [" "]
    assert found.sparse
    assert len(found.examples) == 2


def test_a_phrase_of_which_nothing_occurs() -> None:
    found = asked("zz")
    assert (found.count, found.suffix_count, found.continuations, found.examples) == (0, 0, [], [])


def test_a_word_outside_the_vocabulary() -> None:
    assert asked("the zebra", "word").unknown == 1
    assert asked("the zebra", "word").count == 0


@pytest.mark.parametrize("tokenizer", ["char", "word"])
def test_an_empty_phrase(tokenizer: str) -> None:
    with pytest.raises(UsageError, match="no tokens"):
        asked("", tokenizer)


def test_counts_agree_with_python() -> None:
    small = "abracadabra abra cadabra " * 7
    text = text_of([small])
    for phrase in ("a", "abra", "bra c", "cadabra abr", " "):
        expected = sum(small.startswith(phrase, at) for at in range(len(small)))
        found = asked(phrase, text=text, top=100)
        assert found.count == expected
        assert sum(item.count for item in found.continuations) == found.followed == expected
        assert sum(item.probability for item in found.continuations) == pytest.approx(1)
        following = np.array([item.count for item in found.continuations])
        assert (np.diff(following) <= 0).all()
