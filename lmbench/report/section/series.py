"""Shannon's series of approximations: text drawn at each order, and the cross-entropy there."""

from __future__ import annotations

from html import escape
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

from lmbench.record import Approximation, Record, Series
from lmbench.report import draw
from lmbench.report import format as form
from lmbench.report.document import shown
from lmbench.report.section.base import bullets_html, table_html

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import RenderableType

__all__ = ["ShannonSeries"]

_ORDINALS = ("zero", "first", "second", "third", "fourth", "fifth", "sixth")
_HEADER = ("step", "bits/char", "bits/word", "longest match", "copied")
_KINDS = {"letters": "model", "words": "upper bound", "all suffixes": "true rate", "networks": "estimate"}
_LONGEST = 24  # characters of a name under the figure


class ShannonSeries:
    """Letters, words, all suffixes and networks, each with the text that was drawn from it."""

    title = "Shannon’s series of approximations (1948)"
    position = 12
    pages = ("report",)

    def text(self, record: Record, width: int) -> RenderableType | None:
        return None

    def html(self, record: Record) -> str | None:
        if record.series is None:
            return None
        made = record.series
        rows = [[label_of(step), *_figures(step)] for step in made.steps]
        parts = [table_html(f"{self.title}, bits of held-out text", _HEADER, rows), f"<p>{escape(about(made))}</p>"]
        for kind, steps in groupby(made.steps, kind_of):
            parts.append(f"<h3>{escape(kind)}</h3>{''.join(map(_sample, steps))}")
        return "".join(parts) + (bullets_html(notes_of(made)) or "")

    def figure(self, record: Record) -> Figure | None:
        made = record.series
        if made is None or not any(step.bits_per_character is not None for step in made.steps):
            return None
        figure, plot = draw.axes(12.0, 3.6)
        for place, step in enumerate(made.steps):
            if step.bits_per_character is None:
                continue
            colour = draw.COLOURS[_KINDS[kind_of(step)]]
            plot.bar(place, step.bits_per_character, color=colour, width=0.7, alpha=0.45 if step.only_copies else 0.9)
            plot.text(
                place, step.bits_per_character, f"{step.bits_per_character:.2f}", ha="center", va="bottom",
                fontsize=8, color=draw.INK,
            )  # fmt: skip
        names = [form.shortened(label_of(step), _LONGEST) for step in made.steps]
        plot.set_xticks(range(len(names)), labels=names, rotation=35, ha="right")
        for text in plot.get_xticklabels():
            text.set_parse_math(False)
        plot.grid(visible=False, axis="x")
        plot.set_ylabel("bits per character", fontsize=9.5, color=draw.INK)
        return figure


def kind_of(step: Approximation) -> str:
    """What a step stands under: letters, words, all suffixes, networks."""
    if step.order is not None:
        return "letters" if step.unit == "letter" else "words"
    return "all suffixes" if step.model.startswith("suffix") else "networks"


def label_of(step: Approximation) -> str:
    """A step's name: `second order` in letters or in words, or the name of its model."""
    if step.order is None:
        return step.model
    ordinal = f"{_ORDINALS[step.order]} order" if step.order < len(_ORDINALS) else f"order {step.order}"
    return f"{ordinal}, {step.unit}s"


def copied_of(step: Approximation) -> str:
    """What of the sample stands in the training text, in words."""
    found = f"longest match {step.longest_match:,}, copied {step.copied:.0%}"
    if not step.only_copies:
        return found
    stops = "" if step.order is None else f"; the series of {step.unit}s stops here"
    return f"{found}: this step only copies{stops}"


def about(made: Series) -> str:
    """How the figures and the samples were made, in sentences."""
    way = "from the counts of the training text"
    if made.method == "book":
        way = "by opening the training text at random places and reading on to the context"
    letters = f"{made.alphabet:,} letters" + (" (a to z and the space)" if made.letters == "27" else "")
    words = f"; words by {made.words}" if made.words else ""
    return (
        f"{letters}{words}; {made.train_characters:,} characters of training text, {made.test_characters:,} held out. "
        f"Samples of an order are drawn {way}, seed {made.seed}. bits/char, bits/word: cross-entropy of "
        "the held-out text under a smoothed model of that order (modified Kneser-Ney; of words with the spelling of "
        "unknown ones). copied: share of the sample’s characters in passages of 20 and more that the training text has"
    )


def notes_of(made: Series) -> list[str]:
    """What is to be said of single steps, each once, and of the whole."""
    return list(dict.fromkeys([*made.notes, *(note for step in made.steps for note in step.notes)]))


def _figures(step: Approximation) -> list[str]:
    return [
        form.fixed(step.bits_per_character, 3), form.fixed(step.bits_per_word, 2), f"{step.longest_match:,}",
        f"{step.copied:.0%}",
    ]  # fmt: skip


def stretches(step: Approximation) -> list[tuple[str, bool]]:
    """(a piece of the sample, whether it stands in the training text in a long passage), all pieces in their order."""
    edges = [0, *(edge for passage in step.passages for edge in passage), len(step.sample)]
    pieces = [(step.sample[low:high], bool(number % 2)) for number, (low, high) in enumerate(pairwise(edges))]
    return [(text, copied) for text, copied in pieces if text]


def _sample(step: Approximation) -> str:
    head = f"{label_of(step)}: {form.fixed(step.bits_per_character, 3)} bits/char"
    pieces = ((escape(shown(piece, keep="\n")), copied) for piece, copied in stretches(step))
    text = "".join(f"<mark>{piece}</mark>" if copied else piece for piece, copied in pieces)
    return f'<div class="sample"><h4>{escape(head)}</h4><pre>{text}</pre><p>{escape(copied_of(step))}</p></div>'
