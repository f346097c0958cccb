"""Figures with all their digits, for spreadsheets and programs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from lmbench.record import Entropy, Row
from lmbench.record.table import columns_of, values_of
from lmbench.report.export.base import Exported

__all__ = ["Csv"]

_RUN = ("run", "corpus", "tokenizer", "test_tokens_hash")
_FORMULA = re.compile(r"[\s'\"\x00-\x1f\ufeff]*[=+\-@＝＋－＠|%]")


class Csv:
    """A line for each model and each estimate, with all the digits of its figures (UTF-8, each line ended
    by LF). A text that a spreadsheet would take for a formula has an apostrophe before it."""

    def text(self, runs: Sequence[Exported]) -> str:
        names = [*_RUN, "kind", *columns_of(Row), "note"]
        names += [name for name in columns_of(Entropy) if name not in (*names, "estimator")]
        lines = [names]
        for run in runs:
            card = run.record.card
            common = dict(zip(_RUN, (run.name, card.corpus, card.tokenizer, card.test.tokens_hash), strict=True))
            for row in run.record.rows:
                kind = "control" if row.control else "model" if row.distribution else "score"
                found = common | {"kind": kind} | values_of(row)
                lines.append([cell(found.get(name)) for name in names])
            for entropy in run.record.entropy:
                known = values_of(entropy)
                found = common | known | {"model": known["estimator"]}
                lines.append([cell(found.get(name)) for name in names])
        return "".join(",".join(map(_quoted, line)) + "\n" for line in lines)


def _quoted(text: str) -> str:
    """A field, in quotes where it has what would end it."""
    return '"' + text.replace('"', '""') + '"' if re.search('[",\r\n]', text) else text


def cell(value: Any) -> str:
    """A number with all its digits; a text so that nothing computes with it; nothing for what is not known."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    text = "; ".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"'{text}" if _FORMULA.match(text) else text
