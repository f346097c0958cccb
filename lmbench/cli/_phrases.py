"""What the commands share that show pieces of text in a table."""

from __future__ import annotations

from lmbench import terminal


def quoted(text: str, longest: int | None = None) -> str:
    """`text` in quotation marks, on one line, its middle left out where it has more than `longest` characters."""
    line = flat(text)
    if longest is not None and len(line) > longest:
        half = (longest - 3) // 2
        line = f"{line[:half]} … {line[-half:]}"
    return f"“{line}”"


def flat(text: str) -> str:
    """One line: what breaks lines, and what a terminal would obey, is shown as a sign."""
    return terminal.visible(text.replace("\r\n", "\n").replace("\n", "↵").replace("\t", "⇥"))


def fitted(text: str, columns: int, from_end: bool = False) -> str:
    """As much of the beginning of `text`, or of its end, as `columns` of a terminal hold; wide characters take two."""
    from rich.cells import cell_len

    used = 0
    for count, character in enumerate(reversed(text) if from_end else text):
        used += cell_len(character)
        if used > columns:
            return text[len(text) - count :] if from_end else text[:count]
    return text
