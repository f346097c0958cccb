"""`lmbench generate`: text from fitted models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lmbench.cli._complete import complete_model
from lmbench.cli._options import Device, DeviceName, Json, RunName, RunsFolder

__all__ = ["generate"]

PANEL = "Look at a run"

_DRAWN = "How it is drawn"


def generate(
    run: RunName = "latest",
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODEL",
            help="A model of the run: its spec, a unique part of it, best, or all; repeat for more, side by side. "
            "[dim]\\[best][/]",
            autocompletion=complete_model,
        ),
    ] = None,
    prompt: Annotated[
        str, typer.Option(help="Text to continue, - for standard input; empty: the beginning of a document.")
    ] = "",
    tokens: Annotated[int, typer.Option(min=1, help="How many tokens at most.")] = 200,
    count: Annotated[int, typer.Option(min=1, help="How many texts of each model, drawn together.")] = 1,
    stop: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="A text ends where TEXT would begin in it; repeat for more."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed, the same text.", rich_help_panel=_DRAWN)] = 0,
    temperature: Annotated[
        float,
        typer.Option(
            help="Below 1 more likely text, above 1 wilder; 0: always the likeliest token.", rich_help_panel=_DRAWN
        ),
    ] = 1.0,
    top_k: Annotated[
        int | None, typer.Option(help="Draw from the K likeliest tokens only.", rich_help_panel=_DRAWN)
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option(
            help="Draw from the fewest tokens that hold this share of the probability.", rich_help_panel=_DRAWN
        ),
    ] = None,
    min_p: Annotated[
        float | None,
        typer.Option(
            help="Draw from tokens of at least this share of the likeliest one's probability.", rich_help_panel=_DRAWN
        ),
    ] = None,
    repetition_penalty: Annotated[
        float,
        typer.Option(
            help="Above 1: ln p of every token that the text holds already is multiplied by it.",
            rich_help_panel=_DRAWN,
        ),
    ] = 1.0,
    device: DeviceName = Device.AUTO,
    out: RunsFolder = Path("results"),
    json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No remarks on standard error.")] = False,
) -> None:
    """Continue a text with models of a run.

    The text is written as it is drawn, the prompt first: exactly as it is to a file or a pipe, while a terminal shows
    control characters as signs such as ^[ for escape. Several models stand side by side, one under the other in a
    narrow terminal or in a file. A token is what the run's tokenizer makes: a word, a part of one, a character or a
    byte; of a pretrained model what its own makes. Where a document ends the next one begins.

    Below, on standard error, stands what the text cost the model that wrote it, in nats per token, beside the
    cross-entropy that it was scored at: a model that drifts writes text that it finds harder than what people wrote.

    [bold]Examples[/bold]

      lmbench generate latest --model 'ngram(order=5)' --prompt 'The queen'

      lmbench generate --model ngram --model transformer --temperature 0.8 --tokens 500

      echo 'The queen' | lmbench generate --prompt - --count 3 --stop '.' --json
    """
    from lmbench.cli._generating import Request, generate_json, generate_text
    from lmbench.generation.sampler import Sampler

    sampler = Sampler(temperature, top_k, top_p, min_p, repetition_penalty)
    wanted = Request.of(run, out, model or ["best"], prompt, device.value, sampler, tokens, count, seed, stop or [])
    if json:
        generate_json(wanted)
    else:
        generate_text(wanted, quiet)
