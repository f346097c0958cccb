from __future__ import annotations

import io
from itertools import pairwise
from typing import Any

import pytest

from lmbench.pipeline import Run
from lmbench.record import Pass, Record, Row
from lmbench.report.lines import lines_of
from lmbench.report.screen import print_report
from lmbench.report.section import ordered
from lmbench.report.section.learning import Learning, sentences_of

CURVE = [
    {"tokens": 10 * n, "seconds": float(n), "flops": 1e3 * n, "train": 3.0 / n, "valid": 3.1 / n} for n in range(1, 6)
]
PASSED = Pass(model="ngram(order=3)", nats_per_token=1.3, tokens=24, seconds=2.4, flops=2.4e3)
MISSED = Pass(model="ngram(order=9)", nats_per_token=0.5, tokens=None, seconds=None, flops=None)


def net(run: Run, **changes: Any) -> Row:
    training = {"curve": CURVE, "training_loss": {"nats_per_token": 0.5, "tokens": 9, "unigram_entropy": 2.5}}
    known = {"model": "transformer", "training": training, "passes": [PASSED, MISSED], **changes}
    return run.record.rows[0].model_copy(update=known)


def record_of(run: Run, *rows: Row) -> Record:
    return run.record.model_copy(update={"rows": [*rows, *run.record.rows[1:]]})


def test_curves_against_all_three_costs_with_validation_lines_and_no_test_figure(small_run: Run) -> None:
    record = record_of(small_run, net(small_run))
    figure = Learning().figure(record)
    assert figure is not None
    assert [plot.get_xlabel() for plot in figure.axes] == [
        "seconds of training", "tokens trained on", "floating-point operations",
    ]  # fmt: skip
    for plot, cost in zip(figure.axes, ("seconds", "tokens", "flops"), strict=True):
        valid, train, ring, *lines = plot.get_lines()
        assert list(valid.get_xdata()) == [point[cost] for point in CURVE]
        assert list(valid.get_ydata()) == [point["valid"] for point in CURVE]
        assert list(train.get_ydata()) == [point["train"] for point in CURVE]
        assert (ring.get_xdata()[0], ring.get_ydata()[0]) == (getattr(PASSED, cost), 1.3)
        assert sorted(float(line.get_ydata()[0]) for line in lines) == [0.5, 1.3]  # of validation
        on_test = [row.nats_per_token for row in record.rows]
        assert not any(line.get_ydata()[0] in on_test for line in lines)
    assert [text.get_text() for text in figure.axes[0].texts] == ["2.4 s"]
    assert {text.get_text() for text in figure.axes[2].texts} == {"ngram(order=3)  1.300", "ngram(order=9)  0.500"}
    [legend] = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["transformer", "transformer: its training loss"]


def test_crossings_are_named(small_run: Run) -> None:
    [sentence] = sentences_of(record_of(small_run, net(small_run)))
    assert sentence == (
        "transformer passes ngram(order=3) at 2.4 s (24 tokens, 2.4e+03 operations) and stays above ngram(order=9) "
        "(validation loss, interpolated)"
    )
    stream = io.StringIO()
    print_report(record_of(small_run, net(small_run)), stream)
    assert "passes ngram(order=3) at 2.4 s" in stream.getvalue()
    html = Learning().html(record_of(small_run, net(small_run, model="a<b>")))
    assert html is not None
    assert "a&lt;b&gt; passes" in html


def test_lines_are_those_of_the_tokens_that_nets_were_validated_on(small_run: Run) -> None:
    """Two nets on two samples: then the line is at the loss on the whole validation text."""
    other = net(small_run, model="lstm", passes=[PASSED.model_copy(update={"nats_per_token": 1.4})])
    record = record_of(small_run, net(small_run), other)
    whole = next(row.valid_nats_per_token for row in record.rows if row.model == "ngram(order=3)")
    figure = Learning().figure(record)
    assert figure is not None
    assert whole not in (1.3, 1.4)
    assert f"ngram(order=3)  {whole:.3f}" in {text.get_text() for text in figure.axes[2].texts}


