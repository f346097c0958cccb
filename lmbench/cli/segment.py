"""`lmbench segment`: words of a text without spaces, where a model is uncertain of what follows."""

from __future__ import annotations

import json as json_
import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lmbench import terminal
from lmbench.cli._complete import complete_model, complete_run
from lmbench.cli._options import (
    DecodingErrors,
    Device,
    DeviceName,
    Encoding,
    Errors,
    Json,
    Quiet,
    RunsFolder,
    Seed,
    TextField,
)
from lmbench.cli._progress import shown_on
from lmbench.errors import UsageError

if TYPE_CHECKING:
    from lmbench.pipeline.segment import Found, Segmentation
    from lmbench.progress import Progress

__all__ = ["segment"]

PANEL = "Run"
_BETWEEN = "│"  # two words


def segment(
    text: Annotated[
        str,
        typer.Argument(
            metavar="TEXT",
            help="A file, as for lmbench run, - for standard input, or the text itself. Its white space is taken out.",
        ),
    ],
    run: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="Ask the models of a run. [dim]\\[count models fitted on TEXT itself][/]",
            autocompletion=complete_run,
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODEL",
            help="A model of --run, or without it the SPEC of one; repeat for more. "
            "[dim]\\[all of the run; ngram(order=3) and ngram(order=5)][/]",
            autocompletion=complete_model,
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            metavar="BITS",
            help="Cut where the entropy, or its rise, is above this. "
            "[dim]\\[the best on the first fifth of the text][/]",
        ),
    ] = None,
    characters: Annotated[
        int, typer.Option(min=1, metavar="N", help="How much of the text is segmented, without white space.")
    ] = 20_000,
    show: Annotated[
        int, typer.Option(min=0, metavar="N", help="How much of it is printed, as each model cuts it.")
    ] = 240,
    encoding: Encoding = None,
    errors: DecodingErrors = Errors.STRICT,
    text_field: TextField = "text",
    seed: Seed = 0,
    device: DeviceName = Device.AUTO,
    out: RunsFolder = Path("results"),
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Find the words of a text without spaces: they end where it is uncertain what follows (Harris 1955).

    A word begins where the entropy of the next character is high (global) or rises (rise), reading forward, backward,
    or both (branching entropy, Jin & Tanaka-Ishii 2006; the patches of the Byte Latent Transformer). Precision, recall
    and F1 are those of the boundaries against the white space that was taken out, or against ICU where the script has
    none (package icu4py). Thresholds are chosen on the first fifth of the text and scored on the rest.

    [bold]Examples[/bold]

      lmbench segment tinyshakespeare.txt

      lmbench segment sanshiro.txt --model 'ngram(order=2)' --model 'ngram(order=4)'

      lmbench segment essay.txt --run latest --model transformer --model 'ngram(order=5)'
    """
    from lmbench.pipeline.segment import segmented, unspaced

    with shown_on(terminal.notes(), quiet or json) as (progress, _):
        name, source = _documents(
            text, {"encoding": encoding, "errors": errors.value, "text_field": text_field}, progress
        )
        prepared = unspaced(source, characters)
        tokenizer, asked = _models(source, run, model or [], device.value, out, seed, progress)
        found = segmented(prepared, tokenizer, asked, threshold, progress)
    if json:
        terminal.write_json(json_.dumps(_content(found), ensure_ascii=False, allow_nan=False))
        return
    _show(name, found, show)


def _documents(text: str, options: dict[str, Any], progress: Progress) -> tuple[str, list[str]]:
    """(a name, the documents) of a file, or of the text itself."""
    from lmbench.corpus import corpora, default_cache, open_source
    from lmbench.report import format as form

    named = text == "-" or Path(text[:255]).exists() or text in [known.name for known in corpora()]
    if not named and not re.search(r"^\w+:|[/\\]|\.\w{1,7}$", text):
        return form.cut_at_end(" ".join(text.split()), 40), [text]
    corpus = open_source(text, cache=default_cache(), progress=progress, **options)
    return corpus.name, [corpus.text.document(index) for index in range(len(corpus.text.starts))]


def _models(
    documents: list[str], run: str | None, names: list[str], device: str, out: Path, seed: int, progress: Progress
) -> Any:
    from lmbench import store
    from lmbench.corpus.text import text_of
    from lmbench.machine import resolve_device
    from lmbench.pipeline.segment import MODELS, of_run, of_specs
    from lmbench.spec import parse

    if run is not None:
        return of_run(store.find_run(run, out), names, resolve_device(device), progress)
    whole = text_of("".join(document.split()) for document in documents if document.split())
    if not whole.bytes:
        raise UsageError("the text has nothing but white space; give one that has letters in it")
    return of_specs([parse(name) for name in names or MODELS], whole, progress, seed)


def _content(found: Segmentation) -> dict[str, Any]:
    from lmbench.pipeline.segment import words_in

    best = {each.model: each for each in found.best()}
    models = [
        {
            "model": each.model, "direction": each.direction, "rule": each.rule, "threshold_bits": each.threshold,
            **(asdict(each.scored) if each.scored else dict.fromkeys(("precision", "recall", "f1", "word_f1"))),
        }
        for each in found.found
    ]  # fmt: skip
    return {
        "characters": len(found.text.starts), "reference": found.text.reference or None, "chance": found.chance,
        "chosen_on": found.chosen_on, "models": models, "notes": found.notes,
        "words": {name: words_in(found.text, each.begins) for name, each in best.items()},
    }  # fmt: skip


def _show(name: str, found: Segmentation, show: int) -> None:
    from lmbench.report import format as form
    from lmbench.report.screen import Grid, Heading, bullets, print_bare, screen, styled

    console = screen()
    console.print(styled(f"Words in {name}", "bold"))
    console.say(_about(found))
    console.print()
    grid = Grid(
        Heading("model", "name"), Heading("direction", "word", rank=3), Heading("entropy", "word", rank=4),
        Heading("bits", rank=5), Heading("precision", rank=6), Heading("recall", rank=7), Heading("F1", rank=1),
        Heading("word F1", rank=2),
    )  # fmt: skip
    best = found.best()
    for each in found.found:
        scored = each.scored
        figures = [scored.precision, scored.recall, scored.f1, scored.word_f1] if scored else [None] * 4
        cells = (form.NOTHING if value is None else f"{value:.1%}" for value in figures)
        rule = "is above" if each.rule == "global" else "rises by"
        grid.add(
            each.model, each.direction, rule, f"{each.threshold:.2f}", *cells, style="bold" if each in best else ""
        )
    print_bare(console, grid)
    if found.chance is not None:
        every = 2 * found.chance / (1 + found.chance)
        line = f"as many boundaries at random: F1 {found.chance:.1%}; one before every character: {every:.1%}"
        console.print(styled(line, "dim"))
    if show:
        for each in best:
            console.print()
            console.print(styled(f"{each.model}, {each.direction}, {each.rule}", "bold"))
            console.print(_cut(found, each, show))
    if found.notes:
        console.print()
        console.print(bullets(found.notes, console.width))


def _about(found: Segmentation) -> str:
    text = found.text
    said = f"{len(text.starts):,} characters without white space"
    if not text.reference:
        return said
    said += f"; words by {text.reference}"
    if not found.chosen_on:
        return said
    return f"{said}; thresholds chosen on the first {found.chosen_on:,} characters, all figures are of the rest"


def _cut(found: Segmentation, each: Found, show: int) -> str:
    from lmbench.pipeline.segment import words_in

    words = [word for document in words_in(found.text, each.begins, show) for word in document]
    line, length = [], 0
    for word in words:
        if length >= show:
            break
        line.append(word)
        length += len(word)
    return _BETWEEN.join(line)
