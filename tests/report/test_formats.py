from __future__ import annotations

import csv
import io
import json
import math
import re

import numpy as np
import pytest
from commands import lmbench
from hypothesis import given
from hypothesis import strategies as st

from lmbench import store
from lmbench.pipeline import Run
from lmbench.pipeline.exporting import export
from lmbench.record import Record
from lmbench.report.export import exports, forms
from lmbench.report.export.base import Documents, Exported
from lmbench.report.export.csv import cell
from lmbench.report.export.latex import escaped as latex
from lmbench.report.export.markdown import escaped as markdown

HOSTILE = (
    "=cmd|' /C calc'!A0 \\input{/etc/passwd} $x_1^2$ & # % ~ | <script>alert(1)</script> [a](http://b) \x1b[31m\n\""
)


@pytest.fixture(scope="module")
def hostile(small_run: Run) -> Record:
    """The record with a name that every form would obey."""
    rows = [row.model_copy(update={"model": HOSTILE}) for row in small_run.record.rows[:1]]
    card = small_run.record.card.model_copy(update={"corpus": HOSTILE, "tokenizer": HOSTILE})
    return small_run.record.model_copy(update={"rows": rows, "card": card, "entropy": []})


def written(form: str, *records: Record) -> str:
    runs = [Exported(f"run-{place}", record, lambda row: None) for place, record in enumerate(records)]
    text: str = exports.make(form).text(runs)
    return text


def test_every_form_is_offered_and_wrong_ones_are_named(small_run: Run) -> None:
    assert {"csv", "json", "latex", "lm-eval", "markdown"} <= {*forms()}
    for form in forms():
        done = lmbench("report", small_run.folder, "--format", form)
        assert done.exit_code == 0, done.stderr
        assert done.stdout.endswith("\n")
    wrong = lmbench("report", small_run.folder, "--format", "latexx")
    assert wrong.exit_code == 2
    assert "latex" in wrong.stderr


def test_markdown_has_the_table_and_escapes_what_it_would_read(small_run: Run, hostile: Record) -> None:
    lines = written("markdown", small_run.record).splitlines()
    assert {line.count(" | ") for line in lines} == {lines[0].count(" | ")}
    assert len(lines) == 2 + len(small_run.record.rows) + len(small_run.record.entropy)
    assert any("ngram(order=3)" in line for line in lines)
    made = written("markdown", hostile)
    assert "\\<script\\>" in made
    assert "\\|" in made
    assert "\x1b" not in made
    assert len(made.splitlines()) == 3
    assert len(re.findall(r"(?<!\\)\|", made.splitlines()[2])) == len(re.findall(r"(?<!\\)\|", made.splitlines()[0]))


@given(st.text(max_size=30))
def test_markdown_is_undone_by_taking_the_backslashes_away(text: str) -> None:
    assert re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", markdown(text)) == text


@given(st.text(alphabet="\\{}$&#%_^~<>|\"'`-[]*?!ab1 ", max_size=30))
def test_latex_leaves_no_sign_that_tex_obeys(text: str) -> None:
    made = latex(text)
    words = re.sub(r"\\(text[a-z]+|ldots|pm|infty|times)\{\}|\\[{}$&#%_]|\$-\$|\{[-\[\]*?!]\}", "", made)
    assert not re.search(r"[\\{}$&#%_^~<>|\"'`\[\]*]", words)


def test_latex_is_a_table_of_one_line_a_row(small_run: Run, hostile: Record) -> None:
    assert latex("5 % of a_b & -3") == r"5 \% of a\_b \& {-}3"
    assert latex("-3.5") == "$-$3.5"
    made = written("latex", hostile)
    assert r"\textbackslash{}input\{/etc/passwd\}" in made
    rows = [line for line in written("latex", small_run.record).splitlines() if line.endswith(r"\\")]
    assert len({len(re.findall(r"(?<!\\)&", row)) for row in rows}) == 1
    assert len(rows) == 1 + len(small_run.record.rows) + len(small_run.record.entropy)


