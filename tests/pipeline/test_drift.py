"""What models write, held against what they were scored at, on sources whose entropy is known."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from commands import lmbench
from pydantic import ValidationError

from lmbench import store
from lmbench.pipeline import Plan, drift, run
from lmbench.record import Drift
from lmbench.report.section.drift import Drift as Section
from lmbench.score.writing import cost_of

MODELS = ["uniform", "ngram(order=2)", "ngram(order=3, smoothing=stupid_backoff)", "lstm(layers=1, width=16)"]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory):
    """A Markov source of order 1 of known rate, and models that have learnt it well, badly, and not at all."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drift, "TOKENS", 128)
        return run(
            Plan(
                source="markov(order=1, symbols=8, size=40000)", tokenizer="char", models=MODELS, estimators=[],
                device="cpu", train_tokens=2_000, drift=True, out=tmp_path_factory.mktemp("results"),
            )
        )  # fmt: skip


def test_each_distribution_has_its_own_entropy_rate(written) -> None:
    rows = {row.model: row for row in written.record.rows}
    uniform, counted = rows["uniform"], rows["ngram(order=2)"]
    size = written.record.card.vocabulary
    assert uniform.drift.nats_per_token == pytest.approx(math.log(size))
    assert uniform.drift.ci95_nats_per_token == pytest.approx((math.log(size), math.log(size)))
    # a bigram that has learnt a bigram source writes at the source's rate, which is what it is scored at
    low, high = counted.drift.ci95_nats_per_token
    assert low - 0.03 < counted.drift.scored_nats_per_token < high + 0.03
    assert counted.drift.scored_nats_per_token == pytest.approx(counted.nats_per_token)
    assert rows["ngram(order=3, smoothing=stupid_backoff)"].drift is None  # its scores are no distribution
    for row in (uniform, counted, rows["lstm(layers=1, width=16)"]):
        assert row.drift.texts == drift.TEXTS
        assert row.drift.tokens == drift.TEXTS * 128
        assert row.drift.places == [1, 2, 4, 8, 16, 32, 64, 128]
        weights = np.diff([0, *row.drift.places])
        assert np.average(row.drift.nats, weights=weights) == pytest.approx(row.drift.nats_per_token)


def test_the_report_says_it_in_words_a_table_and_a_picture(written) -> None:
    record = written.record
    for width in (40, 100):
        assert Section().text(record, width) is not None
    html, figure = Section().html(record), Section().figure(record)
    assert html is not None
    assert figure is not None
    assert "ngram(" in html
    shown = lmbench("report", written.folder)
    assert "writes at" in shown.output
    assert store.read_record(written.folder) == record
    without = record.model_copy(update={"rows": [row.model_copy(update={"drift": None}) for row in record.rows]})
    assert Section().text(without, 80) is Section().html(without) is Section().figure(without) is None


def test_a_slow_model_writes_less(written, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift, "SECONDS", 0.0)
    from lmbench.pipeline import scored_tokens_of
    from lmbench.progress import Silent

    row = store.find_row(written.record, "ngram(order=2)")
    test = scored_tokens_of(written.folder, written.record.card)
    found = drift.drift_of(written.folder, row, test, "cpu", 0, Silent())
    assert found is not None
    assert (found.tokens, found.places) == (drift.TEXTS, [1])


def test_cost_by_hand() -> None:
    """Two texts of means 1 and 2: 1.5, half a nat from each, on one degree of freedom."""
    found = cost_of([[1.0, 1.0], [2.0, 2.0]])
    assert found.value == 1.5
    assert found.error == pytest.approx(0.5)
    assert found.interval == pytest.approx((1.5 - 12.7062 * 0.5, 1.5 + 12.7062 * 0.5), abs=1e-3)
    assert cost_of([[1.0, 3.0], []]).interval is None


def test_a_curve_that_is_none_is_no_record() -> None:
    whole = {"texts": 1, "tokens": 2, "nats_per_token": 1, "ci95_nats_per_token": None, "scored_nats_per_token": 1}
    assert Drift(**whole, places=[1, 2], nats=[1, 1])
    for places, nats in (([2, 1], [1, 1]), ([1], [1, 1]), ([0], [1])):
        with pytest.raises(ValidationError):
            Drift(**whole, places=places, nats=nats)


def test_drift_belongs_to_the_static_protocol(tmp_path: Path) -> None:
    done = lmbench("run", "iid", "--drift", "--protocol", "prequential", "--out", tmp_path)
    assert done.exit_code == 2
    assert "--drift" in done.output
