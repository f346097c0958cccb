"""Options that every command which reads a text has, said once."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

TEXT = "Text"  # the panel of the help that they stand in


class Unit(StrEnum):
    BYTE = "byte"
    CHAR = "char"
    TOKEN = "token"
    WORD = "word"


EachLine = Annotated[
    bool, typer.Option("--lines", help="Each line is a document, as KenLM and SRILM have it.", rich_help_panel=TEXT)
]
Encoding = Annotated[
    str | None, typer.Option(help="Encoding of the text. [dim]\\[UTF-8, checked][/]", rich_help_panel=TEXT)
]
TextField = Annotated[str, typer.Option(help="Field that holds the text of a record.", rich_help_panel=TEXT)]
