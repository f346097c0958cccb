"""Shannon's series of approximations (1948) to a text: letters, words, all suffixes, and the networks of a run.

What a step is drawn from are the counts of the training text, or that text itself. What it is scored by is a model of
the same order that gives no event probability zero: modified Kneser-Ney on the tokens of `lmbench run`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lmbench.corpus import default_cache
from lmbench.corpus.scripts import MOST_UNSPACED, unspaced_share
from lmbench.corpus.segmenter import name as segmenter_name
from lmbench.corpus.split import Splits
from lmbench.counts.suffix_index import SuffixIndex
from lmbench.errors import LmbenchError, UsageError
from lmbench.generation.guessing import SHANNON
from lmbench.generation.sample import sample
from lmbench.generation.series import Copies, Method, approximation, copies, source_of
from lmbench.generation.text import stream
from lmbench.model import models
from lmbench.model.base import Model, Refittable
from lmbench.model.suffix import Suffix
from lmbench.pipeline.bounds import guesses_tokens
from lmbench.pipeline.opened import load_model, tokenizer_of
from lmbench.pipeline.series_text import beginning, folded, known, separated, shortened, splits_of_run
from lmbench.progress import Progress
from lmbench.record import Approximation, Record, Row, Series
from lmbench.runtime import Runtime
from lmbench.score.measure import BITS, with_unknown
from lmbench.spec import Spec
from lmbench.tokenizer._cache import encode_splits, encoded, trained
from lmbench.tokenizer.base import Tokenizer
from lmbench.tokens import Tokens, Vocabulary

LETTERS = (0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32)  # orders that are tried, until one only copies
WORDS = (1, 2, 3, 4, 5, 6)
CHARACTERS = 160  # of a sample
MOST = 8_000_000  # characters of training text: about 0.5 kB of memory each
_CODE_POINTS = 0x110000
_SUFFIX = Spec("suffix", {"smoothing": Spec("pitman_yor")})
_CHAR, _WORD = "char", "word(unknown=spell)"

Unit = Literal["letter", "word"]
Parts = tuple[Tokens, Tokens, Tokens]


@dataclass(frozen=True)
class Wanted:
    """What a series is asked for: `characters` of each sample, the highest `order` of letters and of words, and at most
    how many characters of the training text are counted, `most`."""

    letters: Literal["all", "27"] = "all"
    method: Method = "counts"
    order: int = LETTERS[-1]
    characters: int = CHARACTERS
    most: int = MOST
    seed: int = 0
    cache: Path = field(default_factory=default_cache)


class Steps:
    """The series of a text, one step after the other as they are asked for; `notes`: what is to be said of all."""

    def __init__(self, splits: Splits, wanted: Wanted, progress: Progress) -> None:
        """Raises LmbenchError where nothing is left of a part that is folded to 27 letters."""
        if wanted.letters == "27":
            with progress.task("folding to 27 letters"):
                splits = folded(splits)
        self.notes: list[str] = []
        whole, kept = splits.train.characters, shortened(splits.train, wanted.most)
        if kept.characters < whole:
            splits = replace(splits, train=kept)
            self.notes.append(
                f"{kept.characters:,} of the {whole:,} characters of training text are counted, from all over it: "
                "--most takes more"
            )
        self.splits = splits
        self.wanted = wanted
        self.progress = progress

    def __iter__(self) -> Iterator[Approximation]:
        yield from _until_copied(map(self._letters, self._orders(LETTERS)))
        yield from _until_copied(map(self._words, self._orders(WORDS) if self._word_index else ()))
        yield self._unbounded()

    def _orders(self, orders: Sequence[int]) -> list[int]:
        return [order for order in orders if order <= self.wanted.order]

    def series(self, steps: Sequence[Approximation]) -> Series:
        """`steps` with what is to be known of all of them."""
        return Series(
            letters=self.wanted.letters, alphabet=self.alphabet, words=self.words_by, method=self.wanted.method,
            seed=self.wanted.seed, train_characters=known(self.splits).characters,
            test_characters=self.splits.test.characters, steps=list(steps), notes=self.notes,
        )  # fmt: skip

    # the text

    @property
    def alphabet(self) -> int:
        """How many letters there are."""
        return len(SHANNON) if self.wanted.letters == "27" else self._characters[0].vocabulary.end_of_text

    @cached_property
    def spaced(self) -> bool:
        """Whether white space separates the words of the text."""
        return unspaced_share(beginning(self.splits.train)) <= MOST_UNSPACED

    @cached_property
    def words_by(self) -> str:
        """What tells words apart; empty where nothing does."""
        try:
            return "white space" if self.spaced else segmenter_name()
        except UsageError as error:
            self.notes.append(f"no words: {error}")
            return ""

    @cached_property
    def _separated(self) -> Splits | None:
        """The text with white space between its words; None where nothing tells them apart."""
        if self.spaced or not self.words_by:
            return self.splits if self.spaced else None
        with self.progress.task("finding words"):
            return separated(self.splits)

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return trained(_CHAR, self.splits.train, self.wanted.cache, self.progress)

    @cached_property
    def _characters(self) -> Parts:
        return encode_splits(self._tokenizer, self.splits, self.wanted.cache, self.progress)

    @cached_property
    def _spelled(self) -> Parts:
        assert self._separated is not None
        tokenizer = trained(_WORD, self._separated.train, self.wanted.cache, self.progress)
        return encode_splits(tokenizer, self._separated, self.wanted.cache, self.progress)

    # what is drawn from

    @cached_property
    def _suffix(self) -> Suffix:
        """All suffixes of the text in letters; its index is what the letters are drawn from, too."""
        model = self._fitted(_SUFFIX, self._characters)
        assert isinstance(model, Suffix)
        return model

    @cached_property
    def _word_index(self) -> tuple[SuffixIndex, Vocabulary] | None:
        if self._separated is None:
            return None
        text = known(self._separated)
        try:
            words = trained("word", text, self.wanted.cache, self.progress)
        except LmbenchError as error:
            self.notes.append(f"no words: {error}")
            return None
        tokens = encoded(words, text, self.wanted.cache, self.progress)
        return SuffixIndex.build(tokens, self.progress), tokens.vocabulary

    def _fitted(self, spec: Spec, parts: Parts) -> Model:
        model: Model = models.make(spec, runtime=Runtime("cpu", self.wanted.seed))
        fitted = model.fit(parts[0], parts[1], self.progress)
        if self.splits.refit and isinstance(fitted, Refittable):
            fitted.refit(parts[0] + parts[1], self.progress)
        return fitted

    def _drawn(self, index: SuffixIndex, order: int, vocabulary: Vocabulary, between: str) -> NDArray[np.int64]:
        """Ids of that order, as many as give a sample its characters with `between` between them."""
        ids, length = [], 0
        for found in approximation(
            source_of(self.wanted.method, index, self.wanted.seed), order, vocabulary.end_of_text
        ):
            ids.append(found)
            length += max(1, int(vocabulary.character_lengths[found])) + len(between)
            if length >= self.wanted.characters:
                break
        return np.array(ids, dtype=np.int64)

    # the steps

    def _letters(self, order: int) -> Approximation:
        if order == 0:
            return self._equally_likely()
        spec = Spec("ngram", {"order": order})
        vocabulary = self._characters[0].vocabulary
        text = "".join(stream(self._drawn(self._suffix.index, order, vocabulary, "").tolist(), vocabulary))
        model = self._fitted(spec, self._characters)
        bits = self._bits(model, self._characters)
        return self._made("letter", order, str(spec), _CHAR, bits, text, self._copies(text), model.card.notes)

    def _equally_likely(self) -> Approximation:
        """Zero order: every letter as likely as any other, documents' ends known."""
        vocabulary, test = self._characters[0].vocabulary, self._characters[2]
        drawn = np.random.default_rng(self.wanted.seed).integers(0, self.alphabet, self.wanted.characters)
        own = self.wanted.letters == "all"
        text = vocabulary.decode(drawn).decode("utf-8") if own else "".join(SHANNON[at] for at in drawn.tolist())
        bits, notes = math.log2(self.alphabet), []
        spelled = test.ids[test.ids > vocabulary.end_of_text] if own else test.ids[:0]
        if len(spelled):  # in bytes: characters that the training text does not have
            unseen = int(vocabulary.character_lengths[spelled].sum())
            bits = math.log2(self.alphabet + 1) + unseen / test.characters * math.log2(_CODE_POINTS)
            notes.append(
                f"zero order: characters of the held-out text that the training text does not have: {unseen:,}; one "
                f"more sign says so, and the character is one of {_CODE_POINTS:,} code points"
            )
        return self._made("letter", 0, "letters equally likely", _CHAR, bits, text, self._copies(text), notes)

    def _words(self, order: int) -> Approximation:
        assert self._word_index is not None
        index, vocabulary = self._word_index
        spec, between = Spec("ngram", {"order": order}), " " if self.spaced else ""
        ids = self._drawn(index, order, vocabulary, between)
        text, starts, ends = _laid_out([vocabulary.tokens[at].decode("utf-8") or "\n" for at in ids.tolist()], between)
        text = text[: 2 * self.wanted.characters]  # a word may be as long as the text
        starts, ends = np.minimum(starts, len(text)), np.minimum(ends, len(text))
        model = self._fitted(spec, self._spelled)
        bits = self._bits(model, self._spelled)
        found = copies(index, ids, starts, ends)
        return self._made("word", order, str(spec), _WORD, bits, text, found, model.card.notes)

    def _unbounded(self) -> Approximation:
        """The model of all suffixes, whose context has no limit."""
        text = _written(self._suffix, self._characters[0].vocabulary, self.wanted)
        bits = self._bits(self._suffix, self._characters)
        notes = self._suffix.card.notes
        return self._made("letter", None, str(_SUFFIX), _CHAR, bits, text, self._copies(text), notes)

    def network(self, folder: Path, record: Record, row: Row, device: str) -> Approximation:
        """The step of a row of a run on this very text."""
        vocabulary = tokenizer_of(folder, record.card).vocabulary
        text = _written(load_model(folder, row, device), vocabulary, self.wanted)
        tokens = record.card.tokenizer
        unit: Unit = "word" if tokens.split("(")[0] == "word" else "letter"
        return self._made(unit, None, row.model, tokens, row.bits_per_character, text, self._copies(text), row.notes)

    def _copies(self, text: str) -> Copies:
        ids = self._tokenizer.encode_text(text).astype(np.int64)
        ends = np.cumsum(self._characters[0].vocabulary.character_lengths[ids])
        return copies(self._suffix.index, ids, np.append(0, ends[:-1]), ends)

    def _bits(self, model: Model, parts: Parts) -> float | None:
        """Bits per character of the held-out text; None where they are infinite."""
        log_probs = with_unknown(model.log_probs(parts[2], self.progress), parts[2])
        total = -float(log_probs.sum()) * BITS
        return total / self.splits.test.characters if math.isfinite(total) else None

    def _made(
        self, unit: Unit, order: int | None, model: str, tokens: str, bits: float | None, text: str, found: Copies,
        notes: Sequence[str],
    ) -> Approximation:  # fmt: skip
        words = self._separated.test.words if self._separated is not None else 0
        return Approximation(
            unit=unit, order=order, model=model, tokens=tokens, bits_per_character=bits,
            bits_per_word=bits * self.splits.test.characters / words if bits is not None and words else None,
            sample=text, longest_match=found.longest, copied=found.share, only_copies=found.nothing_else,
            passages=found.passages, notes=list(notes),
        )  # fmt: skip


