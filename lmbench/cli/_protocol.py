"""`lmbench score --protocol`: what another program would say of a model on a text, beside the exact figure."""

from __future__ import annotations

import math
from typing import Any

from lmbench import terminal
from lmbench.cli._scores import Request
from lmbench.cli._tables import Format, writer
from lmbench.corpus import default_cache, open_source
from lmbench.corpus.text import Text, lines_of
from lmbench.errors import LmbenchError
from lmbench.score.protocol.base import Found, Measure, Measured


class Protocols:
    """Rows of figures as they are measured, and under a table for people what the differences come from."""

    def __init__(self, wanted: Request, measure: Measure, name: str, form: Format) -> None:
        self._wanted, self._measure, self._name = wanted, measure, name
        self._form = form
        self._table = None if form is Format.TEXT else writer(form, ("figure", "value"))
        self._rows: list[tuple[str, str, str, float, float | None]] = []
        self._sentences: list[str] = []

    def add(self, file: str) -> None:
        """Measure the models on one text."""
        wanted = self._wanted
        text = _text(wanted, file)
        tokens, log_probs = wanted.scorer.score(text, wanted.progress)
        texts = [text.document(index) for index in range(len(text.starts))] if tokens.lossless else None
        pairs = zip(wanted.scorer.rows, wanted.scorer.models, log_probs, strict=True)
        for row, model, scores in pairs:
            if not row.distribution:
                raise LmbenchError(f"{row.model} is no distribution: its scores have no place in a perplexity")
            measured = Measured(row.model, model, tokens, scores, texts)  # type: ignore[arg-type]
            self._write(file, row.model, self._measure.measure(measured, wanted.progress))

    def _write(self, file: str, model: str, found: Found) -> None:
        rows = [(file, model, each.name, each.value, each.exact) for each in found.figures]
        self._rows += rows
        self._sentences += [f"{model}: {sentence}" for sentence in found.sentences]
        if self._table is not None:
            names = ("file", "model", "figure", "value", "exact")
            columns: dict[str, list[Any]] = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
            self._table.write({"protocol": [self._name] * len(rows), **columns})

    def close(self) -> None:
        if self._table is not None:
            self._table.close()
        elif self._rows:
            _show(self._rows, self._sentences, self._measure.conventions)


def _text(wanted: Request, file: str) -> Text:
    corpus = open_source(file, lines=False, cache=default_cache(), progress=wanted.progress, **wanted.options)
    if not wanted.lines:
        return corpus.text
    text, _, _ = lines_of(corpus.text)
    if not len(text.starts):
        raise LmbenchError(f"{file}: nothing but empty lines; give a text that has more in it")
    return text


def _show(rows: list[tuple[str, str, str, float, float | None]], sentences: list[str], conventions: str) -> None:
    from lmbench.report.screen import Grid, Heading, bullets, screen

    console = screen()
    grid = Grid(
        Heading("text", "name"), Heading("model", "name"), Heading("figure", "word"),
        Heading("as they do", style="bold", rank=0), Heading("exact", rank=1), Heading("difference", rank=2),
        advice="widen the terminal or take --format tsv",
    )  # fmt: skip
    for file, model, name, value, exact in rows:
        grid.add(file, model, name, _said(value), _said(exact), _difference(value, exact))
    console.print(grid)
    console.print()
    console.print(bullets([conventions, *dict.fromkeys(sentences)], console.width))
    terminal.say()


def _said(value: float | None) -> str:
    from lmbench.report import format as form

    if value is None:
        return form.NOTHING
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.4f}" if math.isfinite(value) else "∞"


def _difference(value: float, exact: float | None) -> str:
    from lmbench.report import format as form

    known = exact is not None and not isinstance(value, int) and math.isfinite(value) and math.isfinite(exact)
    return f"{value - (exact or 0.0):+.4f}" if known else form.NOTHING
