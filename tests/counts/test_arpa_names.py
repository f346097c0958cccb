from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmbench.counts.arpa.names import names, spelling_for, token_of
from lmbench.tokens import Vocabulary

odd = st.sampled_from(
    [b"", b" ", b"a", b"a b", b"\n", b"\xff", "é".encode(), b"<s>", b"</s>", b"<unk>", b"<UNK>", b"#"]
)
tokens = st.lists(st.one_of(odd, st.binary(max_size=3)), max_size=12)


@given(tokens)
def test_every_token_has_a_word_of_its_own_that_gives_its_bytes_back(texts: list[bytes]) -> None:
    vocabulary = Vocabulary((*texts, b"<unk>", b""), len(texts) + 1, len(texts))
    spelled = names(vocabulary, "byte_to_unicode")
    assert spelled[len(texts) :] == [None, None]
    words = [name for name in spelled if name is not None]
    assert len(words) == len(set(words)) == len(texts)
    assert [token_of(name, "byte_to_unicode") for name in words] == texts
    for name in words:
        assert name.split() == [name]
        assert name not in ("<s>", "</s>", "<unk>", "<UNK>")
        name.encode("utf-8")


def test_the_alphabet_is_that_of_gpt2() -> None:
    pre_tokenizers = pytest.importorskip("tokenizers").pre_tokenizers
    every = names(Vocabulary((*(bytes([value]) for value in range(256)), b""), 256), "byte_to_unicode")[:256]
    assert sorted(name or "" for name in every) == sorted(pre_tokenizers.ByteLevel.alphabet())
    assert names(Vocabulary((b" the\n", b""), 1), "byte_to_unicode") == ["ĠtheĊ", None]


@pytest.mark.parametrize(
    ("texts", "spelling"),
    [
        ([b"the", "naïve".encode(), "猫".encode()], "plain"),
        ([b"the", b" cat"], "byte_to_unicode"),
        ([b"the", b"\xff"], "byte_to_unicode"),
        ([b"the", b"the"], "byte_to_unicode"),
        ([b"the", b"<s>"], "byte_to_unicode"),
        ([b"the", b""], "byte_to_unicode"),
        ([b"the", "\u3000".encode()], "byte_to_unicode"),
        ([b"the", b"a\x0bb"], "byte_to_unicode"),
    ],
)
def test_tokens_are_written_as_they_are_where_that_can_be_read_back(texts: list[bytes], spelling: str) -> None:
    assert spelling_for(Vocabulary((*texts, b"\n"), len(texts))) == spelling
    assert spelling_for(Vocabulary((*texts, b"<unk>", b"\n"), len(texts) + 1, len(texts))) == spelling
