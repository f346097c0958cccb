"""What `lmbench score` does with each of its texts."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lmbench import terminal
from lmbench.cli._tables import Columns, Format, Writer, writer
from lmbench.corpus import default_cache, open_source
from lmbench.corpus.decode import Reading
from lmbench.corpus.text import Text, lines_of, text_of
from lmbench.errors import LmbenchError, UsageError
from lmbench.pipeline.scoring import Scorer
from lmbench.progress import Progress, Silent
from lmbench.score.units import Per, Units, units_of
from lmbench.tokens import Tokens

_BAR = " ||| "
_TOGETHER = 1000  # hypotheses of a file that are scored at once


@dataclass(frozen=True)
class Request:
    """The models that score, and how texts are read."""

    scorer: Scorer
    lines: bool
    options: dict[str, Any]
    progress: Progress

    def table(self, per: Per, form: Format) -> Writer:
        if form is Format.TEXT and per == "file":
            return Totals(self)
        return writer(form, (per, "nats"))


def score_file(wanted: Request, name: str, per: Per, table: Writer) -> None:
    """Add the rows of one text to `table`."""
    scorer = wanted.scorer
    corpus = open_source(name, lines=False, cache=default_cache(), progress=wanted.progress, **wanted.options)
    text = corpus.text
    numbers = np.arange(len(text.starts)) + 1
    if wanted.lines:
        whole = text
        text, empty, _ = lines_of(whole)
        if not len(text.starts):
            raise LmbenchError(f"{name}: nothing but empty lines; give a text that has more in it")
        numbers = _line_numbers(whole, text)
        if empty:
            terminal.say(f"note: {name}: {empty:,} empty lines are no documents", err=True)
    tokens, log_probs = scorer.score(text, wanted.progress)
    units = units_of(tokens, text, per)
    for at, scores in enumerate(log_probs):
        columns = _columns(wanted, at, scores, tokens, units, per, numbers)
        if per == "file":
            columns = _file_columns(wanted, at, scores, tokens, text, columns)
        table.write({"file": [name] * len(units), **columns})


def _line_numbers(whole: Text, text: Text) -> Any:
    """[d] of each line, which it is in the file; where that is more than one document, which of all lines."""
    if len(whole.starts) != 1:
        return np.arange(len(text.starts)) + 1
    data = whole.data
    ends = np.flatnonzero((data == 10) | ((data == 13) & (np.append(data[1:], 0) != 10)))
    return np.searchsorted(ends, text.starts) + 1


def score_stream(wanted: Request, per: Per, table: Writer) -> None:
    """Add the rows of each line of standard input before the next one is read; an empty line has a row of nothing."""
    scorer, silent = wanted.scorer, Silent()
    for number, line in enumerate(_lines(wanted.options), 1):
        if line:
            text = text_of([line], lines=True)
            tokens, log_probs = scorer.score_next(text, silent)
            units = units_of(tokens, text, per)
        else:
            none, one = np.zeros(0), np.zeros(1, dtype=np.int64)
            tokens = Tokens(one[:0].astype(np.uint32), one[:0], scorer.tokenizer.vocabulary)
            log_probs, units = [none] * len(scorer.models), Units(one[:0], one, one, [""])
        for at, scores in enumerate(log_probs):
            columns = _columns(wanted, at, scores, tokens, units, per, np.full(len(units), number))
            table.write({"file": ["-"] * len(units), **columns})


def rescore(wanted: Request, name: str) -> None:
    """Print each line `id ||| text ||| ...` as `id ||| text ||| score`: ln p of the text and its end, for each model.

    A hypothesis is no history of the next one. Standard input is answered line by line.
    """
    scorer = wanted.scorer
    if any(model.card.remembers for model in scorer.models):
        terminal.say("note: a model that learns from earlier documents scores each hypothesis as a first one", err=True)
    number = 0
    for lines in _hypotheses(wanted, name):
        fields = []
        for line in lines:
            number += 1
            parts = line.split(_BAR)
            if len(parts) < 2:
                raise LmbenchError(f"{name}: line {number} is no 'id ||| text ||| ...': {line[:60]!r}")
            fields.append((parts[0], parts[1]))
        scores = _alone(scorer, [text.strip() for _, text in fields])
        for row, (identity, text) in enumerate(fields):
            terminal.data(_BAR.join([identity, text, " ".join(f"{each[row]:.6f}" for each in scores)]) + "\n")


def _alone(scorer: Scorer, texts: list[str]) -> list[Any]:
    """Of each model [t] ln p of each text, each text by itself."""
    if any(model.card.remembers for model in scorer.models):
        each = [scorer.score(text_of([one], lines=True), Silent())[1] for one in texts]
        return [np.array([scores[at].sum() for scores in each]) for at in range(len(scorer.models))]
    tokens, log_probs = scorer.score(text_of(texts, lines=True), Silent())
    return [np.add.reduceat(scores, tokens.documents) for scores in log_probs]


def _hypotheses(wanted: Request, name: str) -> Iterator[list[str]]:
    if name == "-":
        yield from ([line] for line in _lines(wanted.options) if line)
        return
    corpus = open_source(name, lines=True, cache=default_cache(), progress=wanted.progress, **wanted.options)
    for start in range(0, len(corpus.text.starts), _TOGETHER):
        stop = min(start + _TOGETHER, len(corpus.text.starts))
        yield [corpus.text.document(index) for index in range(start, stop)]


def _lines(options: dict[str, Any]) -> Iterator[str]:
    """The lines of standard input as they come, without their ends: LF, CR LF or CR."""
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("'-' reads standard input, and none is piped in; give a path or pipe a text")
    reading = Reading(options["encoding"], options["errors"], options["text_field"])
    stream = io.TextIOWrapper(sys.stdin.buffer, encoding=reading.codec, errors=reading.errors, newline="")
    number = 0
    try:
        while line := stream.readline():
            number += 1
            if number == 1:
                line = line.removeprefix("\ufeff")
            if "\0" in line and reading.encoding is None and reading.errors == "strict":
                raise LmbenchError(f"standard input: line {number} has a NUL byte; name its encoding with --encoding")
            yield re.sub(r"(\r\n|\r|\n)\Z", "", line)
        if not number:
            raise LmbenchError("standard input: empty; pipe a text that has lines in it")
    except UnicodeDecodeError as error:
        found = f"byte 0x{error.object[error.start]:02x}: {error.reason}"
        raise LmbenchError(
            f"standard input: after line {number}: not valid {reading.codec} ({found}); name its encoding with "
            "--encoding, or pass --errors replace or ignore"
        ) from None
    finally:
        stream.detach()  # standard input stays open


def _columns(
    wanted: Request, at: int, scores: Any, tokens: Tokens, units: Units, per: Per, numbers: Any
) -> dict[str, Sequence[Any]]:
    """The columns of one model's scores, without those of the whole text. `numbers`: of each document."""
    scorer = wanted.scorer
    card = scorer.models[at].card
    sums = scorer.sums(at, scores, tokens, units, per)
    small = per in ("word", "token")
    found: dict[str, Sequence[Any]] = {}
    if per != "file":
        found["document"] = numbers[units.documents].tolist()
    if per in ("line", "word", "token"):
        found[per] = (numbers[units.documents] if per == "line" and wanted.lines else units.places + 1).tolist()
    found["model"] = [scorer.rows[at].model] * len(units)
    if not small:
        found["documents" if per == "file" else "ends"] = sums.ends.tolist()
    if per != "token":
        found["tokens"] = sums.tokens.tolist()
    found |= {"unknown": sums.unknown.tolist(), "zero": sums.zero.tolist(), "nats": sums.nats.tolist()}
    found["log10"] = sums.log10.tolist()
    if small:
        return found | {"end": sums.ends.tolist(), "text": units.texts or []}
    found |= {"unknown_nats": sums.unknown_nats.tolist(), "end_nats": sums.end_nats.tolist()}
    perplexities = {
        "perplexity": sums.perplexity,
        "perplexity_without_unknown": sums.perplexity_known,
        "perplexity_without_end": sums.perplexity_inner,
        "ppl1": sums.ppl1,
    }
    defined = card.distribution and not card.own_tokens
    return found | {name: values.tolist() if defined else [None] * len(units) for name, values in perplexities.items()}


