"""A table of GitHub's Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lmbench.report.export._table import table_of
from lmbench.report.export.base import Exported

__all__ = ["Markdown"]

_SPECIAL = re.compile(r"[\\`*_{}\[\]<>#|&~!$:@]|(?<=www)\.|(?<=WWW)\.")


class Markdown:
    """A table in GitHub's Markdown, its figures to the right. Every sign of a text that Markdown would read, mark-up
    and addresses among them, has a backslash before it."""

    def text(self, runs: Sequence[Exported]) -> str:
        table = table_of(runs)
        rule = ["---" if words else "---:" for words in table.words]
        rows = [[escaped(cell) for cell in row] for row in [table.header, *table.rows]]
        lines = [f"| {' | '.join(row)} |" for row in [rows[0], rule, *rows[1:]]]
        return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    r"""`a|b` as `a\|b`."""
    return _SPECIAL.sub(r"\\\g<0>", text)
