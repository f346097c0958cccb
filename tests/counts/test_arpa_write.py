from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from arpa_texts import file_of, fitted, letters, written
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_arpa import NaiveArpa

from lmbench.counts.arpa import compressed, read_arpa, write_arpa
from lmbench.counts.arpa import write as module
from lmbench.errors import LmbenchError, UsageError
from lmbench.progress import Silent
from lmbench.tokens import Vocabulary, tokens_of

documents = st.lists(st.lists(st.integers(0, 3), max_size=8), min_size=1, max_size=5)


def test_a_small_model_is_written_by_the_book() -> None:
    """Maximum likelihood of "ab" and "a": p(a) = 2/5, p(b) = 1/5, p($) = 2/5; after a: b 1/2, $ 1/2."""
    text = written(fitted(letters([[0, 1], [0]], 2), 2, "maximum_likelihood"), letters([[]], 2).vocabulary)
    lines = text.splitlines()
    assert lines[:5] == ["# tokens: plain", "\\data\\", "ngram 1=5", "ngram 2=4", ""]
    assert lines[5:11] == [
        "\\1-grams:",
        "-99\t<unk>\t0",
        "-99\t<s>\t-99",
        "-0.39794\ta\t-99",
        "-0.69897\tb\t-99",
        "-0.39794\t</s>\t0",
    ]
    assert lines[11:] == [
        "", "\\2-grams:", "-0.30103\ta b", "-0.30103\ta </s>", "0\tb </s>", "0\t<s> a", "", "\\end\\",
    ]  # fmt: skip


@given(documents, st.integers(1, 4), st.sampled_from(["witten_bell", "kneser_ney", "katz", "maximum_likelihood"]))
@settings(deadline=None, max_examples=40)
def test_probabilities_are_those_of_the_model(texts: list[list[int]], order: int, smoothing: str) -> None:
    tokens = letters(texts, 4)
    model = fitted(tokens, order, smoothing)
    arpa = NaiveArpa(written(model, tokens.vocabulary))
    names = ["a", "b", "c", "d", "</s>"]
    for context in ([], [0], [1, 0], [3, 3, 2], [0, 1, 2, 3, 0]):
        found = [arpa.p(name, ("<s>", *(names[index] for index in context))) for name in names]
        assert found == pytest.approx(np.exp(model.next(np.array(context, dtype=np.int64))), rel=1e-5, abs=1e-90)


odd = st.one_of(
    st.sampled_from([b"", b" ", b"\n", b"\t", b'"', b"\\data\\", b"\xff", b"<s>", b"</s>", b"<unk>", b"\xc2\xa0"]),
    st.text(max_size=2).map(str.encode),
    st.binary(max_size=2),
)


@given(
    st.lists(odd, min_size=4, max_size=4),
    documents,
    st.integers(1, 4),
    st.booleans(),
    st.sampled_from(["", ".gz", ".xz", ".bz2", ".zst"]),
)
@settings(deadline=None, max_examples=60)
def test_written_and_read_is_the_same_model(
    tmp_path_factory: pytest.TempPathFactory, spelled: list[bytes], texts: list[list[int]], order: int,
    unknown: bool, suffix: str,
) -> None:  # fmt: skip
    texts = [*texts, [0, 1, 2, 3]]
    vocabulary = Vocabulary((*spelled, b""), 4, 1 if unknown else None)
    tokens = tokens_of(texts, vocabulary)
    model = fitted(tokens, order)
    path = tmp_path_factory.mktemp("arpa") / f"model.arpa{suffix}"
    with path.open("wb") as handle, compressed(handle, path) as out:
        write_arpa(model, vocabulary, out)
    again = read_arpa(path, vocabulary)
    assert (again.outside, again.left_out, again.inserted) == (0, 0, 0)
    assert again.shared == unknown
    assert again.aliases.tolist() == [0, 1, 2, 3, 4]
    for first, second in zip(again.model.trie.tokens, model.trie.tokens, strict=True):
        assert torch.equal(first, second)
    for first, second in zip(again.model.trie.first, model.trie.first, strict=True):
        assert torch.equal(first[:], second[:])
    assert again.model.score(tokens.ids, Silent()) == pytest.approx(model.score(tokens.ids, Silent()), abs=1e-5)
    for context in ([], [3, 0], [0, 1, 2, 3]):
        ids = np.array(context, dtype=np.int64)
        assert again.model.next(ids) == pytest.approx(model.next(ids), abs=1e-5)


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    tokens = letters([rng.integers(0, 4, 200).tolist() for _ in range(3)], 4)
    model = fitted(tokens, 5)
    whole = written(model, tokens.vocabulary)
    for width in (1, 7, 64):
        monkeypatch.setattr(module, "_CHUNK", width)
        assert written(model, tokens.vocabulary) == whole


def test_quantised_models_and_packed_pointers_are_written_as_they_score() -> None:
    tokens = letters([[0, 1, 2, 3, 0, 1, 3]], 4)
    model = fitted(tokens, 3).stored_as("quantized")
    arpa = NaiveArpa(written(model, tokens.vocabulary))
    assert math.log(arpa.p("b", ("<s>", "a"))) == pytest.approx(model.next(np.array([0]))[1], abs=1e-5)


def test_an_order_without_n_grams_is_not_written() -> None:
    tokens = letters([[], []], 2)
    assert "ngram 2=1\n\n" in written(fitted(tokens, 6), tokens.vocabulary)


def test_a_score_is_refused() -> None:
    tokens = letters([[0, 1]], 2)
    with pytest.raises(LmbenchError, match="no distribution"):
        written(fitted(tokens, 2, "stupid_backoff"), tokens.vocabulary)


def test_the_same_model_gives_the_same_compressed_file(tmp_path: Path) -> None:
    made = []
    for name in ("a.gz", "b.gz"):
        out = io.BytesIO()
        with compressed(out, tmp_path / name) as stream:
            stream.write(b"text")
        made.append(out.getvalue())
    assert made[0] == made[1]
    with pytest.raises(UsageError, match="zip"), compressed(out, tmp_path / "a.zip"):
        pass


def test_a_vocabulary_of_its_own_is_read_where_none_is_given(tmp_path: Path) -> None:
    tokens = letters([[0, 1, 2]], 3)
    again = read_arpa(file_of(written(fitted(tokens, 2), tokens.vocabulary), tmp_path))
    assert again.vocabulary.tokens == (b"<unk>", b"a", b"b", b"c", b"")
    assert (again.vocabulary.unknown, again.vocabulary.end_of_text, again.vocabulary.lossless) == (0, 4, False)
    assert again.shared == 1
