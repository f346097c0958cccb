from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from lmbench.corpus.text import text_of
from lmbench.errors import LmbenchError, UsageError
from lmbench.progress import Silent
from lmbench.tokenizer import _pieces, tokenizers
from lmbench.tokenizer._cache import load_tokenizer
from lmbench.tokenizer.base import Tokenizer as Ours

TRAINING = [
    "The cat sat on the mat. It's the cat's mat!\nAnd a dog, too.",
    "吾輩は猫である。",
    "a cat a mat a sat",
    "The cat.\nThe mat.\n\nThe",
] * 5
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def gpt2() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, special_tokens=["<|endoftext|>"])
    tokenizer.train_from_iterator(TRAINING, trainer)
    return tokenizer


def llama3() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    split = pre_tokenizers.Split(Regex(LLAMA3), behavior="isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(TRAINING, trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet))
    tokenizer.add_special_tokens(["<|begin_of_text|>", "<|end_of_text|>"])
    return tokenizer


def llama2() -> Tokenizer:
    """SentencePiece's byte fall-back, a space before every text, no cutting into words."""
    vocabulary = {"<unk>": 0, "<s>": 1, "</s>": 2} | {f"<0x{value:02X}>": 3 + value for value in range(256)}
    for token in ["\u2581", *"abcdefghijklmnopqrstuvwxyzT.", "\u2581a", "at", "th", "\u2581c"]:
        vocabulary[token] = len(vocabulary)
    merges = [("\u2581", "a"), ("a", "t"), ("t", "h"), ("\u2581", "c")]
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    steps = [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence(steps)
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
    return tokenizer


KINDS = {"gpt2": gpt2, "llama3": llama3, "llama2": llama2}


def ours(tokenizer: Tokenizer, folder: Path) -> Ours:
    tokenizer.save(str(folder / "tokenizer.json"))
    made: Ours = tokenizers.make(f"pretrained({folder})")
    return made


@pytest.fixture(scope="module", params=list(KINDS))
def kind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ours:
    return ours(KINDS[request.param](), tmp_path_factory.mktemp(request.param))


FRAGMENTS = [
    "The",
    " the",
    " cat",
    "'s",
    " mat",
    "!",
    ".",
    ",",
    " ",
    "  ",
    "\n",
    "\n\n",
    ".\n",
    "\r\n",
    "吾輩は",
    "猫",
    "。",
]
TRICKY = st.one_of(
    st.text(alphabet=st.sampled_from(list("aTt's  \t\n\r.,。猫é\u0301😀1<|>/")), max_size=50),
    st.lists(st.sampled_from(FRAGMENTS), max_size=15).map("".join),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(TRICKY, st.sampled_from(["<|endoftext|>", "</s>", "a<|end_of_text|>b"])), max_size=3))
def test_any_text_comes_back(kind: Ours, documents: list[str]) -> None:
    text = text_of(documents)
    tokens = kind.encode(text, None, Silent())
    assert tokens.vocabulary.lossless
    assert tokens.vocabulary.decode(tokens.ids).decode() == "".join(documents)
    assert tokens.bytes == text.bytes
    assert [tokens.document(index)[-1] for index in range(len(documents))] == [kind.vocabulary.end_of_text] * len(
        documents
    )
    assert int((tokens.ids == kind.vocabulary.end_of_text).sum()) == len(documents)  # never from the text


@settings(max_examples=60, deadline=None)
@given(st.lists(TRICKY, max_size=3), st.integers(1, 10))
def test_where_a_text_is_cut_changes_no_id(kind: Ours, documents: list[str], size: int) -> None:
    whole = kind.encode(text_of(documents), None, Silent())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_pieces.batches, "__defaults__", (size, 3 * size))
        pieces = kind.encode(text_of(documents), None, Silent())
    assert pieces.ids.tolist() == whole.ids.tolist()


@pytest.mark.parametrize(
    ("name", "end"), [("gpt2", "<|endoftext|>"), ("llama3", "<|end_of_text|>"), ("llama2", "</s>")]
)
def test_its_own_end_of_text_is_used(name: str, end: str, tmp_path: Path) -> None:
    theirs = KINDS[name]()
    tokenizer = ours(theirs, tmp_path)
    assert tokenizer.vocabulary.end_of_text == theirs.token_to_id(end)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"eos_token": {"content": "a"}}))
    assert tokenizers.make(f"pretrained({tmp_path})").vocabulary.end_of_text == theirs.token_to_id("a")


def test_ids_are_the_librarys_own(tmp_path: Path) -> None:
    theirs = llama3()
    tokenizer = ours(theirs, tmp_path)
    document = "The cat's mat.\n\nAnd a dog 123, too"
    assert tokenizer.encode_text(document).tolist() == theirs.encode(document).ids


def test_without_an_end_of_text_it_gets_one_more_id(tmp_path: Path) -> None:
    theirs = Tokenizer(models.WordLevel({"<unk>": 0, "a": 1}, unk_token="<unk>"))
    theirs.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = ours(theirs, tmp_path)
    assert (tokenizer.vocabulary.end_of_text, tokenizer.vocabulary.unknown, len(tokenizer.vocabulary)) == (2, 0, 3)


def test_text_that_is_lost_is_noticed(tmp_path: Path) -> None:
    theirs = gpt2()
    theirs.normalizer = normalizers.Lowercase()
    tokenizer = ours(theirs, tmp_path)
    assert tokenizer.encode(text_of(["all lower case"]), None, Silent()).vocabulary.lossless
    tokens = tokenizer.encode(text_of(["not ALL"]), None, Silent())
    assert not tokens.vocabulary.lossless
    assert not tokenizer.lossless
    tokenizer.save(tmp_path)
    assert not load_tokenizer(tmp_path).lossless


def test_added_tokens_that_are_not_special_stand_for_themselves(tmp_path: Path) -> None:
    theirs = gpt2()
    theirs.add_tokens([AddedToken("   ", normalized=False), AddedToken("猫である", normalized=False)])
    tokenizer = ours(theirs, tmp_path)
    tokens = tokenizer.encode(text_of(["a   b 猫である"]), None, Silent())
    assert tokens.vocabulary.lossless
    assert tokens.vocabulary.decode(tokens.ids).decode() == "a   b 猫である"


@pytest.mark.parametrize("name", list(KINDS))
def test_saved_and_loaded_it_is_the_same(name: str, tmp_path: Path) -> None:
    before = ours(KINDS[name](), tmp_path)
    before.train(text_of(["x"], lines=True), Silent())
    (tmp_path / "saved").mkdir()
    before.save(tmp_path / "saved")
    after = load_tokenizer(tmp_path / "saved")
    assert after.hash == before.hash
    assert after.vocabulary.hash == before.vocabulary.hash
    assert after.encode_text("The cat 猫").tolist() == before.encode_text("The cat 猫").tolist()


def test_missing_and_malformed_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"pass a tokenizer\.json"):
        tokenizers.make(f"pretrained({tmp_path})")
    for content in ("", "{}", "[]", '{"model": {}}'):
        (tmp_path / "tokenizer.json").write_text(content)
        with pytest.raises(LmbenchError, match=r"not a whole saved tokenizer\.json"):
            tokenizers.make(f"pretrained({tmp_path / 'tokenizer.json'})")
