"""What a section of the report is: a piece of terminal text, a piece of a page, a figure, or any of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from lmbench.record import Record
from lmbench.report.material import Material

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import RenderableType


Page = Literal["report", "entropy", "notes"]


class Section(Protocol):
    """`title` heads the section on the page; sections follow one another by `position`.

    A section stands in the report of a run and in the panel of `lmbench entropy`, unless it has an
    attribute `pages` that names others, such as `("report",)`; "notes" is what `--notes` prints. An attribute
    `caption` says under the figure how to read it.
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


@runtime_checkable
class Illustrated(Protocol):
    """A section that shows what is not in the record: a passage as the models see it, and text they made."""

    def illustrated(self, record: Record, material: Material, prefix: str) -> str | None:
        """A piece of the page, everything from outside escaped; ids in it begin with `prefix`."""


def scrolling(content: str, label: str) -> str:
    """What may be wider than the page, in a region of its own that the keyboard can scroll too."""
    return f'<div class="wide" role="region" tabindex="0" aria-label="{escape(label)}">{content}</div>'


def table_html(
    caption: str,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    kind: str = "",
    kinds: Sequence[str] = (),
    values: Sequence[Sequence[float | None] | None] = (),
) -> str:
    """A table of text, of which the first cell of each row is its head, and the name of a model may break.

    `kind`: the table's class; `kinds`: that of each row. `values`: of each column behind the head, what its cells are
    sorted by, None where that is their text; where they are given, the reader can sort.
    """
    sorted_by = list(values) or [None] * (len(header) - 1)
    classes = " ".join(each for each in (kind, "sortable" if values else "") if each)
    body = []
    for place, (name, *cells) in enumerate(rows):
        columns = zip(cells, sorted_by, strict=True)
        data = "".join(f"<td{_value(keys, place)}>{escape(cell)}</td>" for cell, keys in columns)
        of = f' class="{escape(kinds[place])}"' if kinds else ""
        body.append(f'<tr{of}><th scope="row">{breakable(name)}</th>{data}</tr>')
    head = "".join(f'<th scope="col">{escape(each)}</th>' for each in header)
    return scrolling(
        f'<table class="{classes}"><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table>",
        caption,
    )


def _value(keys: Sequence[float | None] | None, place: int) -> str:
    if keys is None:
        return ""
    return f' data-value="{"" if keys[place] is None else repr(keys[place])}"'


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