def test_csv_has_all_digits_and_no_formula(small_run: Run, hostile: Record) -> None:
    rows = list(csv.DictReader(io.StringIO(written("csv", small_run.record))))
    assert [row["model"] for row in rows[:3]] == [row.model for row in small_run.record.rows]
    for row, known in zip(rows, small_run.record.rows, strict=False):
        assert row["kind"] == "model"
        assert row["nats_per_token"] == ("" if known.nats_per_token is None else repr(known.nats_per_token))
    assert {row["kind"] for row in rows[3:]} == {entropy.kind for entropy in small_run.record.entropy}
    [bad] = list(csv.DictReader(io.StringIO(written("csv", hostile))))
    assert bad["model"] == bad["corpus"] == "'" + HOSTILE
    for text in ("=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1", '"=1'):
        assert cell(text).startswith("'")
    assert cell(-0.5) == "-0.5"
    assert cell("ngram(order=3)") == "ngram(order=3)"


def test_json_is_the_record_and_of_several_runs_all_of_them(small_run: Run) -> None:
    assert Record.model_validate_json(written("json", small_run.record)) == small_run.record
    both = json.loads(written("json", small_run.record, small_run.record))
    assert [run["run"] for run in both["runs"]] == ["run-0", "run-1"]


def test_several_runs_are_one_table_that_names_them(small_run: Run) -> None:
    few = small_run.record.model_copy(update={"entropy": []})
    made = written("markdown", few, small_run.record)
    assert made.splitlines()[0].startswith("| run | ")
    assert made.count("run-0") == len(few.rows)


def test_rows_are_chosen(small_run: Run) -> None:
    done = lmbench("report", small_run.folder, "--format", "csv", "--model", "ngram(order=3)")
    assert [row["model"] for row in csv.DictReader(io.StringIO(done.stdout))] == ["ngram(order=3)"]
    assert lmbench("report", small_run.folder, "--model", "uniform").exit_code == 2
    assert lmbench("report", small_run.folder, "--format", "csv", "--json").exit_code == 2


def test_lm_eval_has_its_metrics_by_hand(small_run: Run) -> None:
    """Two documents of 4 and 2 nats, of 3 and 1 words and 8 and 4 bytes: e^(6/4), e^(6/12), 6/12 log2 e."""
    documents = Documents(np.array([4.0, 2.0]), np.array([3, 1]), np.array([8, 4]))
    record = small_run.record.model_copy(update={"rows": small_run.record.rows[:1]})
    [found] = json.loads(exports.make("lm_eval").text([Exported("r", record, lambda row: documents)]))[
        "results"
    ].values()
    assert found["word_perplexity,none"] == pytest.approx(math.exp(1.5))
    assert found["byte_perplexity,none"] == pytest.approx(math.exp(0.5))
    assert found["bits_per_byte,none"] == pytest.approx(0.5 / math.log(2))
    # two draws of two documents: both the first, one of each (twice as often), both the second; per byte all are 1/2
    assert found["bits_per_byte_stderr,none"] == pytest.approx(0.0, abs=1e-12)
    words = [math.exp(8 / 6), math.exp(6 / 4), math.exp(6 / 4), math.exp(4 / 2)]
    assert found["word_perplexity_stderr,none"] == pytest.approx(float(np.std(words)), rel=0.1)


def test_lm_eval_of_a_run_leaves_out_ends_and_what_is_no_distribution(small_run: Run) -> None:
    content = json.loads(export([small_run.folder], "lm-eval"))
    assert set(content) >= {"results", "configs", "versions", "n-shot", "higher_is_better", "n-samples", "config"}
    tasks = [task for task in content["results"] if "maximum_likelihood" not in task]
    assert len(tasks) == len(content["results"]) == 2
    scores = store.read_log_probs(small_run.folder, small_run.record.rows[1])
    tokens = small_run.tokens
    nats = -scores[tokens.ids != tokens.vocabulary.end_of_text].sum()
    bits = content["results"][next(task for task in tasks if "ngram" in task)]["bits_per_byte,none"]
    assert bits == pytest.approx(nats / tokens.bytes / math.log(2))
    assert content["results"][tasks[0]]["bits_per_byte_stderr,none"] == "N/A"  # one document


def test_what_a_terminal_would_obey_is_shown(hostile: Record) -> None:
    assert r"^\[\[31m" in written("markdown", hostile)
    assert r"\textasciicircum{}{[}{[}31m" in written("latex", hostile)
    for form in ("markdown", "latex"):
        assert "\x1b" not in written(form, hostile)