def steps_of_run(folder: Path, record: Record, wanted: Wanted, progress: Progress) -> Steps:
    """The series of a run's own text. Raises UsageError where its tokens have lost some of it."""
    return Steps(splits_of_run(folder, record, progress), wanted, progress)


def networks_of(record: Record) -> list[Row]:
    """The rows of a run that are networks and predict its tokens, the worst first."""
    found = [
        row
        for row in record.rows
        if row.parameters and not row.stored_ngrams and not row.control and row.distribution and guesses_tokens(row)
    ]
    return sorted(found, key=lambda row: -(row.nats_per_token or math.inf))


def _until_copied(steps: Iterator[Approximation]) -> Iterator[Approximation]:
    """`steps`, up to the first one that only copies. So does one that draws what the order before drew: behind no
    context of its sample the text had a choice."""
    before = ""
    for step in steps:
        found = step.model_copy(update={"only_copies": step.only_copies or step.sample == before})
        yield found
        if found.only_copies:
            return
        before = step.sample


def _written(model: Model, vocabulary: Vocabulary, wanted: Wanted) -> str:
    """What a model writes from the beginning of a document on."""
    none = np.zeros(0, dtype=np.int64)
    drawn = sample(model, none, 4 * wanted.characters + 16, vocabulary.end_of_text, seed=wanted.seed)
    text = ""
    for piece in stream(drawn, vocabulary, spaced=not vocabulary.lossless):
        text += piece
        if len(text) >= wanted.characters:
            break
    return text[: wanted.characters]


def _laid_out(pieces: list[str], between: str) -> tuple[str, NDArray[np.int64], NDArray[np.int64]]:
    """(the text, where each piece starts in it, where it ends), `between` standing between two words of a document.

    >>> _laid_out(["a", "b", "\\n", "c"], " ")[0]
    'a b\\nc'
    """
    text, starts, ends = "", [], []
    for piece in pieces:
        text += between if text and "\n" not in (text[-1], piece) else ""
        starts.append(len(text))
        text += piece
        ends.append(len(text))
    return text, np.array(starts, dtype=np.int64), np.array(ends, dtype=np.int64)
