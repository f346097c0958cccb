"""An ARPA file to a back-off model over a vocabulary."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmbench.corpus.compression import open_binary, readable
from lmbench.counts.arpa.levels import DuplicateError, Levels
from lmbench.counts.arpa.lines import LOG_ZERO, Lines, read_fast, read_slowly
from lmbench.counts.arpa.names import BEGIN, END, Spelling, names
from lmbench.counts.arpa.numbering import Numbering, number, vocabulary_of
from lmbench.counts.arpa.restrict import restrict
from lmbench.counts.arpa.source import Header, Source, second_line
from lmbench.counts.backoff import BackoffModel
from lmbench.counts.parallel import coarse_threads
from lmbench.errors import LmbenchError
from lmbench.progress import Progress, Silent, Task
from lmbench.tokens import Vocabulary


@dataclass(frozen=True, eq=False)
class Arpa:
    """What an ARPA file says of the tokens of `vocabulary`.

    `model`: the back-off model. It takes `aliases[id]` ([V] int32) for each token's id: the
    token's own, or `unknown` for the `shared` tokens that have no word in the file (the
    vocabulary's unknown token among them), which divide the probability of `unknown` equally.

    `words`, `outside`: words in the file, and how many of them are no tokens: their probability
    is part of that of `unknown`, or where nothing is unknown is divided among all tokens.
    `left_out`: n-grams nobody can ask for (`<s>` predicted, or `</s>` or a word outside the
    vocabulary as context). `inserted`: prefixes that the file has not. `has_unknown`, `has_end`:
    whether it has `<unk>` and `</s>`. `cut`: n-grams of the highest order that have a back-off, as those have that a
    higher order was cut off from; there is nothing to back off from, and so the model does without them.
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
    cut: int = 0


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
    checked and nothing is allocated by them. Values are kept as float32, as KenLM keeps them.

    Raises LmbenchError `file:line: what is wrong` for whatever is not a whole ARPA model.
    """
    with coarse_threads(), readable(path), open_binary(path) as handle:
        source = Source(path, handle)
        header = source.header()
        with (progress or Silent()).task(f"reading {path.name}", sum(header.counts)) as task:
            sections = _Sections(source, header, task)
            numbering = _numbering(sections, vocabulary, spelling)
            levels = _first_level(sections.first, numbering)
            left_out = 0
            for order in range(2, len(header.counts) + 1):
                grams, left = sections.ngrams(order, numbering)
                left_out += left
                try:
                    levels.add(*grams)
                except DuplicateError as error:
                    raise sections.twice(_spell(grams[0][:, error.place].tolist(), numbering)) from None
                del grams
        source.finish()
        model = restrict(levels, numbering, str(path))
    return Arpa(
        model=model,
        vocabulary=numbering.vocabulary,
        aliases=numbering.aliases,
        unknown=min(numbering.unknown, len(numbering.vocabulary)),
        shared=numbering.shared,
        words=len(numbering.words),
        outside=numbering.outside,
        left_out=left_out,
        inserted=levels.inserted,
        has_unknown=numbering.has_unknown,
        has_end=numbering.end >= 0,
        cut=sections.cut,
    )


def _numbering(sections: _Sections, vocabulary: Vocabulary | None, spelling: Spelling | None) -> Numbering:
    spelling = spelling or sections.header.spelling or "plain"
    words = sections.first.words[0]
    counted = words.value_counts()
    often = counted.field("counts").to_numpy() > 1
    if often.any():
        raise sections.twice([counted.field("values")[int(often.argmax())].as_py()])
    if vocabulary is None:
        return number(words, *vocabulary_of(words, spelling))
    return number(words, vocabulary, names(vocabulary, spelling))


def _spell(ids: list[int], numbering: Numbering) -> list[str]:
    """An n-gram's words, as they are in the file, from its ids."""
    ends = [BEGIN, *[END] * (len(ids) - 1)]
    places = [int((numbering.ids == index).argmax()) for index in ids]
    end = numbering.vocabulary.end_of_text
    return [
        mark if index == end else numbering.words[place].as_py()
        for index, place, mark in zip(ids, places, ends, strict=True)
    ]


def _first_level(lines: Lines, numbering: Numbering) -> Levels:
    """The 1-grams; an id that the file has not has probability zero."""
    log_probs = torch.full((numbering.size,), -torch.inf)
    log_backoffs = torch.zeros(numbering.size)
    for values, found, mark in (
        (log_probs, lines.log_probs, numbering.begin),  # <s> is never predicted
        (log_backoffs, lines.log_backoffs, numbering.end),  # </s> is never a context
    ):
        kept = np.arange(len(lines)) != mark
        values[torch.from_numpy(numbering.ids[kept]).long()] = _nats(found[kept])
    return Levels(log_probs, log_backoffs)


