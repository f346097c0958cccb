"""`lmbench export`: a fitted model in the form that other programs read."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lmbench import terminal
from lmbench.cli._complete import complete_model
from lmbench.cli._options import Quiet, RunName, RunsFolder

__all__ = ["export"]

PANEL = "Look at a run"


class Form(StrEnum):
    ARPA = "arpa"


def export(
    *,
    form: Annotated[Form, typer.Argument(metavar="arpa", help="The form to write: arpa, for KenLM, SRILM and others.")],
    run: RunName = "latest",
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="An ngram or arpa model of the run: its spec, or a unique part of it.",
            autocompletion=complete_model,
        ),
    ],
    path: Annotated[Path, typer.Argument(metavar="FILE", help="What to write; .gz, .xz, .bz2 and .zst compress.")],
    quiet: Quiet = False,
    out: RunsFolder = Path("results"),
) -> None:
    """Write a model of a run to FILE, which appears when it is whole.

    Words are written as they are. Where tokens hold spaces, line ends or parts of characters (bytes, characters,
    byte-pair encodings), each byte becomes a character of GPT-2's alphabet, as a comment at the top of the file says.

    [bold]Examples[/bold]

      lmbench export arpa latest 'ngram(order=3)' book.arpa.gz

      lmbench run book.txt --model 'arpa(book.arpa.gz)'
    """
    from lmbench import pipeline, store
    from lmbench.cli._progress import shown_on
    from lmbench.counts.arpa import compressed, write_arpa
    from lmbench.counts.backoff import BackoffModel
    from lmbench.errors import UsageError
    from lmbench.model.arpa import Arpa

    folder = store.find_run(run, out)
    record = store.read_record(folder)
    row = store.find_row(record, model)
    vocabulary = pipeline.tokenizer_of(folder, record.card).vocabulary
    fitted = pipeline.load_model(folder, row)
    backoff = getattr(fitted, "model", None)
    if isinstance(fitted, Arpa) and backoff is None:
        raise UsageError(
            f"{row.model}: several tokens of this run have no word in its file and share <unk>, where {form.value} "
            "files give each word a probability of its own; export it from a run whose tokens the file has"
        )
    if not isinstance(backoff, BackoffModel):
        raise UsageError(f"{row.model} is no back-off model, as {form.value} files hold; ngram and arpa models are")
    with (
        shown_on(terminal.notes(), quiet) as (progress, _),
        store.atomic(path) as handle,
        compressed(handle, path) as stream,
    ):
        write_arpa(backoff, vocabulary, stream, progress)
    terminal.say(f"wrote {path} ({path.stat().st_size:,} bytes)", err=True)
