"""What `lmbench generate` writes: texts of several models side by side, or as JSON."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmbench import store, terminal
from lmbench.errors import UsageError
from lmbench.generation.sampler import Sampler
from lmbench.machine import resolve_device
from lmbench.pipeline.writing import Wish, Writer, Written, batches, write
from lmbench.report import format as form
from lmbench.report.columns import Column, rows, width_of
from lmbench.report.screen import folded, screen
from lmbench.score.interval import Estimate
from lmbench.score.writing import cost_of


@dataclass(frozen=True)
class Request:
    """What the command was asked for, and the models that answer."""

    writers: list[Writer]
    prompt: str
    wish: Wish

    @classmethod
    def of(
        cls,
        run: str,
        out: Path,
        models: Sequence[str],
        prompt: str,
        device: str,
        sampler: Sampler,
        tokens: int,
        count: int,
        seed: int,
        stops: Sequence[str],
    ) -> Request:
        """Raises UsageError for a model that the run has not, and for a prompt that is no text."""
        if any(not stop for stop in stops):
            raise UsageError("--stop is empty: give the text that is to end it")
        folder = store.find_run(run, out)
        record = store.read_record(folder)
        found = {
            row.model: row
            for name in models
            for row in (record.rows if name == "all" else [store.find_row(record, name)])
        }
        text = _from_stdin() if prompt == "-" else prompt
        place = resolve_device(device)
        writers = [Writer.open(folder, record, row, text, place) for row in found.values()]
        return cls(writers, text, Wish(tokens, count, seed, stops, sampler))

    def texts(self) -> list[Written]:
        return [Written() for _ in range(self.wish.count)]


def _from_stdin() -> str:
    """Standard input as text, without the end of its last line."""
    try:
        text = sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"standard input is not UTF-8 (byte {error.start + 1:,}); convert it first") from None
    return text.removesuffix("\n").removesuffix("\r")


def generate_json(wanted: Request) -> None:
    """One document: the settings, and every text with its tokens, how it ended, and what it cost its model."""
    found = []
    for writer in wanted.writers:
        texts = wanted.texts()
        for _ in _drawn(writer, wanted.wish, texts):
            pass
        found.append(_as_json(writer, texts))
    wish, sampler = wanted.wish, wanted.wish.sampler
    content: dict[str, Any] = {
        "prompt": wanted.prompt,
        "seed": wish.seed,
        "tokens": wish.tokens,
        "stop": list(wish.stops),
        **vars(sampler),
        "models": found,
    }
    terminal.write_json(json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False))


def _as_json(writer: Writer, texts: Sequence[Written]) -> dict[str, Any]:
    cost = cost_of([text.nats for text in texts])
    return {
        "model": writer.row.model,
        "texts": [
            {"text": text.text, "tokens": len(text.nats), "stopped": "stop" if text.stopped else "length"}
            for text in texts
        ],
        "nats_per_token": cost.value,
        "ci95_nats_per_token": cost.interval,
        "scored_nats_per_token": writer.row.nats_per_token,
    }


def generate_text(wanted: Request, quiet: bool) -> None:
    """The texts on standard output, remarks on standard error unless `quiet`."""
    if not quiet:
        for writer in wanted.writers:
            if writer.unknown:
                terminal.say(
                    f"note: {writer.unknown} of the prompt's {len(writer.prompt)} tokens are outside the vocabulary",
                    err=True,
                )
                break
    laid_out = terminal.is_terminal() or os.environ.get("COLUMNS", "").isdigit()
    width = width_of(screen().width, len(wanted.writers)) if laid_out else None
    every = [wanted.texts() for _ in wanted.writers]
    try:
        if len(wanted.writers) > 1 and width is not None:
            _side_by_side(wanted, every, width)
        else:
            _one_by_one(wanted, every)
    except KeyboardInterrupt:
        terminal.data("\n")  # so that what is said of it begins a line
        raise
    if not quiet:
        _say_costs(wanted, every)


def _drawn(writer: Writer, wish: Wish, texts: Sequence[Written]) -> Iterator[None]:
    """Let all texts of a model grow, batch by batch."""
    for part in batches(writer, wish):
        yield from write(writer, wish, texts[part], part.start)


def _one_by_one(wanted: Request, every: list[list[Written]]) -> None:
    several = len(wanted.writers) * wanted.wish.count > 1
    for number, (writer, texts) in enumerate(zip(wanted.writers, every, strict=True)):
        growing = _drawn(writer, wanted.wish, texts)
        for place, text in enumerate(texts):
            if several:
                terminal.data("\n" if number or place else "")
                terminal.say(_heading(wanted, writer, place))
            terminal.data(wanted.prompt + writer.begin)
            for piece in _pieces(text, growing):
                terminal.data(piece)
            terminal.data("\n")


def _heading(wanted: Request, writer: Writer, place: int) -> str:
    name = [writer.row.model] if len(wanted.writers) > 1 else []
    number = [f"{place + 1} of {wanted.wish.count}"] if wanted.wish.count > 1 else []
    return f"--- {', '.join(name + number)} ---"


def _pieces(text: Written, growing: Iterator[None]) -> Iterator[str]:
    """The pieces of a text as they come; others may grow beside it, and be ahead of it."""
    shown = 0
    while True:
        yield from text.pieces[shown:]
        shown = len(text.pieces)
        if text.stopped:
            return
        try:
            next(growing)
        except StopIteration:
            yield from text.pieces[shown:]
            return


def _side_by_side(wanted: Request, every: list[list[Written]], width: int) -> None:
    """A column a model; a line is written once every column has it."""
    growing = [_drawn(writer, wanted.wish, texts) for writer, texts in zip(wanted.writers, every, strict=True)]
    console = screen()
    for place in range(wanted.wish.count):
        if place:
            terminal.data("\n")
        columns = [Column(width) for _ in wanted.writers]
        for column, writer in zip(columns, wanted.writers, strict=True):
            name = writer.row.model + (f", {place + 1} of {wanted.wish.count}" if wanted.wish.count > 1 else "")
            column.add(folded(console.shown(name), width))
            column.close()
        high = max(len(column.lines) for column in columns)
        for column in columns:
            column.lines += [""] * (high - len(column.lines)) + ["-" * width]
        _show(columns)
        columns = [Column(width) for _ in wanted.writers]
        for column, writer in zip(columns, wanted.writers, strict=True):
            column.add(_visible(wanted.prompt + writer.begin))
        sources = [_pieces(texts[place], own) for texts, own in zip(every, growing, strict=True)]
        try:
            _fill(columns, sources)
        except KeyboardInterrupt:
            for column in columns:
                column.close()
            _show(columns)
            raise


def _fill(columns: list[Column], sources: list[Iterator[str]]) -> None:
    """A piece for each column in turn, until no text goes on."""
    going = dict(enumerate(sources))
    while going:
        for index, source in list(going.items()):
            piece = next(source, None)
            if piece is None:
                columns[index].close()
                del going[index]
            else:
                columns[index].add(_visible(piece))
        _show(columns)


def _show(columns: list[Column]) -> None:
    for line in rows(columns):
        terminal.show(line + "\n")


def _visible(text: str) -> str:
    return terminal.shown(text, keep="\n\t")


def _say_costs(wanted: Request, every: list[list[Written]]) -> None:
    """What each model's text cost it, beside what it was scored at."""
    how = "" if wanted.wish.sampler.unchanged else " (not drawn from its own distribution)"
    for writer, texts in zip(wanted.writers, every, strict=True):
        if not writer.row.distribution:
            continue
        cost = cost_of([text.nats for text in texts])
        scored = writer.row.nats_per_token
        beside = "" if scored is None else f"; scored at {form.fixed(scored, 3)}"
        terminal.say(f"{writer.row.model}: wrote at {_estimated(cost)} nats/token{how}{beside}", err=True)


def _estimated(cost: Estimate) -> str:
    if cost.interval is None:
        return form.fixed(cost.value, 3)
    return f"{form.fixed(cost.value, 3)} ({form.fixed(cost.interval[0], 3)} to {form.fixed(cost.interval[1], 3)})"