def test_labels_of_lines_that_lie_close_are_moved_apart(small_run: Run) -> None:
    close = [MISSED.model_copy(update={"model": f"ngram(order={n})", "nats_per_token": 1 + n / 1000}) for n in range(5)]
    figure = Learning().figure(record_of(small_run, net(small_run, passes=close)))
    assert figure is not None
    low, high = figure.axes[2].get_ylim()
    places = sorted(text.xy[1] for text in figure.axes[2].texts)
    assert min(b - a for a, b in pairwise(places)) >= 0.03 * (high - low)


def test_memory_is_told_with_and_without_order(small_run: Run) -> None:
    bare = [{**point, "valid": None} for point in CURVE]
    loss = {"nats_per_token": 1.75, "tokens": 9, "unigram_entropy": 2.5}
    control = net(
        small_run, model="transformer(shuffled=true)", control=True, passes=[], nats_per_token=6.5,
        training={"curve": bare, "training_loss": loss},
    )  # fmt: skip
    record = record_of(small_run, net(small_run, passes=[], nats_per_token=1.25), control)
    assert sentences_of(record) == [
        "transformer: training loss 0.5000, test loss 1.2500 nats/token; the same net on tokens in random order: "
        "1.7500, test loss 6.5000, where 2.5000 is the least without remembering them (Zhang et al. 2017)"
    ]
    lines = lines_of(record)
    assert (lines[-1].name, lines[-1].kind) == ("transformer(shuffled=true)", "control")  # behind the estimates too
    ranking = dict(ordered())["ranking"].figure(record)
    assert ranking is not None
    assert all("shuffled" not in label.get_text() for label in ranking.axes[0].get_yticklabels())


def test_a_control_is_known_by_its_options_in_any_order(small_run: Run) -> None:
    rows = [net(small_run, model="transformer(width=8, layers=2)", passes=[])]
    rows += [net(small_run, model="transformer(shuffled=true, layers=2, width=8)", control=True, passes=[])]
    assert sentences_of(record_of(small_run, *rows))[0].startswith("transformer(width=8, layers=2): training loss")


def test_a_record_without_validation_losses_of_counts_has_curves_and_no_lines(small_run: Run) -> None:
    """As records were before they kept them: a line at the loss on the test text would be another quantity."""
    figure = Learning().figure(record_of(small_run, net(small_run, passes=[])))
    assert figure is not None
    assert all(len(plot.get_lines()) == 2 for plot in figure.axes)


def test_a_net_that_trained_on_the_validation_text_passes_nothing(small_run: Run) -> None:
    record = record_of(small_run, net(small_run, passes=[]))
    record = record.model_copy(update={"card": record.card.model_copy(update={"refit": True})})
    assert sentences_of(record) == [
        "nets were trained on the validation text too: their loss on it is no measure of when they pass a count"
    ]


def test_where_no_net_was_trained_there_is_nothing(small_run: Run) -> None:
    assert Learning().figure(small_run.record) is None
    assert Learning().text(small_run.record, 80) is None
    assert Learning().html(small_run.record) is None


@pytest.mark.parametrize("broken", [None, [], [1, 2], [{"seconds": 1.0}], "curve"])
def test_a_curve_that_is_none_is_left_out(small_run: Run, broken: object) -> None:
    row = net(small_run, training={"curve": broken}, passes=[])
    assert Learning().figure(record_of(small_run, row)) is None


def test_the_terminal_names_the_best_that_a_net_passes_and_what_the_test_text_says(small_run: Run) -> None:
    row = net(small_run)
    [brief] = sentences_of(record_of(small_run, row), brief=True)
    assert brief.startswith(
        "transformer passes ngram(order=3) at 2.4 s and stays above ngram(order=9), by validation loss"
    )
    counted = next(each for each in small_run.record.rows if each.model == "ngram(order=3)")
    assert counted.nats_per_token is not None
    for difference, said in ((-0.1, False), (0.1, True)):
        above = row.model_copy(update={"nats_per_token": counted.nats_per_token + difference})
        [brief] = sentences_of(record_of(small_run, counted, above), brief=True)
        assert ("on the test text it is above ngram(order=3)" in brief) is said
