"""Any bytes as tokens, from which they come back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmbench.codec.content import byte_tokens, tokens_of_bytes
from lmbench.corpus.text import text_of
from lmbench.errors import LmbenchError
from lmbench.progress import Silent
from lmbench.tokenizer import tokenizers
from lmbench.tokenizer.base import Tokenizer

TEXT = "The queen said né, 猫である。\nOff with\ther head\n" * 4
SPECS = ["byte", "char", "bpe(vocabulary=300)"]


def trained(spec: str, lines: bool) -> Tokenizer:
    from lmbench.spec import parse

    made: Tokenizer = tokenizers.make(parse(spec))
    parts = TEXT.splitlines() if lines else [TEXT]
    return made.train(text_of(parts, lines=lines), Silent())


KNOWN = [trained(spec, lines) for spec in SPECS for lines in (False, True)]
EVERY = st.one_of(st.binary(max_size=60), st.text(max_size=40).map(str.encode), st.sampled_from([b"", b"\n", b"a\n\n"]))


@given(EVERY)
@settings(max_examples=40, deadline=None)
def test_every_byte_comes_back(content: bytes) -> None:
    for tokenizer in KNOWN:
        tokens = tokens_of_bytes(content, tokenizer)
        back = tokenizer.vocabulary.decode(tokens.ids)
        assert back[: len(content)] == content
        assert back[len(content) :] in (b"", b"\n")
        assert len(tokens) <= len(content) + 1
        ends = tokens.ids[tokens.ends - 1] if len(tokens) else tokens.ids
        assert (ends == tokenizer.vocabulary.end_of_text).all()


@pytest.mark.parametrize("tokenizer", KNOWN[::2], ids=SPECS)
def test_a_text_has_the_tokens_that_are_scored(tokenizer: Tokenizer) -> None:
    scored = tokenizer.encode(text_of([TEXT]), None, Silent())
    assert np.array_equal(tokens_of_bytes(TEXT.encode(), tokenizer).ids, scored.ids)


def test_all_byte_values_have_tokens() -> None:
    for tokenizer in KNOWN:
        assert set(byte_tokens(tokenizer.vocabulary)) == set(range(256))


def test_a_tokenizer_that_loses_text_is_refused_with_the_reason() -> None:
    for spec in ("word", "word(unknown=spell)", "char(fallback=unknown)"):
        with pytest.raises(LmbenchError, match=r"lose text.*--tokenizer bpe, char or byte"):
            tokens_of_bytes("Zürich  lies".encode(), trained(spec, False))
