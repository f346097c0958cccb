"""Documents, lines, words and their sums, worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lmbench.corpus.text import Text, text_of
from lmbench.errors import LmbenchError
from lmbench.progress import Silent
from lmbench.score.sums import Sums
from lmbench.score.units import Units, units_of
from lmbench.tokenizer.bpe import Bpe
from lmbench.tokenizer.byte import Byte
from lmbench.tokenizer.word import Word
from lmbench.tokens import Vocabulary, tokens_of


def test_tokens_belong_to_the_word_in_which_they_begin() -> None:
    """Of `a`, `b`, ` c`, `.\\n`, `\\n`, `de`, ` `, end: ab | c. | de | the end."""
    spelled = (b"a", b"b", b" c", b".\n", b"\n", b"de", b" ", b"")
    tokens = tokens_of([list(range(7))], Vocabulary(spelled, 7))
    text = text_of(["ab c.\n\nde "])
    words = units_of(tokens, text, "word")
    assert words.texts == ["ab", "c.", "de", ""]
    assert words.owner.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    lines = units_of(tokens, text, "line")
    assert lines.owner.tolist() == [0, 0, 0, 0, 1, 2, 2, 2]
    assert lines.places.tolist() == [0, 1, 2]


def both_ways(text: Text, kind: str) -> tuple[list[str], list[int]]:
    tokenizer = {"byte": Byte(), "word": Word(), "bpe": Bpe(vocabulary=300)}[kind].train(text, Silent())
    tokens = tokenizer.encode(text, None, Silent())
    units = units_of(tokens, text, "word")
    assert np.bincount(units.owner, minlength=len(units)).sum() == len(tokens)
    assert units.texts is not None
    return units.texts, units.documents.tolist()


@pytest.mark.parametrize("kind", ["byte", "word", "bpe"])
def test_words_are_those_of_split_whatever_the_tokens(kind: str) -> None:
    documents = ["né  猫である\u3000x \r\n a\u00a0b", "\n lone", "", "end\n"]
    texts, owners = both_ways(text_of(documents), kind)
    assert texts == [*documents[0].split(), "", "lone", "", "", "end", ""]
    assert owners == [0] * 6 + [1] * 2 + [2] + [3] * 2


def test_line_ends_of_all_kinds() -> None:
    text = text_of(["a\nb\r\nc\rd"])
    tokens = Byte().train(text, Silent()).encode(text, None, Silent())
    assert np.bincount(units_of(tokens, text, "line").owner).tolist() == [2, 3, 2, 2]


def test_words_need_tokens_that_tell_where_they_stand() -> None:
    text = text_of(["a b"])
    tokens = tokens_of([[0]], Vocabulary((b"ab", b""), 1, lossless=False))
    with pytest.raises(LmbenchError, match="do not tell which words"):
        units_of(tokens, text, "word")


def sums_of(log_probs: list[float]) -> Sums:
    """Of a word, an unknown one and the end."""
    tokens = tokens_of([[1, 0]], Vocabulary((b"<unk>", b"a", b""), 2, unknown=0, lossless=False))
    one = np.zeros(1, dtype=np.int64)
    return Sums.of(np.array(log_probs), tokens, Units(np.zeros(3, dtype=np.int64), one, one))


def test_perplexities_of_kenlm_and_srilm_by_hand() -> None:
    """p = 1/2, 1/16 (unknown), 1/4 (end): log10 p of known ones is -3 log10 2, over 1 word and 1 sentence."""
    sums = sums_of([-math.log(2), -math.log(16), -math.log(4)])
    assert (sums.tokens[0], sums.unknown[0], sums.ends[0], sums.zero[0]) == (3, 1, 1, 0)
    assert sums.nats[0] == pytest.approx(7 * math.log(2))
    assert sums.log10[0] == pytest.approx(-7 * math.log10(2))
    assert sums.perplexity[0] == pytest.approx(2 ** (7 / 3))
    assert sums.perplexity_known[0] == pytest.approx(10 ** (3 * math.log10(2) / (2 - 1 - 0 + 1)))  # SRILM's ppl
    assert sums.ppl1[0] == pytest.approx(10 ** (3 * math.log10(2) / (2 - 1 - 0)))
    assert sums.perplexity_inner[0] == pytest.approx(2 ** (5 / 2))


def test_zero_probabilities_are_left_out_where_srilm_leaves_them_out() -> None:
    sums = sums_of([-math.inf, -math.log(16), -math.log(4)])
    assert sums.zero[0] == 1
    assert math.isinf(sums.perplexity[0])
    assert math.isinf(sums.perplexity_inner[0])
    assert sums.perplexity_known[0] == pytest.approx(4)
    assert math.isnan(sums.ppl1[0])  # no word is left
