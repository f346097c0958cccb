"""A table of LaTeX."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lmbench.report.export._table import table_of
from lmbench.report.export.base import Exported

__all__ = ["Latex"]

_SIGNS = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "'": r"\textquotesingle{}", "`": r"\textasciigrave{}",
    "-": "{-}", "[": "{[}", "]": "{]}", "*": "{*}", "?": "{?}", "!": "{!}",
    "–": "--", "—": "---", "±": r"$\pm$", "∞": r"$\infty$", "…": r"\ldots{}",
    "×": r"$\times$", "·": r"\textperiodcentered{}",
    "\u00a0": "~", "“": r"\textquotedblleft{}", "”": r"\textquotedblright{}", "’": r"\textquoteright{}",
}  # fmt: skip
_NEGATIVE = re.compile(r"-\d")
_SPECIAL = re.compile("[" + re.escape("".join(_SIGNS)) + "]")


class Latex:
    """A tabular of LaTeX with the rules of the package booktabs, its figures to the right. Every sign of a text that
    TeX would read is a command that prints it; letters beyond Latin need a font that has them (XeLaTeX, LuaLaTeX)."""

    def text(self, runs: Sequence[Exported]) -> str:
        table = table_of(runs)
        columns = "".join("l" if words else "r" for words in table.words)
        rows = [" & ".join(escaped(cell) for cell in row) + r" \\" for row in [table.header, *table.rows]]
        lines = [
            r"% \usepackage[T1]{fontenc} \usepackage{textcomp} \usepackage{booktabs}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            rows[0],
            r"\midrule",
            *rows[1:],
            r"\bottomrule",
            r"\end{tabular}",
        ]
        return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    r"""`a_b & 5%` as `a\_b \& 5\%`; no ligature is made of two signs, and none is taken for an argument of what comes
    before."""
    sign, rest = ("$-$", text[1:]) if _NEGATIVE.match(text) else ("", text)
    return sign + _SPECIAL.sub(lambda found: _SIGNS[found[0]], rest)
