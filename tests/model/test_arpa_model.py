from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from lmbench.errors import LmbenchError, UsageError
from lmbench.model import models
from lmbench.model.arpa import Arpa
from lmbench.progress import Silent
from lmbench.spec import Spec
from lmbench.tokens import Tokens, Vocabulary, tokens_of

TEXT = r"""
\data\
ngram 1=5

\1-grams:
-99	<s>
-0.3010299957	</s>
-0.9030899870	a
-0.9030899870	b
-0.6020599913	<unk>

\end\
"""


def fitted(folder: Path, text: str, vocabulary: Vocabulary, **options: str) -> Arpa:
    path = folder / "model.arpa"
    path.write_text(text, encoding="utf-8")
    nothing = tokens_of([[]], vocabulary)
    model: Arpa = models.make(Spec("arpa", {"path": str(path), **options}))
    return model.fit(nothing, nothing, Silent())


def probs(model: Arpa) -> list[float]:
    return [math.exp(log_prob) for log_prob in model.next_log_probs(np.zeros(0, dtype=np.int64)).tolist()]


def test_tokens_without_a_word_share_what_is_unknown(tmp_path: Path) -> None:
    """c, d and the run's own unknown token are the file's <unk>: a third of 1/4 each."""
    vocabulary = Vocabulary((b"a", b"b", b"c", b"d", b"<unk>", b"\n"), 5, 4, lossless=False)
    model = fitted(tmp_path, TEXT, vocabulary)
    assert probs(model) == pytest.approx([1 / 8, 1 / 8, 1 / 12, 1 / 12, 1 / 12, 1 / 2], abs=1e-6)
    assert (model.card.distribution, model.card.smoothed, model.card.adaptive) == (True, True, False)
    assert any("2 of 6 tokens ('c', 'd') have no word in the file and share" in note for note in model.card.notes)
    assert model.model is None  # what it knows of c alone cannot be exported


def test_words_that_are_no_tokens_are_unknown(tmp_path: Path) -> None:
    model = fitted(tmp_path, TEXT, Vocabulary((b"a", b"<unk>", b"\n"), 2, 1, lossless=False))
    assert probs(model) == pytest.approx([1 / 8, 3 / 8, 1 / 2], abs=1e-6)
    assert any("1 of the file's 5 words are no tokens" in note for note in model.card.notes)
    assert model.model is not None


def test_where_nothing_can_be_unknown_the_rest_is_scaled(tmp_path: Path) -> None:
    model = fitted(tmp_path, TEXT, Vocabulary((b"a", b"b", b""), 2))
    assert probs(model) == pytest.approx([1 / 6, 1 / 6, 2 / 3], abs=1e-6)


def test_a_file_without_unk_gives_zero_and_says_so(tmp_path: Path) -> None:
    text = TEXT.replace("ngram 1=5", "ngram 1=4").replace("-0.6020599913\t<unk>\n", "").replace("-0.903", "-0.602")
    text = text.replace("-0.6020899870", "-0.6020599913")
    vocabulary = Vocabulary((b"a", b"b", b"c", b""), 3)
    model = fitted(tmp_path, text, vocabulary)
    assert probs(model) == pytest.approx([1 / 4, 1 / 4, 0, 1 / 2], abs=1e-6)
    assert not model.card.smoothed
    assert model.card.distribution
    said = "1 of 4 tokens ('c') have no word in the file and have probability zero"
    assert any(said in note for note in model.card.notes)
    scores = model.log_probs(tokens_of([[0, 2]], vocabulary), Silent())
    assert np.isneginf(scores).tolist() == [False, True, False]


def test_a_file_that_is_no_distribution_says_so(tmp_path: Path) -> None:
    model = fitted(tmp_path, TEXT.replace("-0.3010299957", "-1"), Vocabulary((b"a", b"<unk>", b"\n"), 2, 1))
    assert not model.card.distribution
    assert any("0.4 off one" in note for note in model.card.notes)


def test_spelling_is_by_the_comment_or_as_told(tmp_path: Path) -> None:
    text = TEXT.replace("\ta\n", "\tĠa\n").replace("\tb\n", "\tĊ\n")
    vocabulary = Vocabulary((b" a", b"\n", b"<unk>", b""), 3, 2)
    expected = pytest.approx([1 / 8, 1 / 8, 1 / 4, 1 / 2], abs=1e-6)
    assert probs(fitted(tmp_path, text, vocabulary, spelling="byte_to_unicode")) == expected
    assert probs(fitted(tmp_path, "# tokens: byte_to_unicode" + text, vocabulary)) == expected
    with pytest.raises(LmbenchError, match="none of its 5 words is a token of this run"):
        fitted(tmp_path, text, vocabulary)


def test_a_missing_file_is_found_before_the_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="arpa: there is no file"):
        models.make(Spec("arpa", {"path": str(tmp_path / "no.arpa")}))


def test_a_saved_model_does_without_its_file(tmp_path: Path) -> None:
    vocabulary = Vocabulary((b"a", b"b", b"c", b"<unk>", b"\n"), 4, 3, lossless=False)
    model = fitted(tmp_path, TEXT, vocabulary)
    (tmp_path / "saved").mkdir()
    model.save(tmp_path / "saved")
    (tmp_path / "model.arpa").unlink()
    tokens = Tokens(np.array([0, 2, 3, 4], dtype=np.uint8), np.zeros(1, dtype=np.int64), vocabulary)
    again = Arpa.load(tmp_path / "saved")
    assert np.array_equal(again.log_probs(tokens, Silent()), model.log_probs(tokens, Silent()))
    (tmp_path / "saved" / "aliases.npy").write_bytes(b"")
    with pytest.raises(LmbenchError, match=r"aliases.npy: not a whole saved ARPA model"):
        Arpa.load(tmp_path / "saved")
