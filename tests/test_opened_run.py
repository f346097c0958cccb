"""A run opened from Python: two lines for the record, the test text and what it cost."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import lmbench as lb
from lmbench import store
from lmbench.errors import UsageError
from lmbench.pipeline import Run
from lmbench.record import Row
from lmbench.record.table import columns_of


def test_two_lines_give_record_tokens_and_losses(small_run: Run) -> None:
    run = lb.open(small_run.folder)
    assert run.record == store.read_record(small_run.folder)
    assert [row.model for row in run.record.rows] == [row.model for row in small_run.record.rows]
    assert len(run.tokens) == run.record.card.test.tokens
    row = run.record.rows[1]
    assert run.losses(row.model).mean() == pytest.approx(row.nats_per_token)
    assert np.array_equal(run.losses(), run.losses("ngram(order=3)"))  # the best one
    assert lb.open("latest", small_run.folder.parent).folder == small_run.folder
    with pytest.raises(UsageError, match="no run"):
        lb.open("nothing of that name", small_run.folder.parent)


def test_rows_and_estimates_as_arrow_and_pandas(small_run: Run) -> None:
    record = small_run.record
    table = record.to_arrow()
    assert table.column_names == list(columns_of(Row))
    assert table["model"].to_pylist() == [row.model for row in record.rows]
    assert table["nats_per_token"].to_pylist() == [row.nats_per_token for row in record.rows]
    low, high = record.rows[1].ci95_nats_per_token or (None, None)
    assert (table["nats_per_token_low"][1].as_py(), table["nats_per_token_high"][1].as_py()) == (low, high)
    assert {str(table.schema.field(name).type) for name in ("tokens", "parameters", "context")} == {"int64"}
    assert str(table.schema.field("fit_seconds").type) == "double"
    assert str(table.schema.field("adaptive").type) == "bool"
    frame = record.to_pandas("entropy")
    assert list(frame["estimator"]) == [each.estimator for each in record.entropy]
    assert record.model_copy(update={"rows": []}).to_arrow().schema == table.schema


def test_the_test_text_token_by_token(small_run: Run) -> None:
    table = small_run.to_arrow()
    assert table.num_rows == len(small_run.tokens)
    text = b"".join(small_run.tokens.vocabulary.tokens[index] for index in table["id"].to_pylist())
    assert text == small_run.tokens.vocabulary.decode(small_run.tokens.ids)
    assert table["ngram(order=3)"].to_numpy().sum() == pytest.approx(small_run.losses("ngram(order=3)").sum())


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_notebook_shows_text_as_text(small_run: Run) -> None:
    hostile = "<script>alert(1)</script>\x1b[31m\u202e"
    rows = [row.model_copy(update={"model": hostile}) for row in small_run.record.rows]
    card = small_run.record.card.model_copy(update={"corpus": hostile, "name": hostile})
    shown = Run(Path("<b>runs"), small_run.record.model_copy(update={"rows": rows, "card": card}))._repr_html_()
    found = _Tags()
    found.feed(shown)
    assert set(found.tags) == {"div", "p", "table", "thead", "tbody", "tr", "th", "td", "small"}
    assert "<script>alert(1)</script>^[[31m<U+202E>" in found.text
    assert "<b>runs" in found.text
    assert "\u202e" not in shown
    assert "ngram(order=3)" in small_run._repr_html_()
