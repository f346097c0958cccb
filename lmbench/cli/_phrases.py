"""What the commands share that show pieces of text in a table."""

from __future__ import annotations

from typing import Any


def quoted(text: str, longest: int | None = None) -> str:
    """`text` in quotation marks, on one line, its middle left out where it has more than `longest` characters."""
    line = flat(text)
    if longest is not None and len(line) > longest:
        half = (longest - 3) // 2
        line = f"{line[:half]} … {line[-half:]}"
    return f"“{line}”"


def flat(text: str) -> str:
    """One line: what breaks lines is shown as a sign."""
    return text.replace("\r", "").replace("\n", "↵").replace("\t", "⇥")


def table() -> Any:
    """An empty table in the look of the report's."""
    from rich import box
    from rich.table import Table

    return Table(box=box.SIMPLE_HEAD, padding=(0, 1), collapse_padding=True, pad_edge=False, show_edge=False)
