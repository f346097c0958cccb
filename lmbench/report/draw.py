"""What the figures share: one look, no window system, no state that outlives a figure."""

from __future__ import annotations

import io
import math
import re
import warnings
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

INK = "#1f2430"
FAINT = "#d5d9e0"
MUTED = "#9aa3b2"
COLOURS = {
    "model": "#2b6cb0",
    "adaptive model": "#1f7a80",
    "upper bound": "#c05621",
    "estimate": "#6b46c1",
    "estimate, repeats": "#9aa3b2",
    "lower bound": "#97266d",
    "true rate": "#2f855a",
}
MARKERS = {
    "model": "o",
    "adaptive model": "s",
    "upper bound": "<",
    "estimate": "D",
    "estimate, repeats": "D",
    "lower bound": ">",
    "true rate": "*",
}
_EAST_ASIAN = (
    "Noto Sans CJK JP", "Noto Sans JP", "Hiragino Sans", "Yu Gothic", "MS Gothic", "IPAexGothic", "IPAPGothic",
    "TakaoPGothic", "VL PGothic", "Source Han Sans JP", "Apple SD Gothic Neo", "Malgun Gothic",
)  # fmt: skip
DARK = {
    INK: "#e4e8ef", FAINT: "#3a4250", MUTED: "#8b95a7", "#2b6cb0": "#63b3ed", "#1f7a80": "#4fd1c5",
    "#c05621": "#f6ad55", "#6b46c1": "#b794f4", "#97266d": "#f687b3", "#2f855a": "#68d391", "#5f6b7d": "#a0aec0",
    "#ffffff": "#15181e",
}  # fmt: skip  # what each colour of a figure is on a dark page
CYCLE = ("#2b6cb0", "#c05621", "#2f855a", "#6b46c1", "#97266d", "#5f6b7d")


def axes(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of `width` by `height` inches with one pair of axes, without the frame's upper and right side."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    plot = figure.add_subplot()
    plain(plot)
    return figure, plot


def panels(width: float, height: float, count: int) -> tuple[Figure, list[Axes]]:
    """A figure of `width` by `height` inches with `count` pairs of axes side by side, which share what is upright."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    plots = list(figure.subplots(1, count, sharey=True))
    for plot in plots:
        plain(plot)
    return figure, plots


def plain(plot: Axes) -> None:
    """Axes without the frame's upper and right side, with a faint grid."""
    plot.spines[["top", "right"]].set_visible(False)
    plot.spines[["left", "bottom"]].set_color(FAINT)
    plot.tick_params(which="both", colors=INK, labelsize=9, length=0)
    plot.grid(True, color=FAINT, linewidth=0.6)
    plot.set_axisbelow(True)


def decades(axis: Axis) -> None:
    """Ticks of a logarithmic axis on which all has been drawn: powers of ten, where those are few 1, 2 and 5 or 1 and 3
    times each, and round numbers where it spans less than one; few enough that no two labels touch."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    low, high = axis.get_view_interval()
    if not 0 < low < high:  # nothing has been drawn
        return
    spanned = math.log10(high / low)
    if spanned < 1:
        axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    else:
        parts = (1.0, 2.0, 5.0) if spanned < 1.3 else (1.0, 3.0) if spanned < 2.3 else (1.0,)
        axis.set_major_locator(LogLocator(subs=parts, numticks=7))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))


def _tick(value: float) -> str:
    """`0.05`, `200`, and from 10,000 on and below 0.001 as a power of ten: `$2\\times10^{4}$`."""
    if 0.001 <= value < 9_999.5:
        return f"{value:g}"
    if value <= 0:  # a round number beside the axis
        return ""
    power = math.floor(math.log10(value) + 1e-9)
    factor = f"{value / 10**power:.3g}"
    return f"$10^{{{power}}}$" if factor == "1" else rf"${factor}\times10^{{{power}}}$"


def _with_fonts(figure: Figure) -> None:
    """Let writing that the usual font lacks, such as Japanese, be drawn in another one where it is installed."""
    from matplotlib.font_manager import fontManager
    from matplotlib.text import Text

    installed = {font.name for font in fontManager.ttflist}
    other = next((name for name in _EAST_ASIAN if name in installed), None)
    if other is None:
        return
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        if not text.get_text().isascii():
            text.set_fontfamily(["DejaVu Sans", other])


def svg(figure: Figure, prefix: str, label: str = "") -> str:
    """The figure as an `<svg>` element whose text is text, called `label` to those who cannot see it; ids start with
    `prefix`, so that several fit on a page. It has no style of its own, which the policy of a page would refuse: looks
    are attributes, and colours are variables of the page where that has them in a light and in a dark form."""
    import matplotlib

    _with_fonts(figure)
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "lmbench"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # the reader's browser has the fonts that matplotlib lacks
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->|<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r"<[^>]+>", lambda tag: _plain_tag(tag[0], prefix), text)
    return text.replace("<svg", f'<svg role="img" aria-label="{escape(label or prefix)}"', 1)


def _plain_tag(tag: str, prefix: str) -> str:
    """A tag with its ids prefixed and its style as attributes."""
    tag = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}-", tag)
    return re.sub(r' ?style="([^"]*)"', lambda style: _attributes(style[1]), tag)


def _attributes(style: str) -> str:
    """`fill: #1f2430; font: 9px 'DejaVu Sans'` as attributes; a font keeps its size, weight and slant, for the page has
    its own family."""
    found = ""
    for part in style.split(";"):
        name, _, value = (each.strip() for each in part.partition(":"))
        if name == "font":
            size, weight, slant = (
                re.search(form, value) for form in (r"([\d.]+)px", r"\b([1-9]00)\b", r"\b(italic)\b")
            )
            for key, match in (("font-size", size), ("font-weight", weight), ("font-style", slant)):
                found += f' {key}="{match[1]}"' if match else ""
        elif name and not name.startswith("-"):
            colour = f"var(--c-{value[1:]}, {value})" if value in DARK else value
            found += f' {name}="{colour}"'
    return found


def png(figure: Figure, title: str) -> bytes:
    """The figure under `title`, as a PNG of 160 dots per inch on white; changes the figure."""
    buffer = io.BytesIO()
    figure.suptitle(title, fontsize=10.5, color=INK, x=0.01, ha="left").set_parse_math(False)
    _with_fonts(figure)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")
        figure.savefig(buffer, format="png", dpi=160, facecolor="white")
    return buffer.getvalue()
