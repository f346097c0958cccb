"""A text against a training text, in tokens and in words."""

from __future__ import annotations

import numpy as np
import pytest

from lmbench.corpus.text import text_of
from lmbench.counts.suffix_index import SuffixIndex
from lmbench.errors import LmbenchError
from lmbench.pipeline.overlap import Overlap, overlap
from lmbench.progress import Silent
from lmbench.tokenizer import tokenizers
from lmbench.tokenizer.base import Tokenizer

TRAINING = ["The cat sat on the mat.", "A dog, a cat and a mat"]


def compared(text: list[str], tokenizer: str = "word", training: list[str] = TRAINING, **options: object) -> Overlap:
    made: Tokenizer = tokenizers.make(tokenizer)
    made.train(text_of(training), Silent())
    index = SuffixIndex.build(made.encode(text_of(training), None, Silent()), Silent())
    return overlap(index, made, text_of(text), Silent(), **options)  # type: ignore[arg-type]


def test_by_hand_in_words_between_spaces() -> None:
    """ "The cat sat on" is a match, "a" one of its own; "mat" has no full stop here."""
    found = compared(["The cat sat on a mat"], span=(2, 5), novelty=3)
    assert found.lengths == [[4, 3, 2, 1, 2, 1]]
    assert (found.unit, found.size, found.longest) == ("token", 6, 4)
    assert found.mean_length == pytest.approx(13 / 6)
    assert found.novelty == pytest.approx({1: 0, 2: 1 / 5, 3: 2 / 4})
    assert found.uniqueness == pytest.approx({2: 0, 3: 2 / 6, 4: 2 / 6, 5: 1})
    assert found.creativity_index == pytest.approx(10 / 6)
    first, second = found.passages
    assert (first.text, first.tokens, first.document, first.at, first.count) == ("The cat sat on", 4, 1, 0, 1)
    assert (second.text, second.at, second.training_document) == ("a mat", 4, 2)


@pytest.mark.parametrize("tokenizer", ["char", "byte", "bpe(vocabulary=300)"])
def test_words_are_the_same_whatever_the_tokens(tokenizer: str) -> None:
    """With --words marks are words too: "mat" and the full stop apart, "dog ," as in training."""
    found = compared(["The cat sat on a mat .", "a dog,a zebra"], tokenizer, words=True, span=(2, 4))
    assert found.unit == "word"
    assert found.training_size == 7 + 8
    assert found.lengths == [[4, 3, 2, 1, 2, 2, 1], [1, 3, 2, 1, 0]]
    assert found.unknown == 1
    assert found.passages[0].text == "The cat sat on"
    assert found.uniqueness == pytest.approx({2: 2 / 12, 3: 5 / 12, 4: 8 / 12})


def test_words_of_a_script_without_spaces_are_its_characters() -> None:
    """Han and hiragana one by one, katakana and Latin in runs: 猫|は|ペット|で|す|。 against 犬|は|ペット|だ|。"""
    found = compared(["猫はペットです。"], "char", ["犬はペットだ。"], words=True, span=(1, 2))
    assert found.size == 6
    assert found.lengths == [[0, 2, 1, 0, 0, 1]]
    assert found.passages[0].text == "はペット"
    assert found.uniqueness == pytest.approx({1: 3 / 6, 2: 4 / 6})


def test_matches_do_not_reach_across_documents() -> None:
    found = compared(["ab", "cd"], "char", ["abcd", "ab", "cd"])
    assert found.lengths == [[2, 1], [2, 1]]
    assert found.documents == 2
    assert [item.document for item in found.passages] == [1, 2]


def test_the_training_text_itself_is_all_overlap() -> None:
    rng = np.random.default_rng(0)
    training = ["".join(rng.choice(list("ab c"), size)) for size in (40, 1, 200)]
    found = compared(training, "char", training, span=(1, 1), novelty=40)
    assert found.lengths == [list(range(size, 0, -1)) for size in (40, 1, 200)]
    assert found.creativity_index == 0
    assert set(found.novelty.values()) == {0.0}
    assert [item.tokens for item in found.passages] == [200, 40, 1]


def test_a_text_without_tokens() -> None:
    with pytest.raises(LmbenchError, match="no tokens"):
        compared([" "], "word")


def test_words_of_a_tokenizer_that_loses_the_text() -> None:
    with pytest.raises(LmbenchError, match="leave --words out"):
        compared(["a"], "word", words=True)
