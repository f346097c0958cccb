"""The text that a run's models were trained on, indexed, so that it can be asked what it holds."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

from lmbench import files, store, written
from lmbench.corpus import default_cache
from lmbench.corpus.agreed import agreed
from lmbench.counts.suffix_index import SuffixIndex
from lmbench.errors import LmbenchError
from lmbench.pipeline.job import Plan, prepare
from lmbench.pipeline.opened import PLAN, demand_plan, tokenizer_of
from lmbench.progress import Progress, Silent
from lmbench.record import Record, Split
from lmbench.spec import parse
from lmbench.tokenizer._cache import kept
from lmbench.tokens import Tokens

KEPT = "suffix"
_REMEDY = "run again with --model suffix, which keeps it in the run's folder"


def training_index(folder: Path, progress: Progress | None = None) -> SuffixIndex:
    """The suffix index of the training tokens of the run in `folder` (with those of validation, where models had both).

    It is that of a `suffix` model of the run, or the one an earlier question left in FOLDER/suffix;
    else it is built, of the tokens in the cache or of the source that the record names, and left
    there. Raises LmbenchError where none of them has the tokens whose hash is on the record's card.
    """
    index = kept_index(folder)
    if index is not None:
        return index
    record, progress = store.read_record(folder), progress or Silent()
    index_of_text = SuffixIndex.build(_tokens(folder, record, progress), progress)
    _keep(index_of_text, folder / KEPT)
    return index_of_text


def kept_index(folder: Path) -> SuffixIndex | None:
    """That index, where the run has it already."""
    record = store.read_record(folder)
    for row in record.rows:
        index = files.inside(store.folder_of(folder, row), "index")
        if parse(row.model).name == "suffix" and index.is_dir():
            return _checked(SuffixIndex.load(index), index, record, folder)
    kept_here = files.inside(folder, KEPT)
    return _checked(SuffixIndex.load(kept_here), kept_here, record, folder) if kept_here.is_dir() else None


def _checked(index: SuffixIndex, folder: Path, record: Record, run: Path) -> SuffixIndex:
    card = record.card
    found, expected = [index.tokens_hash], [card.train.tokens_hash]
    if card.refit:  # of train + valid together the card has no hash
        found, expected = _hashes_of_parts(index, record, run), [card.train.tokens_hash, card.valid.tokens_hash]
    if found != expected:
        raise LmbenchError(f"{folder} is not an index of this run's training text; delete it and ask again")
    return index


def _hashes_of_parts(index: SuffixIndex, record: Record, run: Path) -> list[str]:
    """Those of the training and of the validation tokens in the text that was indexed."""
    tokenizer = tokenizer_of(run, record.card)
    vocabulary = replace(tokenizer.vocabulary, lossless=record.card.lossless and tokenizer.vocabulary.lossless)
    both = Tokens(index.text[1:], index.document_starts, vocabulary)
    size = record.card.train.tokens
    return [both.head(size).hash, both.tail(max(0, len(both) - size)).hash]


def training_parts(folder: Path, progress: Progress | None = None) -> tuple[Tokens, Tokens]:
    """The training and the validation tokens of the run in `folder`, from the cache or read again.

    Raises LmbenchError where neither has the tokens whose hashes are on the record's card.
    """
    record = store.read_record(folder)
    train, valid = _parts(folder, record, progress or Silent(), [record.card.train, record.card.valid])
    return train, valid


def _tokens(folder: Path, record: Record, progress: Progress) -> Tokens:
    card = record.card
    parts = _parts(folder, record, progress, [card.train, card.valid] if card.refit else [card.train])
    return parts[0] + parts[1] if card.refit else parts[0]


def _parts(folder: Path, record: Record, progress: Progress, parts: list[Split]) -> list[Tokens]:
    plan = Plan.of(record.plan)
    card = record.card
    # where the tokens of a text whose hash is known may lie, or be made, is the user's to say, not a stranger's
    cache = Path(plan.cache) if plan.cache and agreed(PLAN, record.plan) else default_cache()
    tokenizer = tokenizer_of(folder, card)
    found = [kept(tokenizer, part.hash, plan.lines, cache) for part in parts]
    tokens = [_as_on_card(part, card.lossless and tokenizer.vocabulary.lossless) for part in found if part is not None]
    expected = [part.tokens_hash for part in parts]
    if [part.hash for part in tokens] != expected:  # not kept, or without the documents that its pieces are of
        demand_plan(folder, record)
        tokens = _read_again(plan, folder, progress)[: len(parts)]
    if [part.hash for part in tokens] != expected:
        raise LmbenchError(f"{folder}: the training text has changed since the run; {_REMEDY}")
    return tokens


def _as_on_card(tokens: Tokens, lossless: bool) -> Tokens:
    """A part that came back as it was, of a text of which another did not: no part then counts as lossless."""
    if tokens.vocabulary.lossless == lossless:
        return tokens
    return replace(tokens, vocabulary=replace(tokens.vocabulary, lossless=lossless))


def _read_again(plan: Plan, folder: Path, progress: Progress) -> list[Tokens]:
    if "-" in (plan.source, plan.valid, plan.test):
        raise LmbenchError(f"{folder}: the text came by standard input and is no longer in the cache; {_REMEDY}")
    try:
        # of the models, which may need files or a device that are gone, none is wanted
        bare = replace(plan, models=("uniform",), estimators=(), device="cpu", match=None, shuffle_labels=False)
        job = prepare(bare, progress)
    except LmbenchError as error:
        raise LmbenchError(f"{folder}: the training text cannot be read again ({error}); {_REMEDY}") from error
    return [job.train, job.valid]


def _keep(index: SuffixIndex, folder: Path) -> None:
    """Save the index as `folder`, which appears whole; a folder that cannot be written is no hindrance to an answer."""
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        part.mkdir()
        index.save(part)
        part.rename(folder)
        written.note(folder)
    except OSError:
        shutil.rmtree(part, ignore_errors=True)
