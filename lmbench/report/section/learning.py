"""How fast the nets learnt, which count-based rows they passed on the way, and what they know by heart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from lmbench.record import Pass, Record, Row
from lmbench.report import draw
from lmbench.report import format as form
from lmbench.report.section.base import bullets, bullets_html
from lmbench.spec import Spec, Value, parse

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from rich.console import RenderableType

__all__ = ["Learning"]

_COSTS = (("seconds", "seconds of training"), ("tokens", "tokens trained on"), ("flops", "floating-point operations"))
_LONGEST = 60  # characters of a name
_LEAST = 0.035  # of the height of a picture, between two labels


class Learning:
    """Validation loss of each net against seconds, tokens and operations; count-based rows are horizontal lines, at
    their loss on the same validation tokens."""

    title = "Learning curves"
    position = 9
    pages = ("report",)

    def text(self, record: Record, width: int) -> RenderableType | None:
        return bullets(sentences_of(record, brief=True), width)

    def html(self, record: Record) -> str | None:
        return bullets_html(sentences_of(record))

    def figure(self, record: Record) -> Figure | None:
        rows = [row for row in record.rows if _points(row, "valid") or _points(row, "train")]
        if not rows:
            return None
        figure, plots = draw.panels(11.5, 4.4 + 0.17 * len(rows), len(_COSTS))
        levels = _levels(record)
        for plot, (cost, label) in zip(plots, _COSTS, strict=True):
            for row, colour in zip(rows, draw.CYCLE * len(rows), strict=False):
                _curve(
                    plot, row, cost, colour, named=cost == "seconds" and sum(bool(each.passes) for each in rows) == 1
                )
            for level in levels.values():
                plot.axhline(level, color=draw.MUTED, linewidth=0.9, zorder=1)
            plot.set_xscale("log")
            draw.decades(plot.xaxis)
            plot.set_xlabel(label, fontsize=9, color=draw.INK)
        plots[0].set_ylabel("nats per token, validation text", fontsize=9, color=draw.INK)
        low, high = _limits(rows, levels)
        plots[0].set_ylim(low, high)
        for name, level, at in _apart(levels, low, high):
            label = f"{form.shortened(name, 34)}  {level:.3f}"
            plots[-1].annotate(
                label, (1.0, at), xytext=(5, 0), xycoords=("axes fraction", "data"),
                textcoords="offset points", va="center", fontsize=7.5, color=draw.INK, parse_math=False,
                annotation_clip=False,
            )  # fmt: skip
        legend = figure.legend(
            *plots[0].get_legend_handles_labels(), loc="outside lower left", frameon=False, fontsize=8,
            labelcolor=draw.INK, ncols=2,
        )  # fmt: skip
        for text in legend.get_texts():
            text.set_parse_math(False)
        return figure


def sentences_of(record: Record, brief: bool = False) -> list[str]:
    """What the curves say, in words: one sentence for each net, and one for each pair of a net and its control.

    `brief`: of the count-based rows the best that the net passes, and the next that it does not.
    """
    found = [_crossing(row, record) if brief else _passing(row) for row in record.rows if row.passes]
    if record.card.refit and any(_points(row, "valid") and not row.control for row in record.rows):
        found.append(
            "nets were trained on the validation text too: their loss on it is no measure of when they pass a count"
        )
    controls = [row for row in record.rows if row.control]
    for control in controls:
        plain = next((row for row in record.rows if not row.control and _same(row, control)), None)
        found.append(_memory(plain, control))
    return found


def _passing(row: Row) -> str:
    """`lstm passes ngram(order=2) at 4.0 s (8.2 k tokens, 1.1e+12 operations); it stays above ngram(order=5)`."""
    passed = [_cost(each) for each in row.passes if each.seconds is not None]
    missed = [each.model for each in row.passes if each.seconds is None]
    parts = [f"passes {', '.join(passed)}"] if passed else []
    parts += [f"stays above {', '.join(missed)}"] if missed else []
    return f"{row.model} {' and '.join(parts)} (validation loss, interpolated)"


def _crossing(row: Row, record: Record) -> str:
    """`lstm passes ngram(order=2) at 4.0 s and stays above ngram(order=5), by validation loss`; where the test text
    says otherwise, that too."""
    passed = min((each for each in row.passes if each.seconds is not None), key=_level, default=None)
    missed = max((each for each in row.passes if each.seconds is None), key=_level, default=None)
    parts = [f"passes {passed.model} at {form.seconds(passed.seconds)}"] if passed else []
    parts += [f"stays above {missed.model}"] if missed else []
    sentence = f"{row.model} {' and '.join(parts)}, by validation loss"
    test = {each.model: each.nats_per_token for each in record.rows}
    ours, theirs = row.nats_per_token, test.get(passed.model) if passed else None
    if passed and ours is not None and theirs is not None and ours > theirs:
        sentence += f"; on the test text it is above {passed.model}"
    return sentence


def _level(each: Pass) -> float:
    return each.nats_per_token


def _cost(each: Pass) -> str:
    return (
        f"{each.model} at {form.seconds(each.seconds)} ({form.count(each.tokens)} tokens, "
        f"{each.flops or 0.0:.2g} operations)"
    )


def _same(row: Row, control: Row) -> bool:
    """Whether `row` is the net of `control`, trained on the text as it is."""
    plain, shuffled = parse(row.model), parse(control.model)
    return plain.name == shuffled.name and _ordered(plain) == _ordered(shuffled)


def _ordered(spec: Spec) -> dict[str, Value]:
    """The options but the one that makes it a control."""
    return {name: value for name, value in spec.options.items() if name != "shuffled"}


def _memory(plain: Row | None, control: Row) -> str:
    """Training loss against test loss, with the order of the text and without."""
    floor = form.fixed(_of_loss(control, "unigram_entropy"), 4)
    first = (
        f"{plain.model}: training loss {_losses(plain)} nats/token; the same net on tokens in random order: "
        if plain
        else f"{control.model}: training loss "
    )
    return f"{first}{_losses(control)}, where {floor} is the least without remembering them (Zhang et al. 2017)"


def _losses(row: Row) -> str:
    return f"{form.fixed(_of_loss(row, 'nats_per_token'), 4)}, test loss {form.fixed(row.nats_per_token, 4)}"


def _of_loss(row: Row, figure: Literal["unigram_entropy", "nats_per_token"]) -> float | None:
    """Of the training loss; None where it was not measured, or the net has diverged."""
    loss: Any = row.training.get("training_loss")
    return loss.get(figure) if isinstance(loss, dict) else None


def _curve(plot: Axes, row: Row, cost: str, colour: str, named: bool) -> None:
    """Validation loss solid, training loss dotted, a ring where a count-based row is passed; where it is `named` (of
    several nets the times would lie one upon the other) the ring says at which second."""
    valid, train = _points(row, "valid"), _points(row, "train")
    if valid:
        plot.plot(
            [point[cost] for point in valid], [point["valid"] for point in valid], "o-", color=colour, markersize=2.5,
            linewidth=1.4, label=form.shortened(row.model, _LONGEST),
        )  # fmt: skip
    if train:
        plot.plot(
            [point[cost] for point in train], [point["train"] for point in train], ":", color=colour, linewidth=1.1,
            label=f"{form.shortened(row.model, _LONGEST)}: its training loss",
        )  # fmt: skip
    for each in row.passes:
        at = getattr(each, cost)
        if not at:  # never, or before any training
            continue
        plot.plot([at], [each.nats_per_token], "o", color=colour, markersize=6, fillstyle="none", markeredgewidth=1.2)
        if named:
            plot.annotate(
                form.seconds(at), (at, each.nats_per_token), xytext=(-5, -4), textcoords="offset points", fontsize=7.5,
                color=colour, ha="right", va="top",
            )  # fmt: skip


def _points(row: Row, loss: str) -> list[dict[str, Any]]:
    """The points of a row's learning curve at which it has this loss, `valid` or `train`, and has cost something, for
    the axes are logarithmic; empty where it keeps none."""
    curve = row.training.get("curve")
    if not isinstance(curve, list):
        return []
    points = [point for point in curve if isinstance(point, dict)]
    points = [point for point in points if point.get(loss) is not None]
    return [point for point in points if all(point.get(cost) for cost, _ in _COSTS)]


def _levels(record: Record) -> dict[str, float]:
    """The count-based rows' loss on the tokens that the nets were validated on; on the whole validation text where two
    nets were validated on different samples of it."""
    levels: dict[str, set[float]] = {}
    for row in record.rows:
        for each in row.passes:
            levels.setdefault(each.model, set()).add(each.nats_per_token)
    whole = {row.model: row.valid_nats_per_token for row in record.rows}
    found = {model: next(iter(values)) if len(values) == 1 else whole[model] for model, values in levels.items()}
    return {model: level for model, level in found.items() if level is not None}


def _limits(rows: Sequence[Row], levels: dict[str, float]) -> tuple[float, float]:
    """From below everything to the highest line or the loss after the first quarter of each curve: what comes before
    would press all the rest together."""
    losses = [point[loss] for row in rows for loss in ("valid", "train") for point in _points(row, loss)]
    early = [
        points[len(points) // 4][loss] for row in rows for loss in ("valid", "train") if (points := _points(row, loss))
    ]
    high, low = max([*early, *levels.values()]), min([*losses, *levels.values()])
    margin = 0.06 * max(high - low, 0.1)
    return low - margin, high + margin


def _apart(levels: dict[str, float], low: float, high: float) -> list[tuple[str, float, float]]:
    """(name, level, place of its label) from below, no two labels closer than they are high."""
    found: list[tuple[str, float, float]] = []
    for name, level in sorted(levels.items(), key=lambda pair: pair[1]):
        least = found[-1][2] + _LEAST * (high - low) if found else level
        found.append((name, level, max(level, least)))
    return found
