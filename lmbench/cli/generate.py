"""`lmbench generate`: text from a fitted model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lmbench import terminal
from lmbench.cli._complete import complete_model
from lmbench.cli._options import Device, DeviceName, RunName, RunsFolder

__all__ = ["generate"]

PANEL = "Look at a run"


def generate(
    run: RunName = "latest",
    model: Annotated[
        str,
        typer.Option(
            metavar="MODEL",
            help="A model of the run: its spec, a unique part of it, or best.",
            autocompletion=complete_model,
        ),
    ] = "best",
    prompt: Annotated[str, typer.Option(help="Text to continue; empty: the beginning of a document.")] = "",
    tokens: Annotated[int, typer.Option(min=1, help="How many tokens.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="The same seed, the same text.")] = 0,
    temperature: Annotated[
        float, typer.Option(help="Below 1 more likely text, above 1 wilder; 0: always the likeliest token.")
    ] = 1.0,
    top_k: Annotated[int | None, typer.Option(help="Draw from the K likeliest tokens only.")] = None,
    top_p: Annotated[
        float | None, typer.Option(help="Draw from the fewest tokens that hold this share of the probability.")
    ] = None,
    device: DeviceName = Device.AUTO,
    out: RunsFolder = Path("results"),
) -> None:
    """Continue a text with a model of a run.

    The text is written as it is drawn, the prompt first: exactly as it is to a file or a pipe, while a terminal shows
    control characters as signs such as ^[ for escape. A token is what the run's tokenizer makes: a word, a part of
    one, a character or a byte.

    [bold]Examples[/bold]

      lmbench generate latest --model 'ngram(order=5)' --prompt 'The queen'

      lmbench generate results/2026-05-04-book-1a2b3c4d --model transformer --temperature 0.8 --tokens 500
    """
    from lmbench import pipeline, store
    from lmbench.generation.sample import sample
    from lmbench.generation.text import stream
    from lmbench.machine import resolve_device

    folder = store.find_run(run, out)
    record = store.read_record(folder)
    row = store.find_row(record, model)
    tokenizer = pipeline.tokenizer_of(folder, record.card)
    fitted = pipeline.load_model(folder, row, resolve_device(device.value))
    vocabulary = tokenizer.vocabulary
    ids = tokenizer.encode_text(prompt)
    if vocabulary.unknown is not None and (ids == vocabulary.unknown).any():
        unknown = int((ids == vocabulary.unknown).sum())
        terminal.say(f"note: {unknown} of the prompt's {len(ids)} tokens are outside the vocabulary", err=True)
    made = sample(
        fitted, ids, tokens, vocabulary.end_of_text,
        seed=seed, temperature=temperature, top_k=top_k, top_p=top_p,
    )  # fmt: skip
    spaced = not vocabulary.lossless
    terminal.data(prompt + (" " if spaced and prompt and not prompt[-1].isspace() else ""))
    for piece in stream(made, vocabulary, spaced):
        terminal.data(piece)
    terminal.data("\n")
