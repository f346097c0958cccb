"""A tokenizer that somebody else trained, from its `tokenizer.json`."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from lmbench import files
from lmbench.corpus.text import text_of
from lmbench.errors import UsageError
from lmbench.progress import Progress
from lmbench.tokenizer._fast import Fast, byte_of_character, encode_batches, from_json
from lmbench.tokenizer._pieces import GPT2, LETTER_SPACE, Batch, batches
from lmbench.tokenizer.base import STATE, load_state, save_state, with_end
from lmbench.tokens import REMEDY, Tokens, Vocabulary

if TYPE_CHECKING:
    from lmbench.corpus.text import Text

__all__ = ["Pretrained"]

_ENDS = ("<|endoftext|>", "</s>", "<|end_of_text|>", "<eos>", "[EOS]", "<|eos|>", "<|im_end|>")
_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_SPACE = "\u2581"  # SentencePiece's visible space
_SAMPLE = 1 << 16
_GAPS = 1 << 16  # ids that no token has, at most


class Pretrained(Fast):
    """The tokenizer of a `tokenizer.json`, or of the folder that holds one; nothing to train.

    Its end of text is the special token that it has for that, else one more id. A space that it
    would put before a text is left away, so that the ids stand for the text and no more. Special
    tokens written out in a text are ordinary text. Whether the ids give the text back is checked
    on every text encoded: where they do not, no figure per byte is made.
    Every model of the run is then fitted on its tokens; the model `pretrained` is another thing, somebody else's
    weights, which reads the text by its own tokenizer whatever the run's is.

    Args:
        path: A `tokenizer.json`, or a folder with one in it.
    """

    def __init__(self, path: str) -> None:
        file = Path(path) / "tokenizer.json" if Path(path).is_dir() else Path(path)
        if not file.is_file():
            raise UsageError(f"pretrained: there is no {str(file)!r}; pass a tokenizer.json or the folder it is in")
        self.path = path
        self.lossless = True
        self.reason = ""
        self._adopt(file, lines=False)

    def _adopt(self, file: Path, lines: bool) -> None:
        with files.whole(file, "tokenizer.json", "give another one"):
            content = files.field({"": files.read_json(file, files.LARGE)}, "", dict)
            _without_prefix(content)
            self._tokenizer = from_json(content)
            self._tokenizer.no_truncation()
            self._tokenizer.no_padding()
            self._tokenizer.encode_special_tokens = True
            self._cut = _cut(content)
            self.vocabulary = self._vocabulary(content, _named_end(file.parent), lines)

    def _vocabulary(self, content: dict[str, Any], named: str | None, lines: bool) -> Vocabulary:
        ids = self._tokenizer.get_vocab(with_added_tokens=True)
        added = {entry["content"]: bool(entry["special"]) for entry in content.get("added_tokens", [])}
        end_token = next((token for token in (named, *_ENDS) if token in ids), None)
        size = max(ids.values(), default=-1) + 1
        if not ids or size > len(ids) + _GAPS:
            raise ValueError(f"ids up to {size:,} for {len(ids):,} tokens")
        end = size if end_token is None else ids[end_token]
        spelled = _spelling(content)
        tokens = [b""] * max(size, end + 1)
        for token, index in ids.items():
            if token in added:
                tokens[index] = b"" if added[token] else token.encode("utf-8")
            else:
                tokens[index] = spelled(token)
        unknown = content["model"].get("unk_token")
        unknown_id = ids.get(unknown) if isinstance(unknown, str) else None
        return with_end(Vocabulary(tuple(tokens), end, unknown_id if unknown_id != end else None), lines)

    @property
    def hash(self) -> str:
        end = self.vocabulary.end_of_text
        return hashlib.sha256(f"{end}\n{self._tokenizer.to_str()}".encode()).hexdigest()

    def train(self, text: Text, progress: Progress) -> Self:
        self.vocabulary = with_end(self.vocabulary, text.lines)
        return self

    def encode(self, text: Text, out: Path | None, progress: Progress) -> Tokens:
        cut = self._cut if self._cuts_cleanly(text) else None
        vocabulary = with_end(self.vocabulary, text.lines)

        def comes_back(batch: Batch, ids: list[list[int]]) -> bool:
            for piece, encoded in zip(batch.pieces, ids, strict=True):
                if b"".join([vocabulary.tokens[index] for index in encoded]) != piece.encode("utf-8"):
                    self.lossless, self.reason = False, f"its ids do not give back {piece[:40]!r}"
                    self.vocabulary = replace(self.vocabulary, lossless=False)
                    return False
            return True

        return encode_batches(self._tokenizer, batches(text, cut), vocabulary, text.bytes, out, progress, comes_back)

    def _cuts_cleanly(self, text: Text) -> bool:
        """Whether the beginning of the text has the same ids in pieces and in one."""
        if self._cut is None or not len(text.starts):
            return True
        start = int(text.starts[0])
        sample = text.data[start : min(start + _SAMPLE, int(text.ends[0]))].tobytes().decode("utf-8", errors="ignore")
        pieces = [piece for batch in batches(text_of([sample]), self._cut, size=64) for piece in batch.pieces]
        encode = self._tokenizer.encode_batch_fast
        parts = [index for encoding in encode(pieces, add_special_tokens=False) for index in encoding.ids]
        return bool(parts == encode([sample], add_special_tokens=False)[0].ids)

    def save(self, folder: Path) -> None:
        (folder / "tokenizer.json").write_text(self._tokenizer.to_str(), encoding="utf-8")
        named = self._tokenizer.id_to_token(self.vocabulary.end_of_text)
        config = {} if named is None else {"eos_token": named}
        (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
        state = {"lines": self.vocabulary.lines, "lossless": self.lossless, "reason": self.reason}
        save_state(folder, "pretrained", state)

    @classmethod
    def load(cls, folder: Path) -> Self:
        state = load_state(folder)
        with files.whole(folder / STATE, "pretrained tokenizer", REMEDY):
            files.size_of(folder / "tokenizer.json")  # which has to be a file of this folder, not one elsewhere
            lines, lossless = files.field(state, "lines", bool), files.field(state, "lossless", bool)
        tokenizer = cls(str(folder))
        tokenizer.vocabulary = with_end(tokenizer.vocabulary, lines)
        if not lossless:
            tokenizer.lossless, tokenizer.reason = False, str(state.get("reason", ""))
            tokenizer.vocabulary = replace(tokenizer.vocabulary, lossless=False)
        return tokenizer


def _parts(component: dict[str, Any] | None) -> list[dict[str, Any]]:
    """A normalizer, pre-tokenizer or decoder as the list of its steps."""
    if component is None:
        return []
    if component["type"] != "Sequence":
        return [component]
    steps = component.get("pretokenizers") or component.get("normalizers") or component.get("decoders") or []
    return [part for step in steps for part in _parts(step)]


def _without_prefix(content: dict[str, Any]) -> None:
    """Switch off the space that some tokenizers put before a text."""
    for step in _parts(content.get("pre_tokenizer")):
        if step["type"] == "ByteLevel":
            step["add_prefix_space"] = False
        if step["type"] == "Metaspace":
            step["prepend_scheme"] = "never"
            step.pop("add_prefix_space", None)
    normalizer = content.get("normalizer")
    if normalizer is not None:
        kept = [step for step in _parts(normalizer) if step["type"] != "Prepend"]
        content["normalizer"] = {"type": "Sequence", "normalizers": kept} if kept else None


def _cut(content: dict[str, Any]) -> re.Pattern[str] | None:
    """Where the text may be cut without changing an id; None where no such place is known."""
    steps = _parts(content.get("pre_tokenizer"))
    if len(steps) == 1 and steps[0]["type"] == "ByteLevel" and steps[0].get("use_regex", True):
        return GPT2
    splitting = ("ByteLevel", "Split", "Whitespace", "WhitespaceSplit", "BertPreTokenizer", "Metaspace")
    if any(step["type"] in splitting and step.get("use_regex", True) and step.get("split", True) for step in steps):
        return LETTER_SPACE
    return None


def _spelling(content: dict[str, Any]) -> Any:
    """The function from a token, as the file spells it, to its bytes."""
    steps = [*_parts(content.get("pre_tokenizer")), *_parts(content.get("decoder"))]
    if any(step["type"] == "ByteLevel" for step in steps):
        alphabet = byte_of_character()

        def byte_level(token: str) -> bytes:
            if all(character in alphabet for character in token):
                return bytes(alphabet[character] for character in token)
            return token.encode("utf-8")

        return byte_level

    def plain(token: str) -> bytes:
        byte = _BYTE.fullmatch(token)
        return bytes([int(byte.group(1), 16)]) if byte else token.replace(_SPACE, " ").encode("utf-8")

    return plain


def _named_end(folder: Path) -> str | None:
    """The end of text that `tokenizer_config.json`, beside the tokenizer, names."""
    try:
        config = files.read_json(folder / "tokenizer_config.json", files.LARGE, finite=False)
    except (OSError, ValueError):
        return None
    token = config.get("eos_token") if isinstance(config, dict) else None
    token = token.get("content") if isinstance(token, dict) else token
    return token if isinstance(token, str) else None
