"""`lmbench structure`: how far a text remembers, and how its vocabulary grows."""

from __future__ import annotations

import json as json_
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lmbench import terminal
from lmbench.cli._options import (
    MEASURED,
    OUTPUT,
    DecodingErrors,
    EachLine,
    Encoding,
    Errors,
    Quiet,
    Seed,
    Source,
    TextField,
    Unit,
    UnitTokenizer,
)
from lmbench.cli._progress import shown_on

if TYPE_CHECKING:
    from lmbench.corpus import Corpus
    from lmbench.progress import Progress
    from lmbench.structure.measure import Structure

__all__ = ["structure"]

_BESIDE = 72  # columns from which on the last column of the table, which is prose, is legible
PANEL = "Run"


def structure(
    source: Source = "python-help",
    lines: EachLine = False,
    encoding: Encoding = None,
    errors: DecodingErrors = Errors.STRICT,
    text_field: TextField = "text",
    unit: Annotated[Unit, typer.Option(help="The symbols at a distance.", rich_help_panel=MEASURED)] = Unit.CHAR,
    tokenizer: UnitTokenizer = "bpe",
    model: Annotated[
        str,
        typer.Option(
            metavar="SPEC",
            help="Model whose loss against data is measured; none for none.",
            rich_help_panel=MEASURED,
        ),
    ] = "ngram(order=5)",
    out: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Folder that the measurement's folder is made in.", rich_help_panel=OUTPUT),
    ] = Path("results"),
    seed: Seed = 0,
    json: Annotated[bool, typer.Option("--json", help="structure.json on standard output.")] = False,
    quiet: Quiet = False,
) -> None:
    """Measure the long-range structure of a text: mutual information at a distance, Zipf, Heaps, scaling exponents.

    The exponents gamma and beta of the text predict how a model's loss falls with its training data; beside the
    prediction stands what a model's loss does. Zipf's and Heaps' laws are those of words, or of the unit
    where the text has no spaces between words. structure.json, structure.html and structure.png stay in
    DIR/<date>-<corpus>-structure-<hash>/.

    [bold]Examples[/bold]

      lmbench structure book.txt

      lmbench structure book.txt --unit token --tokenizer 'bpe(vocabulary=8192)' --model none
    """
    from lmbench import store
    from lmbench.corpus import default_cache, open_source
    from lmbench.record import finite
    from lmbench.report import draw
    from lmbench.report import format as form
    from lmbench.report.structure import figure, page

    spec = _model(model)
    with shown_on(terminal.notes(), quiet) as (progress, _):
        options: dict[str, Any] = {
            "lines": lines, "encoding": encoding, "errors": errors.value, "text_field": text_field,
        }  # fmt: skip
        corpus = open_source(source, cache=default_cache(), progress=progress, **options)
        found = _measured(corpus, unit.value, tokenizer, spec, progress, seed)
    facts: dict[str, Any] = {"corpus": corpus.name, "source": source, "text_hash": corpus.text.hash, "seed": seed}
    facts |= {"tokenizer": tokenizer if unit is Unit.TOKEN else None}
    content = json_.dumps(finite({**facts, **found.json()}), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    documents = form.counted(len(corpus.text.starts), "document")
    lead = f"{corpus.text.characters:,} characters, {documents}; unit {unit.value}"
    files = {
        "structure.json": content.encode(),
        "structure.html": page(found, corpus.name, lead).encode(),
        "structure.png": draw.png(figure(found), f"Long-range structure: {corpus.name}"),
    }
    folder = store.create_folder(out, store.now().date().isoformat(), f"{corpus.name}-structure", content)
    with store.removed_if_empty(folder):
        for name, data in files.items():
            with store.atomic(folder / name) as handle:
                handle.write(data)
    if json:
        terminal.write_json(content)
    else:
        _show(found)
    terminal.say(err=True)
    terminal.say(f"kept in {folder} (structure.json, structure.html, structure.png)", err=True)


def _model(text: str) -> Any:
    from lmbench.model import models
    from lmbench.spec import parse

    if text == "none":
        return None
    spec = parse(text)
    models.check(spec)
    return spec


def _measured(corpus: Corpus, unit: str, tokenizer: str, model: Any, progress: Progress, seed: int) -> Structure:
    from lmbench.corpus import default_cache
    from lmbench.entropy._words import words_of
    from lmbench.errors import LmbenchError
    from lmbench.structure.measure import structure as measure
    from lmbench.tokenizer._cache import encoded, trained

    if unit == "word":
        [text] = words_of([corpus.text], progress)
        return measure(text, unit, text, unit, model, progress, seed)
    cache = default_cache()
    chosen = trained(tokenizer if unit == "token" else unit, corpus.text, cache, progress)
    symbols = encoded(chosen, corpus.text, cache, progress)
    try:
        [words] = words_of([corpus.text], progress)
    except LmbenchError:  # there are no words to be had: the symbols themselves are the types
        return measure(symbols, unit, symbols, unit, model, progress, seed)
    return measure(symbols, unit, words, "word", model, progress, seed)


def _show(found: Structure) -> None:
    from lmbench.report.screen import Grid, Heading, bullets, screen, styled
    from lmbench.report.structure import HEADER, REMARK, lines_of

    console = screen()
    lines = lines_of(found)
    beside = console.width >= _BESIDE
    headings = [
        Heading(HEADER[0], "name"),
        Heading(HEADER[1], rank=1, style="bold"),
        Heading(HEADER[2], "word", rank=2),
    ]
    grid = Grid(*headings, *([Heading(HEADER[3], "prose", style="dim")] if beside else []))
    for line in lines:
        grid.add(*line[: None if beside else 3])
    console.print(grid)
    if not beside:
        console.print(bullets([f"{name}: {how}" for name, _, _, how in lines], console.width))
    console.print(styled(REMARK, "dim"))
