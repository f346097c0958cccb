"""What a reader meets first: zero is a value, labels do not touch, tables fit, and their figures are explained."""

from __future__ import annotations

from itertools import pairwise

import pytest
from matplotlib.figure import Figure

from lmbench.pipeline import Run
from lmbench.record import Entropy, Shannon, ShannonPoint
from lmbench.report import draw
from lmbench.report import format as form
from lmbench.report.document import document
from lmbench.report.lines import columns_of, lines_of
from lmbench.report.page import write_page
from lmbench.report.screen import folded
from lmbench.report.section.base import breakable
from lmbench.report.section.bounds import HEADERS, ShannonGame, cells, fitting
from lmbench.report.section.entropy_panel import EntropyPanel
from lmbench.report.section.table import legend

ZERO = Entropy(
    estimator="of a period",
    kind="estimate",
    bits_per_byte=0.0,
    bits_per_character=0.0,
    bits_per_token=None,
    ci95_bits_per_character=(0.0, 0.4),
    seconds=0.0,
    note="",
    curve={},
)


def test_the_interval_of_a_value_of_zero_is_kept(small_run: Run) -> None:
    record = small_run.record.model_copy(update={"entropy": [ZERO]})
    [line] = [line for line in lines_of(record) if line.name == ZERO.estimator]
    test = record.card.test
    assert line.interval == (0.0, 0.4)
    assert (line.low, line.high) == pytest.approx((0.0, 0.4 * test.characters / test.bytes))
    assert "0.000 – 0.400" in (EntropyPanel().html(record) or "")


def test_a_models_interval_per_character_is_that_per_byte_by_the_bytes_of_a_character(small_run: Run) -> None:
    [line] = [line for line in lines_of(small_run.record) if line.name == "ngram(order=3)"]
    test = small_run.record.card.test
    assert line.low is not None
    assert line.interval is not None
    assert line.interval[0] == pytest.approx(line.low * test.bytes / test.characters)


def test_every_figure_of_the_table_is_explained(small_run: Run) -> None:
    columns = columns_of(lines_of(small_run.record))
    said = legend(columns)
    assert all(f"{column.header}: " in said for column in columns if column.header != "kind")


@pytest.mark.parametrize(
    ("low", "high"), [(0.11, 6.3), (2048, 72_000), (1, 7), (4.1, 5.2), (0.9, 3e4), (3e9, 2.5e15), (0.0004, 3)]
)
def test_labels_of_a_logarithmic_axis_do_not_touch(low: float, high: float) -> None:
    figure = Figure(figsize=(3.5, 3), layout="constrained")
    plot = figure.add_subplot()
    plot.set_xscale("log")
    plot.plot([low, high], [1, 2])
    draw.decades(plot.xaxis)
    plot.set_xlabel("x", fontsize=9)
    figure.draw_without_rendering()
    inside = plot.get_window_extent()
    boxes = [label.get_window_extent() for label in plot.get_xticklabels(which="both") if label.get_text()]
    shown = sorted((box.x0, box.x1) for box in boxes if inside.x0 <= (box.x0 + box.x1) / 2 <= inside.x1)
    assert len(shown) >= 2
    assert all(left[1] < right[0] for left, right in pairwise(shown))


def test_an_axis_with_nothing_on_it_is_left_alone() -> None:
    plot = Figure().add_subplot()
    draw.decades(plot.xaxis)  # linear, from 0
    assert "0.0" in [label.get_text() for label in plot.get_xticklabels()]


def test_writing_that_the_usual_font_lacks_gets_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draw, "_EAST_ASIAN", ("no such font", "DejaVu Serif"))
    figure = Figure()
    plain, japanese = figure.text(0, 0, "ranking"), figure.text(0, 0.5, "三四郎")
    draw.svg(figure, "x")
    assert "DejaVu Serif" in japanese.get_fontfamily()
    assert "DejaVu Serif" not in plain.get_fontfamily()


def test_long_names_keep_both_ends() -> None:
    one = form.shortened("mixture(models=[ngram(order=4, smoothing=kneser_ney), ngram(order=6)])", 40)
    two = form.shortened("mixture(models=[ngram(order=4, smoothing=kneser_ney), ngram(order=8)])", 40)
    assert len(one) == len(two) == 40
    assert one != two
    assert form.shortened("ngram(order=5)", 14) == "ngram(order=5)"
    assert breakable("a(b=<c>)") == "a(<wbr>b=<wbr>&lt;c&gt;)"


def test_one_is_no_plural(small_run: Run, tmp_path: object) -> None:
    assert (form.counted(1, "model"), form.counted(2000, "estimate")) == ("1 model", "2,000 estimates")
    record = small_run.record.model_copy(update={"rows": small_run.record.rows[:1], "entropy": [ZERO]})
    write_page(small_run.folder, record)
    assert "1 model, 1 estimate<" in (small_run.folder / "report.html").read_text(encoding="utf-8")
    write_page(small_run.folder, small_run.record)


def test_pages_are_dark_where_the_reader_wants_them_so() -> None:
    page = document("<t>", "lead", "<p>body</p>")
    assert "&lt;t&gt;" in page
    assert "prefers-color-scheme: dark" in page
    assert ":root[data-theme=dark] { color-scheme: dark;" in page


def games() -> list[Shannon]:
    point = ShannonPoint(
        context=100, lower=1.448, upper=2.516, ci95_lower=(1.364, 1.537), ci95_upper=(2.411, 2.622),
        cross_entropy=2.121, first=0.564, guesses=3.13,
    )  # fmt: skip
    sure = point.model_copy(update={"context": 0, "cross_entropy": 0.0})
    return [
        Shannon(model="m", alphabet=65, positions=9, characters_per_token=1.0, points=[sure, point], notes=[]),
    ]


@pytest.mark.parametrize("width", [30, 40, 60, 80, 87, 88, 120])
def test_the_game_fits_its_terminal_with_whole_figures(width: int) -> None:
    shown = fitting(games(), width)
    widths = [
        max(len(HEADERS[place]), *(len(cells(games()[0], p)[place]) for p in games()[0].points)) for place in shown
    ]
    assert sum(widths) + 2 * (len(widths) - 1) <= width
    assert {0, 1, 3} <= set(shown)
    assert (len(shown) == len(HEADERS)) == (width >= 88)  # 74 columns of text and seven gaps


def test_a_cross_entropy_of_zero_is_drawn(small_run: Run) -> None:
    record = small_run.record.model_copy(update={"shannon": games()})
    figure = ShannonGame().figure(record)
    assert figure is not None
    dots = [line for line in figure.axes[0].lines if line.get_marker() == "." and len(line.get_xdata()) == 2]
    assert [list(line.get_ydata()) for line in dots] == [[0.0, 2.121]]


def test_a_name_is_broken_where_its_parts_end() -> None:
    assert folded("ngram(order=5, smoothing=witten_bell)", 15) == "ngram(order=5,\nsmoothing=\nwitten_bell)"
    assert folded("mixture([suffix(smoothing=pitman_yor), transformer])", 33) == (
        "mixture([suffix(smoothing=\npitman_yor), transformer])"
    )
    assert folded("三四郎は", 4) == "三四郎は"  # no part ends: left to be folded anywhere
    assert folded("lstm", 24) == "lstm"
