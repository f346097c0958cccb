"""A passage to guess, the record of a game, and a model of a run as a guesser."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from lmbench import files, store
from lmbench.corpus import default_cache, open_source
from lmbench.corpus.decode import Errors
from lmbench.corpus.split import shares_of, split
from lmbench.corpus.text import Text
from lmbench.errors import LmbenchError, UsageError
from lmbench.generation.guessing import SHANNON, Game, Letter, composed, reduced
from lmbench.model.base import Model, window_log_probs
from lmbench.pipeline.bounds import guesses_tokens
from lmbench.pipeline.job import split_of
from lmbench.pipeline.opened import load_model, scored_tokens_of, tokenizer_of
from lmbench.progress import Progress, Silent
from lmbench.record import Card, Row, first_fault
from lmbench.score.shannon import rank
from lmbench.tokenizer.base import Tokenizer

Alphabet = Literal["all", "27"]


class Found(BaseModel):
    """A guessed symbol, as `generation.guessing.Letter` has it."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    symbol: str
    before: int
    ties: int
    wrong: list[str]
    share: float | None


class GuessRecord(BaseModel):
    """One guesser's game on one passage; written anew after every guess, so that it can be gone on with.

    `start`: where the passage begins, in characters of the text it was taken from. `alphabet`: all symbols that could
    come. `wrong`: guesses at the symbol that is due.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    format: Literal[1] = 1
    player: str
    kind: Literal["person", "model"]
    gamble: bool
    source: str
    start: int
    reduction: Alphabet
    alphabet: str
    known: str
    passage: str
    letters: list[Found]
    wrong: list[str]
    started: str

    @model_validator(mode="after")
    def _of_one_game(self) -> Self:
        """Passage, alphabet and letters are those of one game, whose rules they keep."""
        symbols = set(self.alphabet)
        if not self.passage or not self.alphabet or len(symbols) < len(self.alphabet):
            raise ValueError("the passage or the alphabet is empty, or a symbol stands in the alphabet twice")
        if self.reduction == "27" and self.alphabet != SHANNON:
            raise ValueError("the alphabet is not that of 27 letters")
        if not symbols.issuperset(self.passage):
            raise ValueError("the passage has a symbol that is not in the alphabet")
        if self.start < 0 or len(self.letters) > len(self.passage):
            raise ValueError("the passage begins before the text, or has fewer symbols than were found")
        betting = self.gamble or self.kind == "model"
        for number, (letter, due) in enumerate(zip(self.letters, self.passage, strict=False)):
            if letter.symbol != due:
                raise ValueError(f"letter {number} is not that of the passage")
            if not (letter.before >= 0 and 1 <= letter.ties <= len(symbols) - letter.before):
                raise ValueError(f"letter {number} has a rank that is none in an alphabet of {len(symbols)}")
            if betting != (letter.share is not None) or not 0 <= (letter.share or 0.0) <= 1 + 1e-9:
                raise ValueError(f"letter {number} has a bet, and should have none, or the other way round")
            _wrong(letter.wrong, due, symbols, f"letter {number}")
            if not betting and len(letter.wrong) != letter.before:
                raise ValueError(f"letter {number} was not found after its {len(letter.wrong)} wrong guesses")
        _wrong(self.wrong, self.passage[len(self.letters) :][:1], symbols, "the symbol that is due")
        return self

    def game(self) -> Game:
        """The game as far as it has come."""
        letters = [Letter(**letter.model_dump()) for letter in self.letters]
        return Game(self.known, self.passage, self.alphabet, letters, list(self.wrong))

    def after(self, game: Game) -> GuessRecord:
        """The record of `game`, a later state of the same one."""
        letters = [Found(**asdict(letter)) for letter in game.letters]
        return self.model_copy(update={"letters": letters, "wrong": list(game.wrong)})

    @property
    def done(self) -> bool:
        return len(self.letters) == len(self.passage)


def _wrong(wrong: list[str], due: str, symbols: set[str], name: str) -> None:
    """Raises ValueError where they are no wrong guesses at the symbol `due`, which is empty once all are found."""
    if len(set(wrong)) < len(wrong) or not symbols.issuperset(wrong) or due in wrong or (wrong and not due):
        raise ValueError(f"{name} has wrong guesses that could not be made")


def opened(
    source: str,
    *,
    fractions: str | None = None,
    encoding: str | None = None,
    errors: Errors = "strict",
    text_field: str = "text",
    reduction: Alphabet = "all",
    start: int | None = None,
    seed: int = 0,
    length: int = 100,
    context: int = 100,
    player: str = "person",
    gamble: bool = False,
    progress: Progress | None = None,
) -> GuessRecord:
    """A game not yet begun, on a passage of the part of `source` that `lmbench run` would test models on.

    `start` None: a place drawn by `seed`. The passage is `length` symbols, after up to `context` known ones, within
    one document. Raises UsageError where the text has no such place.
    """
    if fractions is not None:
        shares_of(fractions)
    corpus = open_source(
        source, encoding=encoding, errors=errors, text_field=text_field, cache=default_cache(),
        progress=progress or Silent(),
    )  # fmt: skip
    cut = split(corpus.text, split_of(corpus, fractions), valid=corpus.valid, test=corpus.test, name=source)
    alphabet = SHANNON if reduction == "27" else _characters(cut.train, cut.valid, cut.test)
    documents = [_prepared(cut.test.document(index), reduction) for index in range(len(cut.test.starts))]
    known, passage, start = passage_of(documents, start, seed, length, context)
    return fresh(corpus.name, start, reduction, alphabet, known, passage, player=player, gamble=gamble)


def opened_in_run(folder: Path, *, start: int | None, seed: int, length: int, context: int, player: str) -> GuessRecord:
    """A game not yet begun on the test text of the run in `folder`: the passage that `opened` finds in its source."""
    record = store.read_record(folder)
    documents = [composed(document) for document in _test_documents(folder, record.card)]
    alphabet = "".join(sorted(set("".join(documents)) | _in_vocabulary(tokenizer_of(folder, record.card))))
    known, passage, start = passage_of(documents, start, seed, length, context)
    return fresh(record.card.corpus, start, "all", alphabet, known, passage, player=player)


def fresh(
    source: str, start: int, reduction: Alphabet, alphabet: str, known: str, passage: str, *, player: str,
    kind: Literal["person", "model"] = "person", gamble: bool = False,
) -> GuessRecord:  # fmt: skip
    return GuessRecord(
        player=player, kind=kind, gamble=gamble, source=source, start=start, reduction=reduction, alphabet=alphabet,
        known=known, passage=passage, letters=[], wrong=[], started=store.now().isoformat(),
    )  # fmt: skip


def same_passage(
    other: GuessRecord, player: str, kind: Literal["person", "model"] = "person", gamble: bool = False
) -> GuessRecord:
    """A game not yet begun on the passage of another."""
    return fresh(
        other.source, other.start, other.reduction, other.alphabet, other.known, other.passage,
        player=player, kind=kind, gamble=gamble,
    )  # fmt: skip


def passage_of(documents: list[str], start: int | None, seed: int, length: int, context: int) -> tuple[str, str, int]:
    """(text known beforehand, passage, where it starts): `start` counts characters through all documents.

    Without `start` a place is drawn among those with `context` characters before them in their document, where there
    are such, else among document beginnings and what lies near them. A document's end cuts a passage of a given
    `start` short.
    """
    sizes = np.array([len(document) for document in documents], dtype=np.int64)
    first = np.cumsum(sizes) - sizes
    if start is None:
        need = context if (sizes - length - context >= 0).any() else 0
        room = np.maximum(sizes - length - need + 1, 0)
        if not room.sum():
            longest = int(sizes.max(initial=0))
            raise UsageError(f"the text has no passage of {length} symbols in one document: its longest has {longest}")
        place = int(np.random.default_rng(seed).integers(int(room.sum())))
        index = int(np.searchsorted(np.cumsum(room), place, "right"))
        offset = place - int(np.cumsum(room)[index] - room[index]) + need
    else:
        index = int(np.searchsorted(first, start, "right")) - 1
        if start >= int(sizes.sum()):
            raise UsageError(f"--passage {start}: the text to guess in has {int(sizes.sum()):,} characters")
        offset = start - int(first[index])
    document = documents[index]
    known = document[max(0, offset - context) : offset] if context else ""
    return known, document[offset : offset + length], int(first[index]) + offset


def _prepared(document: str, reduction: Alphabet) -> str:
    return reduced(document) if reduction == "27" else composed(document)


def _characters(*parts: Text) -> str:
    """Every character of the text, in order of their code points."""
    found: set[str] = set()
    for part in parts:
        for index in range(len(part.starts)):
            found |= set(composed(part.document(index)))
    return "".join(sorted(found))


def _test_documents(folder: Path, card: Card) -> list[str]:
    tokens = scored_tokens_of(folder, card)
    decode = tokens.vocabulary.decode
    ends = tokens.ends - 1
    return [
        decode(tokens.ids[low:high]).decode("utf-8", errors="replace")
        for low, high in zip(tokens.documents.tolist(), ends.tolist(), strict=True)
    ]


def _in_vocabulary(tokenizer: Tokenizer) -> set[str]:
    """The characters that are tokens of their own; of a vocabulary of bytes the ASCII ones that can be printed."""
    vocabulary = tokenizer.vocabulary
    found = set()
    for token in vocabulary.tokens[: vocabulary.end_of_text]:  # after it come the bytes of a char vocabulary
        try:
            text = token.decode("utf-8")
        except UnicodeDecodeError:
            continue
        if len(text) == 1 and (text.isprintable() or text in "\n\t"):
            found.add(text)
    return found


def record_path(out: Path, record: GuessRecord) -> Path:
    """A new file's name: OUT/<date>-<source>-<start>-<player>.json."""
    store.make_folder(out)
    stem = f"{record.started[:10]}-{store.slug(record.source, 30)}-{record.start}-{store.slug(record.player, 40)}"
    path = out / f"{stem}.json"
    number = 1
    while path.exists():
        number += 1
        path = out / f"{stem}-{number}.json"
    return path


