"""Byte-pair encoding over bytes, trained here."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer

from lmbench import files
from lmbench.errors import UsageError
from lmbench.progress import Progress
from lmbench.tokenizer._fast import Fast, encode_batches, from_json, token_bytes
from lmbench.tokenizer._pieces import GPT2, batches
from lmbench.tokenizer.base import STATE, load_state, save_state, with_end
from lmbench.tokens import REMEDY, Tokens, Vocabulary

if TYPE_CHECKING:
    from lmbench.corpus.text import Text

__all__ = ["Bpe"]


class Bpe(Fast):
    """Byte-level byte-pair encoding (Sennrich et al. 2016; Radford et al. 2019), trained on the training text.

    Text is cut into words by GPT-2's pattern; within them the most frequent pair of tokens is
    merged until the vocabulary is full. All 256 bytes are in it, so any Unicode text comes back.

    Args:
        vocabulary: Ids altogether: 256 bytes, the merges, and the end of text. A small text may
            have fewer pairs to merge.
    """

    lossless = True

    def __init__(self, vocabulary: int = 4096) -> None:
        if vocabulary < 257:
            raise UsageError(f"bpe: vocabulary must be at least 257 (256 bytes and the end of text), not {vocabulary}")
        self.size = vocabulary
        self._adopt(_untrained(), lines=False)

    def _adopt(self, tokenizer: Tokenizer, lines: bool) -> None:
        self._tokenizer = tokenizer
        tokens = token_bytes(tokenizer)
        self.vocabulary = Vocabulary((*tokens, b"\n" if lines else b""), len(tokens))

    @property
    def hash(self) -> str:
        return hashlib.sha256(self._tokenizer.to_str().encode("utf-8")).hexdigest()

    def train(self, text: Text, progress: Progress) -> Self:
        tokenizer = _untrained()
        trainer = BpeTrainer(
            vocab_size=self.size - 1, initial_alphabet=sorted(ByteLevel.alphabet()), show_progress=False
        )
        with progress.task("training bpe", text.bytes) as task:

            def pieces() -> Any:
                for batch in batches(text, GPT2):
                    yield batch.pieces
                    task.advance(batch.bytes)
                task.show("merging")

            tokenizer.train_from_iterator(pieces(), trainer)
        self._adopt(tokenizer, text.lines)
        return self

    def encode(self, text: Text, out: Path | None, progress: Progress) -> Tokens:
        return encode_batches(
            self._tokenizer, batches(text, GPT2), with_end(self.vocabulary, text.lines), text.bytes, out, progress
        )

    def save(self, folder: Path) -> None:
        """Also writes `tokenizer.json`, which other programs read; its ids are these, but for the end of text."""
        (folder / "tokenizer.json").write_text(self._tokenizer.to_str(), encoding="utf-8")
        save_state(folder, "bpe", {"vocabulary": self.size, "lines": self.vocabulary.lines})

    @classmethod
    def load(cls, folder: Path) -> Self:
        state = load_state(folder)
        with files.whole(folder / STATE, "bpe tokenizer", REMEDY):
            tokenizer = cls(files.whole_number(state, "vocabulary", 257, 1 << 53))
            lines = files.field(state, "lines", bool)
        path = folder / "tokenizer.json"
        with files.whole(path, "bpe tokenizer", REMEDY):
            content = files.read_json(path, files.LARGE)
            _check(content)
            tokenizer._adopt(from_json(content), lines)
        return tokenizer


def _check(content: dict[str, Any]) -> None:
    """Raises ValueError where a tokenizer.json is not one that `Bpe` writes: its tokens 0 to V-1, each merge of two of
    them, and all else as it is before training."""
    own: dict[str, Any] = json.loads(_untrained().to_str())
    model = files.field(content, "model", dict)
    ids, merges = files.field(model, "vocab", dict), files.field(model, "merges", list)
    if content | {"model": None} != own | {"model": None} or model | _LEARNT != own["model"] | _LEARNT:
        raise ValueError("its settings are another tokenizer's")
    values = list(ids.values())
    if not all(type(value) is int for value in values) or sorted(values) != list(range(len(values))):
        raise ValueError("its ids are not 0 to V-1")
    for merge in merges:
        first, second = merge
        if not {first, second, first + second} <= ids.keys():
            raise ValueError("a merge of what are no tokens")


_LEARNT = {"vocab": None, "merges": None}


def _untrained() -> Tokenizer:
    alphabet = {character: index for index, character in enumerate(sorted(ByteLevel.alphabet()))}
    tokenizer = Tokenizer(BPE(vocab=alphabet, merges=[]))
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = ByteLevelDecoder()
    return tokenizer
