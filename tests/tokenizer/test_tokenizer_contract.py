"""What holds for every tokenizer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmbench.corpus.text import text_of
from lmbench.errors import LmbenchError
from lmbench.progress import Silent
from lmbench.tokenizer import _fast, _pieces, base, tokenizers
from lmbench.tokenizer._cache import load_tokenizer
from lmbench.tokenizer.base import Tokenizer

TRAINING = [
    "The cat sat on the mat. It's the cat's mat!\n",
    "吾輩は猫である。名前はまだ無い。",
    "naïve café 1234 don't",
]
LOSSLESS = ["byte", "char", "bpe(vocabulary=400)", "patches(model=ngram(order=2), size=3)"]
ALL = [*LOSSLESS, "char(fallback=unknown)", "word", "word(vocabulary=3, lowercase=true)"]
# What trips tokenizers: runs of white space, contractions, CRLF, scripts without spaces, emoji, combining marks,
# half-known special tokens, NUL, and characters that no training text had.
TRICKY = st.text(
    alphabet=st.sampled_from(list("aAe'st  \t\n\r.,。、猫のé\u0301\u3000\u00a0\u2028😀\U0001f469\u200d\0<|>1")),
    max_size=60,
)
FRAGMENTS = ["The", " the", " cat", "'s", " mat", "!", ".", ",", " ", "  ", "\n", "\n\n", "\r\n", "\u3000"]
FRAGMENTS += ["吾輩は", "猫である", "。", "、", "名前", "don't", "é", "e\u0301", "😀", " 1234", "\t"]
WORDS = st.lists(st.sampled_from(FRAGMENTS), max_size=15).map("".join)
ANY = st.one_of(
    TRICKY, WORDS, WORDS, st.text(max_size=30), st.sampled_from(["<|endoftext|>", "</s><s>", "'s 'S ''ll", "\r\n\r\n"])
)


def trained(spec: str, lines: bool = False) -> Tokenizer:
    tokenizer: Tokenizer = tokenizers.make(spec)
    return tokenizer.train(text_of(TRAINING, lines=lines), Silent())


@pytest.fixture(scope="module", params=ALL)
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return trained(request.param)


@pytest.fixture(scope="module", params=LOSSLESS)
def lossless(request: pytest.FixtureRequest) -> Tokenizer:
    return trained(request.param)


@settings(max_examples=150, deadline=None)
@given(st.lists(ANY, max_size=4), st.booleans())
def test_a_lossless_tokenizer_gives_the_text_back(lossless: Tokenizer, documents: list[str], lines: bool) -> None:
    assert lossless.lossless
    text = text_of(documents, lines=lines)
    tokens = lossless.encode(text, None, Silent())
    assert tokens.vocabulary.lossless
    end = "\n" if lines else ""
    assert tokens.vocabulary.decode(tokens.ids).decode() == "".join(document + end for document in documents)
    assert tokens.bytes == text.bytes
    assert tokens.characters == text.characters
    assert len(tokens.documents) == len(documents)
    for index, document in enumerate(documents):
        ids = tokens.document(index)
        assert ids[-1] == tokens.vocabulary.end_of_text
        assert tokens.vocabulary.end_of_text not in ids[:-1]
        assert lossless.decode(ids[:-1]) == document
        assert lossless.encode_text(document).tolist() == ids[:-1].tolist()


@settings(max_examples=100, deadline=None)
@given(st.lists(ANY, min_size=1, max_size=4), st.integers(1, 12))
def test_where_a_text_is_cut_changes_no_id(tokenizer: Tokenizer, documents: list[str], size: int) -> None:
    whole = tokenizer.encode(text_of(documents), None, Silent())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base.windows, "__defaults__", (size,))
        patch.setattr(_pieces.batches, "__defaults__", (size, 3 * size))
        pieces = tokenizer.encode(text_of(documents), None, Silent())
    assert pieces.ids.tolist() == whole.ids.tolist()
    assert pieces.documents.tolist() == whole.documents.tolist()


def test_encoding_into_a_folder_gives_the_same_mapped_from_it(tokenizer: Tokenizer, tmp_path: Path) -> None:
    text = text_of([*TRAINING, "", "unseen: Ω🦊"])
    kept = tokenizer.encode(text, None, Silent())
    mapped = tokenizer.encode(text, tmp_path, Silent())
    assert isinstance(mapped.ids, np.memmap)
    assert mapped.hash == kept.hash
    assert mapped.ids.dtype == kept.vocabulary.dtype
    assert sorted(path.name for path in tmp_path.iterdir()) == ["documents.npy", "ids.npy", "vocabulary.json"]


@pytest.mark.parametrize("spec", ALL)
@pytest.mark.parametrize("lines", [False, True])
def test_saved_and_loaded_it_is_the_same(spec: str, lines: bool, tmp_path: Path) -> None:
    before = trained(spec, lines)
    before.save(tmp_path)
    after = load_tokenizer(tmp_path)
    assert type(after) is type(before)
    assert after.hash == before.hash
    assert after.vocabulary.hash == before.vocabulary.hash
    assert after.vocabulary.tokens[after.vocabulary.end_of_text] == (b"\n" if lines else b"")
    unseen = "The Ω🦊 cat"
    assert after.encode_text(unseen).tolist() == before.encode_text(unseen).tolist()


@pytest.mark.parametrize("spec", ALL)
@pytest.mark.parametrize("content", ["", "{", "[]", '{"a": 1}', '{"tokenizer": "SPEC"}'])
def test_a_corrupted_state_is_named(spec: str, content: str, tmp_path: Path) -> None:
    trained(spec).save(tmp_path)
    name = spec.split("(")[0]
    (tmp_path / base.STATE).write_text(content.replace("SPEC", name))
    if name == "byte" and "SPEC" in content:
        return  # a byte tokenizer has no state to lose
    with pytest.raises(LmbenchError, match=r"tokenizer\.state\.json"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize("spec", ALL)
def test_training_again_on_the_same_text_gives_the_same(spec: str) -> None:
    assert trained(spec).hash == trained(spec).hash
    assert trained(spec).vocabulary.hash == trained(spec).vocabulary.hash


def test_only_the_training_text_decides_the_vocabulary(tokenizer: Tokenizer) -> None:
    before = tokenizer.vocabulary.hash
    tokenizer.encode(text_of(["zebra ΩΩΩ"]), None, Silent())
    assert tokenizer.vocabulary.hash == before


def test_progress_reaches_its_total(tokenizer: Tokenizer) -> None:
    from contextlib import contextmanager

    class Recorder:
        def __init__(self) -> None:
            self.done: dict[str, float] = {}
            self.total: dict[str, float | None] = {}

        @contextmanager
        def task(self, description: str, total: float | None = None):  # type: ignore[no-untyped-def]
            recorder = self
            self.total[description] = total
            self.done[description] = 0

            class Task:
                def advance(self, steps: float = 1) -> None:
                    recorder.done[description] += steps

                def show(self, note: str) -> None:
                    pass

            yield Task()

    recorder = Recorder()
    tokenizer.encode(text_of(TRAINING), None, recorder)  # type: ignore[arg-type]
    assert recorder.done == recorder.total


def test_tokens_of_the_byte_alphabet_cover_every_byte() -> None:
    assert sorted(_fast.byte_of_character().values()) == list(range(256))