def write_guesses(path: Path, record: GuessRecord) -> None:
    """Replace the file by `record`, in one step."""
    content = json.dumps(record.model_dump(mode="json"), indent=1, ensure_ascii=False, allow_nan=False)
    with store.atomic(path) as handle:
        handle.write((content + "\n").encode())


def read_guesses(path: Path) -> GuessRecord:
    """Raises LmbenchError naming the file where it is no whole record of a game."""
    try:
        return GuessRecord.model_validate(files.read_json(path))
    except OSError as error:
        raise LmbenchError(f"{path}: {error.strerror or error}; it is no record of a game") from error
    except ValidationError as error:
        raise LmbenchError(f"{path} is no whole record of a game ({first_fault(error)})") from error
    except files.FAULTS as error:
        raise LmbenchError(f"{path} is no whole record of a game ({error})") from error


def find_guesses(name: str, out: Path, unfinished: bool = False) -> Path:
    """The file of a game: a path, a unique part of a name in `out`, or `latest` (of those to go on with, if asked)."""
    if Path(name).is_file():
        return Path(name)
    files = sorted(out.glob("*.json"), key=lambda path: path.stat().st_mtime)
    if name == "latest":
        fitting = [path for path in files if not unfinished or not read_guesses(path).done][-1:]
    else:
        fitting = [path for path in files if path.stem == name] or [path for path in files if name in path.stem]
    if len(fitting) == 1:
        return fitting[0]
    known = ", ".join(path.stem for path in files[-6:]) or "none"
    what = "no game to go on with" if name == "latest" else f"{'more than one' if fitting else 'no'} record {name!r}"
    raise UsageError(f"there is {what} in {out} (it holds: {known}); give a path, or --out another folder")


