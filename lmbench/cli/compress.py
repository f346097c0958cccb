"""`lmbench compress`: any file as bits, by arithmetic coding with a model of a run."""

from __future__ import annotations

import json as json_
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from lmbench import terminal
from lmbench.cli._complete import complete_model
from lmbench.cli._options import OUTPUT, Json, Quiet, RunName, RunsFolder

__all__ = ["compress"]

PANEL = "Look at a run"
_PIECE = 1 << 20  # bytes


def compress(
    *,
    run: RunName = "latest",
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Any file: text, or other bytes.", dir_okay=False)],
    model: Annotated[
        str,
        typer.Option(
            metavar="MODEL",
            help="A model of the run: its spec, a unique part of it, or best.",
            autocompletion=complete_model,
        ),
    ] = "best",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE.lmz", help="What to write. [dim]\\[FILE.lmz][/]", rich_help_panel=OUTPUT
        ),
    ] = None,
    check: Annotated[
        bool,
        typer.Option("--check/--no-check", help="Decompress it again before it is written.", rich_help_panel=OUTPUT),
    ] = True,
    json: Json = False,
    quiet: Quiet = False,
    out: RunsFolder = Path("results"),
) -> None:
    """Compress FILE with a model of a run, from which lmbench decompress makes it again, byte for byte.

    The payload takes the bits that the model gives the text, to 0.1 % and 64 bits. What is no UTF-8 is spelled by the
    tokens of single bytes; a run whose tokens lose text (word) is refused. It decompresses on the same machine with the
    same versions; elsewhere that is refused, or tried (--anyway).

    [bold]Examples[/bold]

      lmbench compress latest essay.txt --model 'ngram(order=5)' -o essay.lmz

      lmbench decompress latest essay.lmz -o essay.txt
    """
    from lmbench import store
    from lmbench.cli._progress import shown_on
    from lmbench.codec.container import LONGEST
    from lmbench.errors import LmbenchError
    from lmbench.pipeline.compressing import Codec

    folder = store.find_run(run, out)
    row = store.find_row(store.read_record(folder), model)
    target = output or file.with_name(f"{file.name}.lmz")
    content = bytearray()
    with file.open("rb") as stream:
        while len(content) <= LONGEST and (piece := stream.read(_PIECE)):
            content += piece
    if target.exists() and file.samefile(target):
        raise LmbenchError(f"{target} is the file to compress; give -o another name")
    with shown_on(terminal.notes(), quiet) as (progress, _):
        made, said = Codec.open(folder, row).compress(bytes(content), progress, check)
        with store.atomic(target) as handle:
            handle.write(made)
    if json:
        terminal.write_json(json_.dumps({"file": str(file), "output": str(target), **asdict(said)}))
        return
    rate = f", {said.code_length / said.bytes:.3f} bits/byte" if said.bytes else ""
    terminal.say(f"{file}: {said.bytes:,} bytes, {said.tokens:,} tokens")
    terminal.say(f"code length: {said.code_length:,.1f} bits by {said.model}{rate}")
    over = f" ({said.payload_bits / said.code_length - 1:+.3%})" if said.code_length else ""
    terminal.say(f"payload: {said.payload_bits:,} bits{over}")
    terminal.say(f"{target}: {said.size:,} bytes, {said.size - said.payload_bits // 8:,} of them header")