def _nats(log10: NDArray[np.float64]) -> Tensor:
    """log10 to float32 nats; -99 and below is log zero."""
    return torch.from_numpy(np.where(log10 <= LOG_ZERO, -np.inf, log10 * np.log(10)).astype(np.float32))


class _Sections:
    """The sections of n-grams, read one after the other."""

    def __init__(self, source: Source, header: Header, task: Task) -> None:
        self.source = source
        self.header = header
        self.task = task
        self.cut = 0
        parts = list(self._blocks(1))
        self.first = Lines(
            np.concatenate([np.zeros(0), *(part.log_probs for part in parts)]),
            [_joined([part.words[0] for part in parts])],
            np.concatenate([np.zeros(0), *(part.log_backoffs for part in parts)]),
        )

    def twice(self, gram: list[str]) -> LmbenchError:
        return self.source.error(f"{' '.join(gram)!r} is listed a second time", second_line(self.source.path, gram))

    @cached_property
    def known(self) -> frozenset[str]:
        return frozenset(self.first.words[0].to_pylist())

    def _blocks(self, order: int) -> Iterator[Lines]:
        source, wanted = self.source, self.header.counts[order - 1]
        source.expect(f"\\{order}-grams:")
        highest = order == len(self.header.counts)
        found = 0
        while found <= wanted:
            number = source.number
            block = source.block()
            if not block:
                break
            lines = read_fast(block, order)
            if lines is not None and order > 1:
                lines = self._looked_up(lines)
            if lines is None:
                known = None if order == 1 else self.known
                lines = read_slowly(block, order, known, str(source.path), number)
                lines = lines if order == 1 else self._looked_up(lines)
                assert lines is not None
            found += len(lines)
            if highest:
                self.cut += int(np.count_nonzero(lines.log_backoffs))
            self.task.advance(len(lines))
            yield lines
        if source.ended:
            raise source.error(f"the file ends after {found:,} {order}-grams, with no \\end\\; it is cut off")
        if found != wanted:
            there = "more" if found > wanted else f"{found:,}"
            number = self.header.numbers[order - 1]
            raise source.error(f"the header announces {wanted:,} {order}-grams, and there are {there}", number)

    def _looked_up(self, lines: Lines) -> Lines | None:
        """With words as places among the 1-grams ([k, m] int32); None where one is not there."""
        import pyarrow as pa
        import pyarrow.compute as pc

        found = pc.index_in(pa.chunked_array(lines.words, pa.string()), value_set=self.first.words[0])
        if found.null_count:
            return None
        places = found.combine_chunks().to_numpy(zero_copy_only=False).reshape(len(lines.words), len(lines))
        return Lines(lines.log_probs, places, lines.log_backoffs)

    def ngrams(self, order: int, numbering: Numbering) -> tuple[tuple[Tensor, Tensor, Tensor], int]:
        """Words as ids [k, m] int32, log-probabilities and log-back-offs [m] in nats, and how many were left out."""
        words, log_probs, log_backoffs = [], [], []
        left_out = 0
        size = len(numbering.vocabulary)
        for lines in self._blocks(order):
            places: Any = lines.words
            ids = numbering.ids[places]
            useless = (places[1:] == numbering.begin).any(axis=0) & (numbering.begin >= 0)
            useless |= (places[:-1] == numbering.end).any(axis=0) & (numbering.end >= 0)
            if numbering.size > size:
                useless |= (ids[:-1] >= size).any(axis=0)
            log_prob, log_backoff = _nats(lines.log_probs), _nats(lines.log_backoffs)
            log_backoff[torch.from_numpy(ids[-1] == numbering.vocabulary.end_of_text)] = 0.0  # </s> is no context
            if useless.any():
                left_out += int(useless.sum())
                kept = torch.from_numpy(~useless)
                ids, log_prob, log_backoff = ids[:, ~useless], log_prob[kept], log_backoff[kept]
            words.append(torch.from_numpy(ids))
            log_probs.append(log_prob)
            log_backoffs.append(log_backoff)
        if not words:
            return (torch.zeros(order, 0, dtype=torch.int32), torch.zeros(0), torch.zeros(0)), 0
        return (torch.cat(words, 1), torch.cat(log_probs), torch.cat(log_backoffs)), left_out


def _joined(arrays: list[Any]) -> Any:
    import pyarrow as pa

    joined = pa.chunked_array(arrays, pa.string()).combine_chunks()
    return joined.combine_chunks() if isinstance(joined, pa.ChunkedArray) else joined
