"""Trained tokenizers and encoded texts, kept by what they were made from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lmbench.corpus.cache import cached, check, key_of
from lmbench.progress import Progress, Silent
from lmbench.spec import Spec, parse
from lmbench.tokenizer import tokenizers
from lmbench.tokenizer.base import Tokenizer, load_state
from lmbench.tokens import Tokens

if TYPE_CHECKING:
    from lmbench.corpus.split import Splits
    from lmbench.corpus.text import Text

_FORMAT = 1  # of what is kept; part of every key


def load_tokenizer(folder: Path) -> Tokenizer:
    """Whatever tokenizer `save` wrote into `folder`. Raises LmbenchError naming the file where it is not whole."""
    kind: type[Tokenizer] = tokenizers.load(load_state(folder)["tokenizer"])
    return kind.load(folder)


def trained(spec: Spec | str, text: Text, cache: Path, progress: Progress | None = None) -> Tokenizer:
    """The tokenizer of `spec`, trained on `text`, or the one that was before on the same text."""
    spec = parse(spec) if isinstance(spec, str) else spec
    progress = progress or Silent()
    fresh: Tokenizer = tokenizers.make(spec)

    def build(folder: Path) -> None:
        fresh.train(text, progress).save(folder)

    key = key_of(_FORMAT, _library(), str(spec), fresh.hash, text.hash)
    return cached(cache / "tokenizer", key, build, load_tokenizer)


def encode_splits(
    tokenizer: Tokenizer, splits: Splits, cache: Path, progress: Progress | None = None
) -> tuple[Tokens, Tokens, Tokens]:
    """Train, valid and test as tokens of one vocabulary, mapped from the cache.

    Where one of them turns out not to come back from its ids as it was, none counts as lossless.
    """
    progress = progress or Silent()
    texts = (splits.train, splits.valid, splits.test)
    made = [encoded(tokenizer, text, cache, progress) for text in texts]
    vocabulary = made[0].vocabulary
    if not all(tokens.vocabulary.lossless for tokens in made):
        vocabulary = replace(vocabulary, lossless=False)
    train, valid, test = (replace(tokens, vocabulary=vocabulary) for tokens in made)
    return train, replace(valid, sources=splits.valid.sources), replace(test, sources=splits.test.sources)


def encoded(tokenizer: Tokenizer, text: Text, cache: Path, progress: Progress | None = None) -> Tokens:
    """The text's tokens, encoded now or before."""
    shown = progress or Silent()

    def build(folder: Path) -> None:
        tokenizer.encode(text, folder, shown)

    return cached(cache / "tokens", _tokens_key(tokenizer, text.hash, text.lines), build, Tokens.load)


def kept(tokenizer: Tokenizer, text_hash: str, lines: bool, cache: Path) -> Tokens | None:
    """The tokens of a text that was encoded before, of which only the hash is known; None where they are not kept."""
    entry = cache / "tokens" / _tokens_key(tokenizer, text_hash, lines)
    try:
        check(entry)
        return Tokens.load(entry)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _tokens_key(tokenizer: Tokenizer, text_hash: str, lines: bool) -> str:
    return key_of(_FORMAT, _library(), tokenizer.hash, text_hash, lines)


def _library() -> str:
    from importlib.metadata import version

    return version("tokenizers")
