"""The report on a terminal, or as plain text where there is none."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TextIO

from lmbench.record import Record
from lmbench.report.section import ordered
from lmbench.report.section.base import Page

if TYPE_CHECKING:
    from rich.console import Console

_PLAIN_WIDTH = 120


def console_for(stream: TextIO) -> Console:
    """A console on `stream`: as wide as the terminal; where there is none $COLUMNS, or 120 columns, and no colour."""
    from rich.console import Console

    columns = os.environ.get("COLUMNS", "")
    width = int(columns) if columns.isdigit() and int(columns) > 0 else None
    if not stream.isatty():
        width = width or _PLAIN_WIDTH
    return Console(file=stream, width=width, highlight=False, soft_wrap=False)


def print_report(record: Record, stream: TextIO, page: Page = "report") -> None:
    """Write every section of `page` that has a form as text; without a terminal no line ends in blanks."""
    console = console_for(stream)
    pieces = [piece for _, section in ordered(page) if (piece := section.text(record, console.width)) is not None]
    with console.capture() as captured:
        for index, piece in enumerate(pieces):
            if index:
                console.print()
            console.print(piece)
    text = captured.get()
    stream.write(text if stream.isatty() else "".join(line.rstrip() + "\n" for line in text.splitlines()))
