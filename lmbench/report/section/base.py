"""What a section of the report is: a piece of terminal text, a piece of a page, a figure, or any of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Literal, Protocol

from lmbench.record import Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import RenderableType


Page = Literal["report", "entropy", "notes"]


class Section(Protocol):
    """`title` heads the section on the page; sections follow one another by `position`.

    A section stands in the report of a run and in the panel of `lmbench entropy`, unless it has an
    attribute `pages` that names others, such as `("report",)`; "notes" is what `--notes` prints.
    Each method gives None where the section has nothing to say in that form.
    """

    title: str
    position: int

    def text(self, record: Record, width: int) -> RenderableType | None:
        """For a terminal of `width` columns."""

    def html(self, record: Record) -> str | None:
        """A piece of the page, everything that came from the user escaped."""

    def figure(self, record: Record) -> Figure | None:
        """A matplotlib figure: inline on the page, and a PNG beside it."""


def breakable(spec: str) -> str:
    """The name of a model as HTML, with places where a narrow column may break it: `ngram(<wbr>order=<wbr>5)`."""
    return re.sub(r"([(\[=])", r"\1<wbr>", escape(spec))


def bullets(sentences: Sequence[str], width: int) -> RenderableType | None:
    """The sentences one under the other, folded to `width` columns; None where there are none."""
    from lmbench.report.screen import bullets as listed

    return listed(sentences, width)


def bullets_html(sentences: Sequence[str]) -> str | None:
    """The sentences as a list; None where there are none."""
    return "<ul>" + "".join(f"<li>{escape(each)}</li>" for each in sentences) + "</ul>" if sentences else None
