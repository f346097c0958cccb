"""At which guess a model found the tokens: the distribution that Shannon's bounds are read off."""

from __future__ import annotations

from typing import Any

from lmbench.record import Shannon
from lmbench.report.section.base import table_html

_APART = 5  # guesses that have a line of their own


def rank_lines(item: Shannon) -> list[tuple[str, list[str]]]:
    """(guesses, share of the tokens found at them for each context length): 1 to 5 apart, 6 to 8, then by octaves.

    Laid out as Shannon's table I (1951), in per cent. Empty for a record that has no shares.

    Worked example: found at guess 1, 1, 2 and 7: 50.0, 25.0, -, -, -, and 25.0 at 6 to 8.
    """
    points = [point for point in item.points if point.shares]
    if not points or not item.groups:
        return []
    lines = []
    for first, last in _bins(item.alphabet):
        inside = [place for place, group in enumerate(item.groups) if first <= group <= last]
        shares = [sum(point.shares[place] for place in inside) for point in points]
        label = f"{first:,}" if first == last else f"{first:,} – {last:,}"
        lines.append((label, [f"{100 * share:.1f}" if share else "–" for share in shares]))
    while lines and set(lines[-1][1]) == {"–"}:
        lines.pop()
    return lines


def _bins(alphabet: int) -> list[tuple[int, int]]:
    """[(first, last)] guesses; octaves end where groups of ranks do."""
    bins = [(guess, guess) for guess in range(1, min(_APART, alphabet) + 1)]
    first, last = _APART + 1, 8
    while first <= alphabet:
        bins.append((first, min(last, alphabet)))
        first, last = last + 1, 2 * last
    return bins


def rank_table(item: Shannon) -> Any:
    """The lines as a table for the terminal; None where there are none."""
    from lmbench.report.screen import Grid, Heading

    lines = rank_lines(item)
    if not lines:
        return None
    guess, *contexts = _header(item)
    headings = [Heading(context, rank=len(contexts) - place) for place, context in enumerate(contexts)]
    grid = Grid(Heading(guess, rank=-1), *headings, advice="widen the terminal or see report.html")
    for label, shares in lines:
        grid.add(label, *shares)
    return grid


def rank_html(item: Shannon) -> str:
    """The lines as a table for the page, folded away; empty where there are none."""
    lines = rank_lines(item)
    if not lines:
        return ""
    caption = "at which guess tokens were found, in per cent, by tokens known"
    rows = [[label, *(str(share) for share in shares)] for label, shares in lines]
    return f"<details><summary>{caption}</summary>{table_html(caption, _header(item), rows)}</details>"


def _header(item: Shannon) -> list[str]:
    return ["guess", *(f"{point.context:,}" for point in item.points if point.shares)]