def played_by_model(
    record: GuessRecord, folder: Path, row: Row, device: str = "cpu", progress: Progress | None = None
) -> tuple[GuessRecord, list[str]]:
    """A model of the run in `folder` on the record's passage, and what should be said of it.

    It knows all that a person would be shown, ranks the alphabet by probability, and bets by it: the probability of
    each symbol among those of the alphabet. Raises UsageError where its tokens are not symbols.
    """
    if not guesses_tokens(row):
        raise UsageError(f"{row.model} has tokens of its own: it cannot be asked for the next symbol")
    card = store.read_record(folder).card
    tokenizer = tokenizer_of(folder, card)
    first, sharing = _first_tokens(record, tokenizer, card.tokenizer)
    said = []
    if not any(record.passage in composed(document) for document in _test_documents(folder, card)):
        said.append(f"the passage is not in the test text of {folder.name}: the model may have been trained on it")
    model: Model = load_model(folder, row, device)
    game = record.game()
    with (progress or Silent()).task(f"guessing: {row.model}", len(game.passage)) as task:
        while not game.done:
            scores = _scores(model, tokenizer, game.text)[first] - np.log(sharing)
            place = game.alphabet.index(game.due)
            before, ties = rank(scores, np.array([place]))
            total = np.logaddexp.reduce(scores)  # of a context in which every symbol is impossible nothing is known
            share = float(np.exp(scores[place] - total)) if np.isfinite(total) else 1 / len(scores)
            game.letters.append(Letter(game.due, int(before[0]), int(ties[0]), [], share))
            task.advance()
    return record.after(game), said


def _scores(model: Model, tokenizer: Tokenizer, text: str) -> NDArray[np.float64]:
    """[V] nats after `text`, of which a model is not told, as a person is not, whether a document begins with it."""
    ids = tokenizer.encode_text(text).astype(np.int64)
    return window_log_probs(model, ids[None])[0] if len(ids) else model.next_log_probs(ids)


def _first_tokens(record: GuessRecord, tokenizer: Tokenizer, spec: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """[A] the first token of each symbol, and how many symbols share it (those that the vocabulary spells in bytes)."""
    kind = spec.split("(")[0]
    if kind not in ("char", "byte"):
        raise UsageError(f"the run's tokens are {kind}; symbols are guessed by models of a run with --tokenizer char")
    if kind == "byte" and not (record.known + record.passage).isascii():
        raise UsageError("a model of bytes guesses ASCII passages only; make a run with --tokenizer char")
    if record.reduction == "27" and (extra := _in_vocabulary(tokenizer) - set(record.alphabet)):
        raise UsageError(
            f"this passage is in 27 letters, the run's text is not (it has {len(extra)} more): make a run on a text "
            "of those letters, or play with --alphabet all"
        )
    first = np.array([int(tokenizer.encode_text(symbol)[0]) for symbol in record.alphabet], dtype=np.int64)
    return first, np.bincount(first)[first]