def _file_columns(
    wanted: Request, at: int, scores: Any, tokens: Tokens, text: Text, columns: dict[str, Sequence[Any]]
) -> dict[str, Sequence[Any]]:
    """`columns` with the figures of the whole text and their intervals."""
    figures = wanted.scorer.measured(at, scores, tokens, text)
    low, high = figures.ci95_nats_per_token or (None, None)
    low_byte, high_byte = figures.ci95_bits_per_byte or (None, None)
    own = {
        "bytes": text.bytes, "nats_per_token": figures.nats_per_token, "low": low, "high": high,
        "bits_per_byte": figures.bits_per_byte, "low_per_byte": low_byte, "high_per_byte": high_byte,
        "word_perplexity": figures.word_perplexity,
    }  # fmt: skip
    return columns | {name: [value] for name, value in own.items()}


class Totals:
    """The totals of all texts, as a table for people."""

    def __init__(self, wanted: Request) -> None:
        self._rows: list[dict[str, Any]] = []
        self._wanted = wanted

    def write(self, columns: Columns) -> None:
        self._rows += [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def close(self) -> None:
        if not self._rows:
            return
        from lmbench.report import format as form
        from lmbench.report.screen import Grid, Heading, bullets, screen

        console = screen()
        unknown = any(row["unknown"] for row in self._rows)
        lossless = any(row["bits_per_byte"] is not None for row in self._rows)
        grid = Grid(
            Heading("text", "name"), Heading("model", "name"),
            Heading("nats/token", rank=0, style="bold", about="-ln p by token, ends of documents included"),
            Heading("± 95 %", rank=3, about="half its interval"),
            Heading("bits/byte" if lossless else "", rank=1),
            Heading("perplexity", rank=2, about="of all tokens"),
            Heading("without unknown" if unknown else "", rank=4, about="SRILM's ppl" if unknown else ""),
            Heading("without ends", rank=6), Heading("ppl1", rank=5, about="SRILM's, ends not counted"),
            Heading("tokens", rank=7), Heading("unknown" if unknown else "", rank=8), Heading("documents", rank=9),
            Heading("log10 p", rank=10),
            advice="widen the terminal or take --format tsv",
        )  # fmt: skip
        for row in self._rows:
            half = None if row["low"] is None else (row["low"], row["high"])
            grid.add(
                row["file"], row["model"], _figure(row), form.half_width(half, 4),
                form.fixed(row["bits_per_byte"], 3) if lossless else "", _said(row["perplexity"]),
                _said(row["perplexity_without_unknown"]) if unknown else "", _said(row["perplexity_without_end"]),
                _said(row["ppl1"]), f"{row['tokens']:,}", f"{row['unknown']:,}" if unknown else "",
                f"{row['documents']:,}", f"{row['log10']:.4f}",
            )  # fmt: skip
        console.print(grid)
        notes = _notes(self._wanted, self._rows)
        if notes:
            console.print()
            console.print(bullets(notes, console.width))


def _figure(row: dict[str, Any]) -> str:
    if row["nats_per_token"] is not None:
        return f"{row['nats_per_token']:.4f}"
    return "∞" if row["zero"] else "–"


def _said(value: float | None) -> str:
    from lmbench.report import format as form

    return "∞" if value == np.inf else form.perplexity(None if value is None or value != value else value)


def _notes(wanted: Request, rows: list[dict[str, Any]]) -> list[str]:
    """What is to be said of a row's score."""
    notes = []
    for fitted, model in zip(wanted.scorer.rows, wanted.scorer.models, strict=True):
        if not model.card.distribution:
            notes.append(f"{fitted.model} is no distribution: what it gives is a score, and no cross-entropy")
        if model.card.remembers:
            notes.append(f"{fitted.model} learns from the text as it goes: each FILE begins without a history")
    notes += [
        f"{row['file']}: {row['zero']:,} tokens have probability zero under {row['model']}"
        for row in rows
        if row["zero"]
    ]
    return list(dict.fromkeys(notes))
