"""Options that several commands have, said once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lmbench.cli._complete import complete_run

TEXT, MEASURED, OUTPUT = "Text", "What is measured", "Output"  # panels of the help


class Unit(StrEnum):
    BYTE = "byte"
    CHAR = "char"
    TOKEN = "token"
    WORD = "word"


class Device(StrEnum):
    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class Errors(StrEnum):
    STRICT = "strict"
    REPLACE = "replace"
    IGNORE = "ignore"


# of a text
Source = Annotated[str, typer.Argument(metavar="SOURCE", help="A text, as for lmbench run.")]
TestText = Annotated[
    str | None,
    typer.Option("--test", metavar="PATH", help="Test text. [dim]\\[cut from SOURCE][/]", rich_help_panel=TEXT),
]
SplitRule = Annotated[
    str | None,
    typer.Option(
        "--split",
        metavar="A/B/C[:RULE]",
        help="Train/valid/test in per cent, or train/test, and how they are taken, see lmbench run. "
        "[dim]\\[the corpus's own, or 90/5/5][/]",
        rich_help_panel=TEXT,
    ),
]
EachLine = Annotated[
    bool,
    typer.Option(
        "--lines",
        help="Each line is a document, as KenLM and SRILM have it.",
        rich_help_panel=TEXT,
    ),
]
Encoding = Annotated[
    str | None,
    typer.Option(help="Encoding of the text, such as shift_jis. [dim]\\[UTF-8, checked][/]", rich_help_panel=TEXT),
]
DecodingErrors = Annotated[
    Errors,
    typer.Option(
        help="Bytes that are no text: strict stops, replace puts � in their place, ignore leaves them out.",
        rich_help_panel=TEXT,
    ),
]
TextField = Annotated[
    str,
    typer.Option(
        help="Field that holds the text of a .jsonl or .parquet record; a.b or a.0.b of one inside others.",
        rich_help_panel=TEXT,
    ),
]
UnitTokenizer = Annotated[
    str, typer.Option(metavar="SPEC", help="Tokenizer of --unit token.", rich_help_panel=MEASURED)
]

# of a run
RunName = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="A run: its folder, a unique part of its name, the word that --name called it by, or "
        "latest, which may be left out.",
        autocompletion=complete_run,
    ),
]
RunsFolder = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder that holds the runs.")]

# of the machine and the output
DeviceName = Annotated[Device, typer.Option("--device", help="Where to compute; auto: on a GPU if there is one.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of all that is random.")]
Json = Annotated[bool, typer.Option("--json", help="JSON on standard output.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
WholeNotes = Annotated[bool, typer.Option("--notes", help="The notes in full length.")]
Tensorboard = Annotated[
    Path | None,
    typer.Option(
        "--tensorboard",
        metavar="DIR",
        help="Write the learning curves there as event files of TensorBoard (needs the package tensorboard).",
        rich_help_panel=OUTPUT,
    ),
]
