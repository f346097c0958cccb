"""The text of Shannon's series: folded to his alphabet, cut into words, or had back from the tokens of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from lmbench.corpus.segmenter import segments
from lmbench.corpus.split import Splits
from lmbench.corpus.text import Text, text_of
from lmbench.errors import LmbenchError, UsageError
from lmbench.generation.guessing import reduced
from lmbench.pipeline.opened import scored_tokens_of
from lmbench.pipeline.training_text import training_parts
from lmbench.progress import Progress
from lmbench.record import Record
from lmbench.tokens import Tokens

_JOINTS = "\x1f\x1e\x1d\x1c"  # white space to str.split(), which no ordinary text has: one stands between two words
_MANY = 1000  # documents
_LOOKED_AT = 100_000  # characters by which the script is told


def splits_of_run(folder: Path, record: Record, progress: Progress) -> Splits:
    """The text of a run, from its tokens. Raises UsageError where these have lost some of it."""
    parts = [*training_parts(folder, progress), scored_tokens_of(folder, record.card)]
    if not all(part.lossless for part in parts):
        raise UsageError(
            f"{folder}: its tokens ({record.card.tokenizer}) have lost some of the text; give one with --tokenizer "
            "char, bpe, byte or 'word(unknown=spell)'"
        )
    train, valid, test = (_text_of_tokens(part) for part in parts)
    return Splits(train, valid, test, record.card.split_rule, record.card.refit)


def _text_of_tokens(tokens: Tokens) -> Text:
    """The documents as they were; the end of a line belongs to none."""
    spelled = tokens.texts() if tokens.spelled is not None else None
    documents = []
    ends = tokens.ends[: len(tokens.documents)]  # without documents there is one end all the same
    for start, end in zip(tokens.documents.tolist(), ends.tolist(), strict=True):
        if spelled is not None:
            documents.append("".join(spelled[start:end]))
        else:
            documents.append(tokens.vocabulary.decode(tokens.ids[start : end - 1]).decode("utf-8"))
    return text_of(documents, tokens.vocabulary.lines)


def folded(splits: Splits) -> Splits:
    """The text in Shannon's 27 letters. Raises LmbenchError where nothing is left of a part."""
    found = _in_all(splits, reduced)
    for name in ("train", "valid", "test"):
        if not getattr(found, name).bytes:
            raise LmbenchError(
                f"nothing of the {name} text is left in the letters a to z; leave out --letters 27 for a text in "
                "another script"
            )
    return found


def shortened(text: Text, most: int) -> Text:
    """At most about so many characters of a text, from all over it: every k-th of many documents, of few the beginning
    of each."""
    size = text.characters
    if size <= most:
        return text
    count = len(text.starts)
    if count >= _MANY:
        step = -(-size // most)
        return text_of((text.document(index) for index in range(0, count, step)), text.lines)
    return text_of((document[: max(1, len(document) * most // size)] for document in _documents(text)), text.lines)


def separated(splits: Splits) -> Splits:
    """The text with one and the same white space between all words that none separates, as the segmenter finds them.

    Without that character it is the text again: it occurs nowhere else.
    """
    used = {byte for text in (splits.train, splits.valid, splits.test) for byte in np.unique(text.data).tolist()}
    free = [each for each in _JOINTS if ord(each) not in used]
    if not free:
        raise LmbenchError("the text has the characters U+001C to U+001F, so that none is left to stand between words")
    return _in_all(splits, lambda document: _with_joints(segments(document), free[0]))


def _with_joints(pieces: list[str], joint: str) -> str:
    """
    >>> _with_joints(["猫", "だ", "。", " ", "a"], "|")
    '猫|だ|。 a'
    """
    found: list[str] = []
    for piece in pieces:
        if found and not (found[-1][-1].isspace() or piece[0].isspace()):
            found.append(joint)
        found.append(piece)
    return "".join(found)


def known(splits: Splits) -> Text:
    """What counts are taken of in the end: the training text, and with a split in two parts the validation text too."""
    if not splits.refit:
        return splits.train
    return text_of((*_documents(splits.train), *_documents(splits.valid)), splits.train.lines)


def beginning(text: Text) -> str:
    """Its first characters, of as many documents as it takes."""
    found = ""
    for document in _documents(text):
        found += document[: _LOOKED_AT - len(found)]
        if len(found) >= _LOOKED_AT:
            break
    return found


def _documents(text: Text) -> Iterator[str]:
    return (text.document(index) for index in range(len(text.starts)))


def _in_all(splits: Splits, change: Callable[[str], str]) -> Splits:
    """Every document changed; those of which nothing is left are left out."""

    def part(text: Text) -> Text:
        return text_of((changed for document in _documents(text) if (changed := change(document))), text.lines)

    return replace(splits, train=part(splits.train), valid=part(splits.valid), test=part(splits.test))
