"""`word(unknown=spell)`: the ids of `word`, and beside them all that they leave out, with what it costs."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmbench.corpus.text import text_of
from lmbench.errors import LmbenchError, UsageError
from lmbench.progress import Silent
from lmbench.score.measure import measure, with_unknown
from lmbench.tokenizer import _pieces, tokenizers
from lmbench.tokenizer._cache import load_tokenizer
from lmbench.tokenizer._spelling import Gaps, Speller
from lmbench.tokenizer.base import STATE, Tokenizer
from lmbench.tokens import Tokens

TRAINING = ["the cat  sat\non the mat.\n", "the <unk> dog sat", "吾輩は 猫である", " the mat "]
ANY = st.one_of(
    st.text(alphabet="thecat \t\n\r\u3000\u00a0\x1c\x85\u2028é猫<unk>", max_size=40),
    st.lists(st.sampled_from(["the", " ", "cat", "  ", "\n", "<unk>", "zoë", "\r\n"]), max_size=12).map("".join),
    st.text(max_size=20),
)


def trained(spec: str, documents: list[str] = TRAINING, lines: bool = False) -> Tokenizer:
    tokenizer: Tokenizer = tokenizers.make(spec)
    return tokenizer.train(text_of(documents, lines=lines), Silent())


@pytest.fixture(scope="module")
def spelled() -> Tokenizer:
    return trained("word(unknown=spell)")


@settings(max_examples=200, deadline=None)
@given(st.lists(ANY, max_size=4), st.booleans(), st.integers(1, 12))
def test_the_text_comes_back_wherever_it_is_cut(
    spelled: Tokenizer, documents: list[str], lines: bool, size: int
) -> None:
    text = text_of(documents, lines=lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_pieces.batches, "__defaults__", (size, 3 * size))
        tokens = spelled.encode(text, None, Silent())
    end = "\n" if lines else ""
    assert tokens.lossless
    assert tokens.content() == "".join(document + end for document in documents)
    assert (tokens.bytes, tokens.characters) == (text.bytes, text.characters)
    costs = tokens.unknown_log_probs
    assert costs is not None
    assert np.isfinite(costs).all()
    assert (costs <= 0).all()


@settings(max_examples=60, deadline=None)
@given(st.lists(ANY, min_size=1, max_size=4), st.integers(0, 20), st.integers(0, 20))
def test_parts_and_sums_keep_what_is_theirs(spelled: Tokenizer, documents: list[str], head: int, tail: int) -> None:
    tokens = spelled.encode(text_of(documents), None, Silent())
    head, tail = min(head, len(tokens)), min(tail, len(tokens))
    assert tokens.content().startswith(tokens.head(head).content())
    assert tokens.content().endswith(tokens.tail(tail).content())
    assert (tokens + tokens).content() == 2 * tokens.content()
    assert (tokens + tokens).bytes == 2 * tokens.bytes


def test_the_ids_are_those_without_spelling(spelled: Tokenizer) -> None:
    """Of the words seen twice: what is unknown, and white space, change no id."""
    plain = trained("word(vocabulary=2)")
    text = text_of(["the  zebra\n mat. sat", "", "\u3000"])
    assert spelled.vocabulary.tokens == plain.vocabulary.tokens == (b"<unk>", b"the", b"sat", b"")
    assert spelled.encode(text, None, Silent()).ids.tolist() == plain.encode(text, None, Silent()).ids.tolist()


def test_kept_in_a_folder_it_is_the_same(spelled: Tokenizer, tmp_path: Path) -> None:
    text = text_of(["the zebra  sat\u3000", "Ω"])
    before = spelled.encode(text, None, Silent())
    spelled.encode(text, tmp_path, Silent())
    again = Tokens.load(tmp_path)
    assert again.content() == before.content()
    assert again.unknown_log_probs == pytest.approx(before.unknown_log_probs)
    (tmp_path / "again").mkdir()
    again.save(tmp_path / "again")
    assert Tokens.load(tmp_path / "again").content() == before.content()
    (tmp_path / "spelled.json").write_text('{"spaces": [], "words": []}')
    with pytest.raises(LmbenchError, match=r"spelled\.json"):
        Tokens.load(tmp_path)


def test_saved_and_loaded_it_codes_alike(spelled: Tokenizer, tmp_path: Path) -> None:
    spelled.save(tmp_path)
    after = load_tokenizer(tmp_path)
    assert after.hash == spelled.hash != trained("word(unknown=spell)", [*TRAINING, "one more"]).hash
    text = text_of(["the Ω🦊  cat"])
    one, other = (tokenizer.encode(text, None, Silent()) for tokenizer in (spelled, after))
    assert one.unknown_log_probs == pytest.approx(other.unknown_log_probs, abs=1e-12)
    state = (tmp_path / STATE).read_text().replace('"spelled"', '"spellt"')
    (tmp_path / STATE).write_text(state)
    with pytest.raises(LmbenchError, match=r"tokenizer\.state\.json"):
        load_tokenizer(tmp_path)


def test_spelling_by_hand() -> None:
    """The worked example of `Speller`: "a" alone at order 1; a character never seen is one of all code points."""
    speller = Speller({"a": 1}, order=1)
    assert math.exp(speller.log_prob("a")) == pytest.approx(25 / 144)
    assert math.exp(speller.log_prob("b")) == pytest.approx(1 / 2 / 3 / 0x110000 * 5 / 12)


@pytest.mark.parametrize("order", [1, 2, 4])
def test_spellings_sum_to_no_more_than_one(order: int) -> None:
    """All strings of up to nine of the two letters: nearly all there is, and never more."""
    speller = Speller({"ab": 3, "b": 2, "aab": 1, "ba": 1}, order)
    total = sum(
        math.exp(speller.log_prob("".join(word)))
        for length in range(13)
        for word in itertools.product("ab", repeat=length)
    )
    other = 1 / 4  # one of four is another character
    assert 1 - other < total < 1


def test_white_space_sums_to_one() -> None:
    gaps = Gaps({("a", " ", "b"): 3, ("a", "\n", "B"): 2, ("", "", "a"): 1})
    for left, right in (("a", "b"), ("a", "B"), ("", "a"), ("x", "y")):
        seen = math.fsum(math.exp(gaps.log_prob(left, gap, right)) for gap in ("", " ", "\n"))
        total = seen + 27 * math.exp(gaps.log_prob(left, "\t", right))
        for length in range(2, 40):
            total += 29**length * math.exp(gaps.log_prob(left, "\t" * length, right))
        assert total == pytest.approx(1, abs=1e-9)
    assert -1e9 < gaps.log_prob("a", " " * 100_000, "b") < -100_000


def test_white_space_by_hand() -> None:
    """After one gap " ": p(" ") = (1 + (1/2)^2 / 29) / 2 at each of the three levels, each into the next."""
    prob = 0.25 / 29
    for _ in range(3):
        prob = (1 + prob) / 2
    assert Gaps({("a", " ", "b"): 1}).log_prob("a", " ", "b") == pytest.approx(math.log(prob))


def test_figures_are_those_of_the_text() -> None:
    """Two tokens of 1/2 and 1/8 beside their spelling: the sum over bytes, words and tokens is that of both."""
    tokenizer = trained("word(unknown=spell)", ["a a a"], lines=True)
    tokens = tokenizer.encode(text_of(["zoë"], lines=True), None, Silent())
    speller, gaps = Speller({"a": 3}), Gaps({("", "", "a"): 1, ("a", " ", "a"): 2, ("a", "", ""): 1})
    beside = speller.log_prob("zoë") + gaps.log_prob("", "", "z") + gaps.log_prob("ë", "", "")
    nats = math.log(16) - beside
    score = measure(with_unknown(-np.log([2.0, 8.0]), tokens), tokens, words=1)
    assert score.nats_per_token == pytest.approx(nats / 2)
    assert score.bits_per_byte == pytest.approx(nats / math.log(2) / 5)  # z o ë of two bytes, and the newline
    assert score.bits_per_character == pytest.approx(nats / math.log(2) / 4)
    assert score.word_perplexity == pytest.approx(math.exp(nats))
    assert score.unknown_share == 0.5


def test_unknown_types_share_what_the_unknown_token_has() -> None:
    tokenizer = trained("word(vocabulary=1, unknown_types=8)", ["a a b"])
    tokens = tokenizer.encode(text_of(["a b"]), None, Silent())
    found = with_unknown(np.log([0.5, 0.5, 0.5]), tokens)
    assert found == pytest.approx(np.log([0.5, 0.5 / 8, 0.5]))
    assert measure(found, tokens, words=2).word_perplexity is None
    assert measure(found, tokens, words=2).unknown_share == pytest.approx(1 / 3)


def test_training_decides_alone() -> None:
    """What is encoded teaches nothing: the second time it costs the same."""
    tokenizer = trained("word(unknown=spell)")
    text = text_of(["zebra\n\nzebra"])
    first, second = (tokenizer.encode(text, None, Silent()).unknown_log_probs for _ in range(2))
    assert first == pytest.approx(second)
    assert first is not None
    assert tokenizer.encode(text_of(["zebra"]), None, Silent()).unknown_log_probs[0] != 0  # type: ignore[index]


def test_what_does_not_go_together_is_refused() -> None:
    for spec, match in (
        ("word(unknown=spell, lowercase=true)", "case of letters"),
        ("word(unknown=spell, unknown_types=5)", "loses nothing"),
        ("word(unknown_types=0)", "unknown_types must be 1 to"),
        ("word(unknown=letters)", "one of token, spell"),
    ):
        with pytest.raises(UsageError, match=match):
            tokenizers.make(spec)
