"""An ARPA file to a back-off model over a vocabulary."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmbench.corpus.compression import open_binary, readable
from lmbench.counts.arpa.levels import DuplicateError, Levels
from lmbench.counts.arpa.lines import Lines, read_fast, read_slowly
from lmbench.counts.arpa.names import SPELLINGS, Spelling, names
from lmbench.counts.arpa.numbering import Numbering, number, vocabulary_of
from lmbench.counts.arpa.restrict import restrict
from lmbench.counts.arpa.write import LOG_ZERO
from lmbench.counts.backoff import BackoffModel
from lmbench.errors import LmbenchError
from lmbench.progress import Progress, Silent, Task
from lmbench.tokens import Vocabulary

BLOCK = 1 << 24  # bytes read and parsed together; a line must be shorter
MAX_ORDER = 32
_PREAMBLE = 1 << 20  # bytes that may stand before \data\
_COUNT = re.compile(r"ngram\s+(\d{1,9})\s*=\s*(\d{1,18})")
_SPELLING = re.compile(r"#\s*tokens:\s*(\S+)")


@dataclass(frozen=True, eq=False)
class Arpa:
    """What an ARPA file says, for the tokens of `vocabulary`.

    `model`: the back-off model. It takes `aliases[id]` ([V] int32) for each token's id: the
    token's own, or `unknown` for the `shared` tokens that have no word in the file (the
    vocabulary's unknown token among them), which divide the probability of `unknown` equally.

    `words`, `outside`: words in the file, and how many of them are no tokens: their probability
    is part of that of `unknown`, or where nothing is unknown is divided among all tokens.
    `left_out`: n-grams nobody can ask for (`<s>` predicted, or `</s>` or a word outside the
    vocabulary as context). `inserted`: prefixes that the file has not. `has_unknown`, `has_end`:
    whether it has `<unk>` and `</s>`.
    """

    model: BackoffModel
    vocabulary: Vocabulary
    aliases: NDArray[np.int32]
    unknown: int
    shared: int
    words: int
    outside: int
    left_out: int
    inserted: int
    has_unknown: bool
    has_end: bool


def read_arpa(
    path: Path,
    vocabulary: Vocabulary | None = None,
    spelling: Spelling | None = None,
    progress: Progress | None = None,
) -> Arpa:
    r"""Read an ARPA file, plain or compressed (.gz, .xz, .bz2, .zst, .zip), as a stream.

    `vocabulary`: whose tokens the words become, matched by bytes; None: the file's own words.
    `spelling`: how tokens are written in it (`names`); None: as its comment says, else `plain`.
    N-grams may come in any order; a back-off that is missing is log 1; the header's counts are
    checked and nothing is allocated by them. Values are kept as float32, which is what KenLM keeps.

    Raises LmbenchError `file:line: what is wrong` for whatever is not a whole ARPA model.
    """
    with readable(path), open_binary(path) as handle:
        reader = _Reader(path, handle)
        stated, counts, header = reader.header()
        with (progress or Silent()).task(f"reading {path.name}", sum(counts)) as task:
            lines = reader.section(1, counts, header, None, task)
            words = lines.words[0]
            reader.refuse_twice(words)
            spelling = spelling or stated or "plain"
            if vocabulary is None:
                vocabulary, spelled = vocabulary_of(words, spelling)
            else:
                spelled = list(names(vocabulary, spelling))
            numbering = number(words, vocabulary, spelled)
            levels = _first_level(lines, numbering)
            left_out = 0
            for order in range(2, len(counts) + 1):
                rows, left = reader.ngrams(order, counts, header, numbering, task)
                left_out += left
                try:
                    levels.add(*rows)
                except DuplicateError as error:
                    raise reader.duplicate(order, rows[0][:, error.place], numbering) from None
        reader.end()
    return Arpa(
        model=restrict(levels, numbering, str(path)),
        vocabulary=vocabulary,
        aliases=numbering.aliases,
        unknown=numbering.unknown,
        shared=numbering.shared,
        words=len(words),
        outside=numbering.outside,
        left_out=left_out,
        inserted=levels.inserted,
        has_unknown=numbering.has_unknown,
        has_end=numbering.end >= 0,
    )


def _first_level(lines: Lines, numbering: Numbering) -> Levels:
    """The 1-grams; an id that the file has not has probability zero."""
    log_probs = torch.full((numbering.size,), -torch.inf)
    log_backoffs = torch.zeros(numbering.size)
    kept = np.ones(len(lines), dtype=np.bool_)
    if numbering.begin >= 0:
        kept[numbering.begin] = False  # never predicted
    log_probs[torch.from_numpy(numbering.ids[kept])] = _nats(lines.log_probs[kept])
    kept[:] = True
    if numbering.end >= 0:
        kept[numbering.end] = False  # never a context
    log_backoffs[torch.from_numpy(numbering.ids[kept])] = _nats(lines.log_backoffs[kept])
    return Levels(log_probs, log_backoffs)


def _nats(log10: NDArray[np.float64]) -> Tensor:
    """log10 to float32 nats; -99 and below is log zero."""
    return torch.from_numpy(np.where(log10 <= LOG_ZERO, -np.inf, log10 * np.log(10)).astype(np.float32))


class _Reader:
    """The file as lines and blocks of lines; `number` is that of the next line."""

    def __init__(self, path: Path, handle: IO[bytes]) -> None:
        self.path = path
        self.handle = handle
        self.number = 1
        self.buffer = b""
        self.at = 0
        self.whole = False  # the buffer reaches to the end of the file

    def error(self, what: str, number: int | None = None) -> LmbenchError:
        return LmbenchError(f"{self.path}:{self.number if number is None else number}: {what}")

    def _fill(self) -> None:
        """Make sure that a block of bytes, or all that is left, is in the buffer."""
        while not self.whole and len(self.buffer) - self.at < BLOCK:
            try:
                with readable(self.path):
                    more = self.handle.read(BLOCK)
            except LmbenchError as error:
                raise self.error(str(error).removeprefix(f"{self.path}: ")) from None
            self.buffer = self.buffer[self.at :] + more
            self.at = 0
            self.whole = not more

    def line(self) -> bytes | None:
        """The next line, None at the end of the file."""
        self._fill()
        if self.at == len(self.buffer):
            return None
        stop = self.buffer.find(b"\n", self.at)
        if stop < 0:
            if not self.whole:
                raise self.error(f"a line of more than {BLOCK:,} bytes; this is not an ARPA file")
            stop = len(self.buffer)
        line = self.buffer[self.at : stop]
        self.at = min(stop + 1, len(self.buffer))
        self.number += 1
        return line

    def filled_line(self) -> str | None:
        """The next line that is not empty, without white space around it."""
        while (line := self.line()) is not None:
            text = line.strip().decode("utf-8", errors="replace")
            if text:
                return text
        return None

    def block(self) -> bytes:
        """Whole lines, about `BLOCK` bytes of them, up to the next line that begins with a backslash; b"" there."""
        self._fill()
        if self.buffer.startswith(b"\\", self.at):
            return b""
        stop = self.buffer.find(b"\n\\", self.at) + 1
        if stop == 0:
            stop = len(self.buffer) if self.whole else self.buffer.rfind(b"\n", self.at) + 1
        if stop == 0:
            raise self.error(f"a line of more than {BLOCK:,} bytes; this is not an ARPA file")
        block = self.buffer[self.at : stop]
        self.at = stop
        return block

    def header(self) -> tuple[Spelling | None, list[int], int]:
        r"""Up to the first section: the spelling of tokens if there is a word on it, the counts, the line of \data\."""
        stated: Spelling | None = None
        read = 0
        while (text := self.filled_line()) != "\\data\\":
            read += len(text or "")
            if text is None or read > _PREAMBLE:
                raise self.error("there is no \\data\\ line; this is not an ARPA file", 1)
            found = _SPELLING.fullmatch(text.removeprefix("\ufeff"))
            if found:
                if found[1] not in SPELLINGS:
                    raise self.error(
                        f"tokens are spelled {found[1]!r}; known are {', '.join(SPELLINGS)}", self.number - 1
                    )
                stated = next(name for name in SPELLINGS if name == found[1])
        header = self.number - 1
        counts: list[int] = []
        while (text := self.filled_line()) is not None and not text.startswith("\\"):
            found = _COUNT.fullmatch(text)
            if not found:
                raise self.error(f"{text[:60]!r} in the header, where `ngram ORDER=COUNT` is wanted", self.number - 1)
            if int(found[1]) != len(counts) + 1:
                raise self.error(
                    f"the header counts {int(found[1])}-grams, where {len(counts) + 1}-grams are next", self.number - 1
                )
            counts.append(int(found[2]))
        if not counts:
            raise self.error("the header counts no n-grams", header)
        if len(counts) > MAX_ORDER:
            raise self.error(f"the header goes up to {len(counts)}-grams; {MAX_ORDER} is the most that is read", header)
        self._opens(1, text)
        return stated, counts, header

    def _opens(self, order: int, text: str | None) -> None:
        wanted = f"\\{order}-grams:"
        if text is None:
            raise self.error(f"the file ends before {wanted}; it is cut off")
        if text != wanted:
            raise self.error(f"{text[:60]!r}, where {wanted} is wanted", self.number - 1)

    def blocks(self, order: int, counts: list[int], header: int, words: Any, task: Task) -> Iterator[Lines]:
        """The n-grams of a section whose first line has been read or, above order 1, is next.

        `words`: of the 1-grams (Arrow strings), None for them.
        """
        if order > 1:
            self._opens(order, self.filled_line())
        highest = order == len(counts)
        found = 0
        while block := self.block():
            lines = read_fast(block, order, highest)
            if lines is None or (words is not None and not _all_known(lines, words)):
                known = None if words is None else set(words.to_pylist())
                lines = read_slowly(block, order, highest, known, str(self.path), self.number)
            self.number += block.count(b"\n") + (not block.endswith(b"\n"))
            found += len(lines)
            task.advance(len(lines))
            if found > counts[order - 1]:
                break
            yield lines
        if found != counts[order - 1] or self.at == len(self.buffer):
            if self.at == len(self.buffer) and self.whole:
                raise self.error(f"the file ends after {found:,} {order}-grams, before \\end\\; it is cut off")
            more = "more than that" if found > counts[order - 1] else f"{found:,}"
            raise self.error(
                f"the header announces {counts[order - 1]:,} {order}-grams, there are {more}", header + order
            )

    def section(self, order: int, counts: list[int], header: int, words: Any, task: Task) -> Lines:
        """All n-grams of a section, in one."""
        import pyarrow as pa

        parts = list(self.blocks(order, counts, header, words, task))
        places = [pa.chunked_array([part.words[k] for part in parts], pa.string()) for k in range(order)]
        return Lines(
            np.concatenate([np.zeros(0), *(part.log_probs for part in parts)]),
            [place.combine_chunks() for place in places],
            np.concatenate([np.zeros(0), *(part.log_backoffs for part in parts)]),
        )
