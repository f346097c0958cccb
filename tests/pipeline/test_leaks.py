"""What training text holds of the text held out, from a run's first line to the figures of its rows."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from commands import lmbench

from lmbench.corpus.text import text_of
from lmbench.pipeline import Plan, run
from lmbench.pipeline.entropy import entropy_panel
from lmbench.pipeline.leaks import inside
from lmbench.progress import Silent
from lmbench.report.lines import REPEATS
from lmbench.report.section.entropy_panel import panel_lines
from lmbench.store import read_log_probs
from lmbench.tokenizer import tokenizers
from lmbench.tokenizer.base import Tokenizer

PASSAGE = "It was the best of times, it was the worst of times, it was the age of wisdom"
WORDS = np.array(["猫", "the", "queen", "said", "né", "on", "a", "mat", "of", "hats"])


def words(seed: int, count: int) -> str:
    return " ".join(WORDS[np.random.default_rng(seed).integers(0, 10, count)])


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("text")
    texts = {
        "train": f"{words(1, 900)} {PASSAGE} {words(2, 400)}\n",
        "valid": words(3, 150) + "\n",
        "test": f"{words(4, 60)} {PASSAGE} {words(5, 60)}\n",
    }
    for name, text in texts.items():
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    return {name: folder / f"{name}.txt" for name in texts}


def plan_of(files: dict[str, Path], out: Path, **options: object) -> Plan:
    given: dict[str, object] = {
        "source": str(files["train"]), "valid": str(files["valid"]), "test": str(files["test"]), "tokenizer": "char",
        "models": ["ngram(order=5)"], "estimators": [], "device": "cpu", "out": out,
    }  # fmt: skip
    return Plan(**(given | options))  # type: ignore[arg-type]


def test_it_is_said_before_the_work_and_on_card_and_page(files: dict[str, Path], tmp_path: Path) -> None:
    done = lmbench(
        "run", files["train"], "--valid", files["valid"], "--test", files["test"], "--tokenizer", "char",
        "--model", "ngram(order=3)", "--model", "uniform", "--estimator", "none", "--out", tmp_path,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    lines = [line for line in done.stderr.splitlines() if "training text holds" in line]
    assert len(lines) == 1
    assert lines[0].startswith("note: the training text holds of test ")
    assert lines[0].index("in passages of 50,") < lines[0].index("It was the best of times")
    assert done.stderr.index("holds of test") < done.stderr.index("ngram(order=3)")
    assert "unshared" in done.stdout
    [folder] = tmp_path.iterdir()
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "It was the best of times" in page
    assert re.search(r"<th[^>]*>(<button[^>]*>)?unshared<", page)


def test_a_row_has_its_figure_outside_of_shared_passages(files: dict[str, Path], tmp_path: Path) -> None:
    done = run(plan_of(files, tmp_path))
    [row] = done.record.rows
    text = files["test"].read_text(encoding="utf-8")
    start = text.index(PASSAGE) - 1  # the blanks around it are in the training text too
    outside = np.ones(len(text) + 1, dtype=np.bool_)
    outside[start : start + len(PASSAGE) + 2] = False
    log_probs = read_log_probs(done.folder, row)
    found = done.record.card.test.leakage
    assert found is not None
    assert found.longest[0].characters >= len(PASSAGE) + 2
    more = found.longest[0].characters - len(PASSAGE) - 2  # letters that happen to go on alike
    assert row.unshared_tokens == outside.sum() - more
    if not more:
        assert row.unshared_nats_per_token == pytest.approx(-log_probs[outside].mean())
    assert found.shares["50"] == pytest.approx(found.longest[0].characters / len(text))
    assert row.nats_per_token is not None
    assert row.unshared_nats_per_token is not None
    assert row.unshared_nats_per_token > row.nats_per_token


def test_deduplicated_runs_score_the_same_test_text(files: dict[str, Path], tmp_path: Path) -> None:
    with_them = run(plan_of(files, tmp_path))
    without = run(plan_of(files, tmp_path, deduplicate=True))
    one, two = with_them.record.card, without.record.card
    assert (one.test.hash, one.valid.hash) == (two.test.hash, two.valid.hash)
    assert two.train.characters < one.train.characters - len(PASSAGE)
    assert "dropped from the training text" in two.split_rule
    assert two.test.leakage is not None
    assert set(two.test.leakage.shares.values()) == {0.0}
    [row] = without.record.rows
    assert row.unshared_tokens == row.tokens
    assert row.unshared_nats_per_token == pytest.approx(row.nats_per_token)


@pytest.mark.parametrize("lines", [False, True])
@pytest.mark.parametrize("spec", ["byte", "char", "bpe", "word", "word(unknown=spell)", "word(lowercase=true)"])
def test_tokens_inside_are_those_that_hold_a_marked_character(spec: str, lines: bool) -> None:
    documents = ["ab né 猫 of\u3000the", "  né ab xyz ", "the 猫 of of"]
    text = text_of(documents, lines)
    tokenizer: Tokenizer = tokenizers.make(spec).train(text_of(["ab né of the of the of"] * 3, lines), Silent())
    tokens = tokenizer.encode(text, None, Silent())
    whole = "".join(document + "\n" * lines for document in documents)
    for at in range(len(whole)):
        marks = np.zeros(len(whole), dtype=np.bool_)
        marks[at] = True
        found = inside(tokens, text, marks)
        assert len(found) == len(tokens)
        if tokens.lossless or not whole[at].isspace():
            assert found.any()
        assert found.sum() <= (2 if spec.startswith("word") else 4)  # bytes of a character; the end after it


def test_a_document_of_tokens_that_cannot_be_placed_is_inside_whole() -> None:
    text = text_of(["ab cd", "ef"])
    tokens = tokenizers.make("word").train(text, Silent()).encode(text_of(["a b c d e f g", "ef"]), None, Silent())
    marks = np.zeros(7, dtype=np.bool_)
    marks[2] = True
    assert inside(tokens, text, marks).tolist() == [True] * 8 + [False] * 2


def test_estimates_of_a_text_that_holds_itself_twice_say_so_and_stand_last(tmp_path: Path) -> None:
    once = tmp_path / "once.txt"
    twice = tmp_path / "twice.txt"
    once.write_text(words(6, 1500) + "\n", encoding="utf-8")
    twice.write_text(words(6, 1500) + "\n" + words(6, 1500) + "\n", encoding="utf-8")
    specs = ["match_length", "lz76", "lz78", "block", "zlib"]
    records = {}
    for path in (once, twice):
        plan = Plan(
            source=str(path), models=(), tokenizer="char", estimators=specs, device="cpu", out=tmp_path / "out",
            split="90/5/5:end",
        )  # fmt: skip
        records[path] = entropy_panel(plan).record
    assert all(line.kind != REPEATS for line in panel_lines(records[once]))
    lines = panel_lines(records[twice])
    assert [line.kind for line in lines] == ["upper bound", *[REPEATS] * 4]
    assert all("repeats" in line.name and "repeats" in line.kind for line in lines[1:])
    low = min(lines[1:], key=lambda line: line.bits_per_character or 0.0)
    assert (low.bits_per_character or 0.0) < (lines[0].bits_per_character or 0.0)  # which would have come first
