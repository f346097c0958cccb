"""What the figures share: one look, no window system, no state that outlives a figure."""

from __future__ import annotations

import io
import re
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#1f2430"
FAINT = "#d5d9e0"
MUTED = "#9aa3b2"
COLOURS = {
    "model": "#2b6cb0",
    "adaptive model": "#2c9aa0",
    "upper bound": "#c05621",
    "estimate": "#6b46c1",
    "lower bound": "#97266d",
    "true rate": "#2f855a",
}
MARKERS = {
    "model": "o",
    "adaptive model": "s",
    "upper bound": "<",
    "estimate": "D",
    "lower bound": ">",
    "true rate": "*",
}
CYCLE = ("#2b6cb0", "#c05621", "#2f855a", "#6b46c1", "#97266d", "#718096")


def axes(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of `width` by `height` inches with one pair of axes, without the frame's upper and right side."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    plot = figure.add_subplot()
    _plain(plot)
    return figure, plot


def panels(width: float, height: float, count: int) -> tuple[Figure, list[Axes]]:
    """A figure of `width` by `height` inches with `count` pairs of axes side by side, which share what is upright."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    plots = list(figure.subplots(1, count, sharey=True))
    for plot in plots:
        _plain(plot)
    return figure, plots


def _plain(plot: Axes) -> None:
    plot.spines[["top", "right"]].set_visible(False)
    plot.spines[["left", "bottom"]].set_color(FAINT)
    plot.tick_params(which="both", colors=INK, labelsize=9, length=0)
    plot.grid(True, color=FAINT, linewidth=0.6)
    plot.set_axisbelow(True)


def svg(figure: Figure, prefix: str) -> str:
    """The figure as an `<svg>` element whose text is text; ids start with `prefix`, so that several fit on a page."""
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "lmbench"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # the reader's browser has the fonts that matplotlib lacks
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text, flags=re.DOTALL)
    return re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}-", text)


def png(figure: Figure, title: str) -> bytes:
    """The figure under `title`, as a PNG of 160 dots per inch on white; changes the figure."""
    buffer = io.BytesIO()
    figure.suptitle(title, fontsize=10.5, color=INK, x=0.01, ha="left").set_parse_math(False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")
        figure.savefig(buffer, format="png", dpi=160, facecolor="white")
    return buffer.getvalue()
