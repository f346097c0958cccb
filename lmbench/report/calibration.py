"""The calibration table: on a terminal, and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lmbench.entropy._calibration import Calibration
from lmbench.report import format as form

if TYPE_CHECKING:
    from rich.console import RenderableType

ABOUT = (
    "Bits per symbol. Bias: mean of estimate - true rate; spread: standard deviation of the same; covers: share of "
    "the 95 % intervals that hold the rate; bound holds: share of the samples in which the rate is on its right side. "
    "Each sample is of a source of its own. –: there is none."
)
HEADERS = ("symbols", "samples", "true rate", "bias", "spread", "95 % covers", "bound holds")


def calibration_table(rows: Sequence[Calibration]) -> RenderableType:
    """A table for the terminal, estimator by estimator, in bits per symbol."""
    from lmbench.report.screen import Grid, Heading

    ranks = dict(zip(HEADERS, (3, 6, 4, 1, 2, 5, 7), strict=True))
    table = Grid(Heading("", "name"), *(Heading(header, rank=rank) for header, rank in ranks.items()))
    for estimator, mine in _by_estimator(rows):
        table.add(estimator, *[""] * len(HEADERS), style="bold")
        for row in mine:
            table.add(f"  {row.source}", *_cells(row))
    return table


def calibration_markdown(rows: Sequence[Calibration], facts: Sequence[str]) -> str:
    """The same with a line for each of `facts` above it."""
    lines = [
        "# Estimators of the entropy rate, on sources whose rate is known",
        "",
        ABOUT,
        "",
        *(f"- {fact}" for fact in facts),
    ]
    for estimator, mine in _by_estimator(rows):
        lines += ["", f"## `{estimator}`", "", "| source | " + " | ".join(HEADERS) + " |"]
        lines.append("|---|" + "---:|" * len(HEADERS))
        lines += [f"| {row.source} | " + " | ".join(_cells(row)) + " |" for row in mine]
        refused = {row.reason for row in mine if row.refused}
        lines += ["", *(f"- refused: {reason}" for reason in sorted(refused))] if refused else []
    return "\n".join(lines) + "\n"


def _by_estimator(rows: Sequence[Calibration]) -> list[tuple[str, list[Calibration]]]:
    names = dict.fromkeys(row.estimator for row in rows)
    return [(name, [row for row in rows if row.estimator == name]) for name in names]


def _cells(row: Calibration) -> list[str]:
    done = row.samples - row.refused
    return [
        f"{row.size:,}",
        str(row.samples) if done == row.samples else f"{done} of {row.samples}",
        f"{row.truth:.3f}",
        form.NOTHING if row.bias is None else f"{row.bias:+.4f}",
        form.fixed(row.spread, 4),
        form.NOTHING if row.coverage is None else f"{row.coverage:.0%}",
        form.NOTHING if row.holds is None else f"{row.holds:.0%}",
    ]
