"""What was measured of a text's structure: as a table, as figures, and as one page."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from lmbench.report import draw
from lmbench.report import format as form
from lmbench.report.document import document
from lmbench.report.section.base import scrolling, table_html
from lmbench.structure.dependence import Curve
from lmbench.structure.lexicon import Heaps, Zipf
from lmbench.structure.measure import Structure
from lmbench.structure.scaling import Exponent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Line = tuple[str, str, str, str]  # quantity, value, 95 % interval, how it was measured
HEADER: Line = ("", "value", "95 %", "how")
REMARK = "95 % of a slope: from the scatter about the line only, as if the points of a curve were independent"


def lines_of(found: Structure) -> list[Line]:
    """The exponents, one a line; what could not be fitted says why."""
    symbols = f"{found.symbols:,} symbols ({found.unit})"
    about = found.dependence
    if about.merged:
        symbols += f", the {about.size - 1:,} most frequent told apart, {about.merged:,} rarer ones taken for one"
    scaling = found.scaling
    lines = [
        _decay("mutual information ~ d^-a", about.information, f"{symbols}; less that of shuffled text"),
        _exponent("gamma: H_n - H_inf ~ n^-gamma", scaling.gamma),
        _exponent("beta: |C(d)| ~ d^-beta", scaling.beta),
        (
            "alpha_D = gamma / (2 beta)",
            form.fixed(scaling.predicted, 3),
            form.interval(scaling.predicted_interval, 3),
            "predicted (arXiv 2602.07488)"
            if scaling.predicted is not None
            else "gamma or beta is not known, or not above 0",
        ),
    ]
    if scaling.measured is not None:
        lines.append(_exponent(f"alpha_D of {scaling.model}", scaling.measured))
    return [*lines, _zipf(found, found.zipf), _heaps(found, found.heaps)]


def _decay(name: str, curve: Curve, about: str) -> Line:
    decay = curve.decay
    if decay is None:
        return name, form.NOTHING, form.NOTHING, f"{about}; {curve.refused}"
    law = {
        "power law": "a power law fits better than an exponential",
        "exponential": f"an exponential of length {decay.length:.3g} fits better",
        "undecided": f"an exponential of length {decay.length:.3g} fits as well",
    }[decay.better]
    if not 0 < decay.length < math.inf:
        law = "it does not fall over them"
    if not decay.close:
        law += ", and neither is close: the decay has more than one stage"
    sinks = ", where it sinks into the band" if decay.points < len(curve.distances) else ""
    how = (
        f"{about}; least squares on the logarithms at {decay.points} distances up to {decay.last:,}{sinks}; {law} "
        f"(residuals {decay.power_error:.2f} and {decay.exponential_error:.2f} nats)"
    )
    return name, form.fixed(decay.exponent, 3), form.interval(decay.interval, 3), how


def _exponent(name: str, found: Exponent) -> Line:
    return name, form.fixed(found.value, 3), form.interval(found.interval, 3), found.about


def _zipf(found: Structure, law: Zipf | None) -> Line:
    name = "Zipf: frequency ~ rank^-z"
    if law is None:
        return name, form.NOTHING, form.NOTHING, found.refused["zipf"]
    how = (
        f"{found.types_of:,} {found.lexicon}s; maximum likelihood on the counts of the {law.types:,} of "
        f"{law.all_types:,} types that occur {law.least:,} times or more (p(k) ~ k^-{law.alpha:.3f}, "
        f"Kolmogorov-Smirnov {law.distance:.4f})"
    )
    return name, form.fixed(law.exponent, 3), form.interval(law.exponent_interval, 3), how


def _heaps(found: Structure, law: Heaps | None) -> Line:
    name = "Heaps: types ~ tokens^lambda"
    if law is None:
        return name, form.NOTHING, form.NOTHING, found.refused["heaps"]
    how = f"least squares on the logarithms from {law.first:,} {found.lexicon}s on, residuals {law.error:.3f} nats"
    return name, form.fixed(law.exponent, 3), form.interval(law.interval, 3), how


def figure(found: Structure) -> Figure:
    """Six panels: mutual information, correlation, conditional entropy; Zipf, Heaps, loss against data."""
    from matplotlib.figure import Figure

    page = Figure(figsize=(12.5, 7.2), layout="constrained")
    plots: list[Axes] = list(page.subplots(2, 3).flat)
    for plot in plots:
        plot.spines[["top", "right"]].set_visible(False)
        plot.spines[["left", "bottom"]].set_color(draw.FAINT)
        plot.tick_params(which="both", colors=draw.INK, labelsize=8.5, length=0)
        plot.grid(True, color=draw.FAINT, linewidth=0.6)
        plot.set_axisbelow(True)
        plot.set_xscale("log")
        plot.set_yscale("log")
    unit, about = found.unit, found.dependence
    _dependence(plots[0], about.information, "mutual information", f"distance d ({unit}s)", "bits", zero=0.0)
    _dependence(plots[1], about.correlation, "correlation, operator norm of C(d)", f"distance d ({unit}s)", "norm")
    _falling(plots[2], found.scaling.gamma, "conditional entropy", f"{unit}s before it, n", f"bits per {unit}", "gamma")
    _counts(plots[3], found, found.zipf)
    _growth(plots[4], found, found.heaps)
    if found.scaling.measured is None:
        plots[5].set_visible(False)
    else:
        title = f"loss of {found.scaling.model}"
        _falling(plots[5], found.scaling.measured, title, f"{unit}s learnt from", f"bits per {unit}", "alpha_D")
    return page


def _dependence(plot: Axes, curve: Curve, title: str, x: str, y: str, zero: float | None = None) -> None:
    distances, values = np.array(curve.distances), np.array(curve.values)
    centre = np.array(curve.shuffled) if zero is None else np.full(len(values), zero)
    band = np.array(curve.band)
    floor = max(float((centre + band).min()) / 3, 1e-12)
    plot.fill_between(
        distances, np.maximum(centre - band, floor), np.maximum(centre + band, floor), color=draw.FAINT, linewidth=0,
        label="shuffled text, 95 %",
    )  # fmt: skip
    shown = values > floor
    plot.plot(distances[shown], values[shown], "o", color=draw.CYCLE[0], markersize=3.6)
    if curve.decay is not None:
        decay = curve.decay
        reach = distances[distances <= decay.last]
        label = f"d^-{decay.exponent:.2f}"
        plot.plot(reach, decay.amplitude * reach**-decay.exponent, color=draw.CYCLE[1], linewidth=1.5, label=label)
    _finish(plot, title, x, y)


def _falling(plot: Axes, found: Exponent, title: str, x: str, y: str, name: str) -> None:
    sizes, values = np.array(found.sizes), np.array(found.values)
    keep = values > 0
    plot.plot(sizes[keep], values[keep], "o", color=draw.CYCLE[0], markersize=3.6)
    if found.value is not None:
        fitted = slice(found.first, found.first + found.used)
        falling = sizes[fitted] ** -found.value
        above = np.maximum(values[fitted] - found.limit, 1e-12)
        level = float(np.exp(np.mean(np.log(above / falling))))
        label = f"{name} = {found.value:.2f}" + (f", above {found.limit:.2f}" if found.limit else "")
        plot.plot(sizes[fitted], found.limit + level * falling, color=draw.CYCLE[1], linewidth=1.5, label=label)
    if not len(sizes):
        plot.text(0.5, 0.5, "not measured", transform=plot.transAxes, ha="center", color=draw.INK)
    _finish(plot, title, x, y)


def _counts(plot: Axes, found: Structure, law: Zipf | None) -> None:
    if law is not None:
        ranks, counts = np.array(law.ranks), np.array(law.counts)
        plot.plot(ranks, counts, "o", color=draw.CYCLE[0], markersize=3.6)
        reach = ranks[ranks <= law.types]
        fitted = counts[len(reach) - 1] * (reach / reach[-1]) ** -law.exponent
        plot.plot(reach, fitted, color=draw.CYCLE[1], linewidth=1.5, label=f"rank^-{law.exponent:.2f}")
    _finish(plot, "Zipf", f"rank of the {found.lexicon}", "occurrences", found.refused.get("zipf"))


def _growth(plot: Axes, found: Structure, law: Heaps | None) -> None:
    if law is not None:
        sizes = np.array(law.sizes)
        plot.plot(sizes, law.types, "o", color=draw.CYCLE[0], markersize=3.6)
        reach = sizes[sizes >= law.first]
        label = f"n^{law.exponent:.2f}"
        plot.plot(reach, law.factor * reach**law.exponent, color=draw.CYCLE[1], linewidth=1.5, label=label)
    _finish(plot, "Heaps", f"{found.lexicon}s read, n", "types", found.refused.get("heaps"))


def _finish(plot: Axes, title: str, x: str, y: str, refused: str | None = None) -> None:
    for axis in (plot.xaxis, plot.yaxis):
        draw.decades(axis)
    plot.set_title(title, fontsize=10, color=draw.INK, loc="left").set_parse_math(False)
    plot.set_xlabel(x, fontsize=9, color=draw.INK)
    plot.set_ylabel(y, fontsize=9, color=draw.INK)
    if refused:
        plot.text(0.5, 0.5, "not fitted", transform=plot.transAxes, ha="center", color=draw.INK)
    handles: list[Any] = plot.get_legend_handles_labels()[0]
    if handles:
        for text in plot.legend(frameon=False, fontsize=8.5, labelcolor=draw.INK).get_texts():
            text.set_parse_math(False)


def page(found: Structure, corpus: str, lead: str) -> str:
    """The figure and the table as one HTML page that needs nothing else."""
    title = f"{corpus}: long-range structure"
    table = table_html("The exponents, and how each was measured", ("quantity", *HEADER[1:]), lines_of(found), "laws")
    picture = scrolling(draw.svg(figure(found), "structure", "Six charts of long-range structure"), "charts")
    body = f"<h2>Measurements</h2><figure>{picture}</figure>{table}<p>{escape(REMARK)}</p>"
    return document(title, lead, body)
