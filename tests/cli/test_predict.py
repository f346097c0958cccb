"""`lmbench predict`: figures that add up, columns that line up whatever the script, and JSON for scripts."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import lmbench
from rich.cells import cell_len

from lmbench import store
from lmbench.cli._predicted import bar, basis, height, percent, style_of
from lmbench.model.base import Evidence
from lmbench.pipeline import Plan, Run, load_model, run, tokenizer_of

MODELS = ["uniform", "ngram(order=3)", "suffix", "lstm(layers=1, width=16)", "ngram(order=2, smoothing=stupid_backoff)"]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Run:
    home = tmp_path_factory.mktemp("predict")
    generator = np.random.default_rng(5)
    words = np.array(["the", "queen", "said", "ne\u0301", "猫である", "👩‍👩‍👧", "on", "a", "mat"])
    (home / "text.txt").write_text(" ".join(words[generator.integers(0, 9, 1400)]) + "\n", encoding="utf-8")
    plan = Plan(
        source=str(home / "text.txt"), tokenizer="word", models=MODELS, estimators=[], device="cpu", train_tokens=1000,
        out=home / "results",
    )  # fmt: skip
    return run(plan)


def asked(done: Run, *arguments: str) -> dict[str, Any]:
    said = lmbench("predict", done.folder, *arguments, "--json", "-q")
    assert said.exit_code == 0, said.output
    found: dict[str, Any] = json.loads(said.stdout)
    return found


def test_the_form_for_scripts(done: Run) -> None:
    found = asked(done, "the queen", "--top", "3")
    assert [each["model"] for each in found["models"]] == MODELS
    for each in found["models"]:
        assert {"model", "entropy_bits", "next"} <= each.keys()
        assert len(each["next"]) == 3
        assert all({"token", "probability"} <= token.keys() for token in each["next"])
        assert [token["probability"] for token in each["next"]] == sorted(
            (token["probability"] for token in each["next"]), reverse=True
        )
    uniform, ngram, _, _, backoff = found["models"]
    size = done.record.card.vocabulary
    assert uniform["entropy_bits"] == pytest.approx(math.log2(size))
    assert backoff["entropy_bits"] is None
    row = store.find_row(done.record, "ngram(order=3)")
    ids = tokenizer_of(done.folder, done.record.card).encode_text("the queen")
    log_probs = load_model(done.folder, row).next_log_probs(ids)
    assert ngram["next"][0]["probability"] == pytest.approx(math.exp(log_probs.max()))


def test_what_an_n_gram_rests_on_is_counted_by_the_runs_index(done: Run) -> None:
    by_name = {each["model"]: each["evidence"] for each in asked(done, "the queen said")["models"]}
    assert by_name["uniform"] is None
    assert by_name["ngram(order=3)"]["length"] == 2
    counted = json.loads(lmbench("count", done.folder, "queen said", "--json", "-q").stdout)
    assert by_name["ngram(order=3)"]["count"] == counted["followed"]
    assert by_name["ngram(order=3)"]["types"] == counted["types"]
    assert by_name["suffix"]["length"] >= 2


def test_the_tree_and_the_tokens(done: Run) -> None:
    found = asked(done, "the queen zebra", "--tree", "6", "--tokens", "--model", "ngram(order=3)")["models"][0]

    def nodes(branches: list[dict[str, Any]], total: float) -> int:
        for branch in branches:
            assert branch["total"] == pytest.approx(total * branch["probability"])
        return len(branches) + sum(nodes(branch["next"], branch["total"]) for branch in branches)

    assert nodes(found["tree"], 1.0) == 6
    assert [each["token"] for each in found["tokens"]] == ["the", "queen", "<unk>"]
    assert all(each["bits"] > 0 for each in found["tokens"])


@pytest.mark.parametrize("columns", [24, 40, 80, 120, 200])
def test_columns_line_up_in_every_script(columns: int, done: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    said = lmbench("predict", done.folder, "the", "--top", "12", "--tokens", "--tree", "8", "-q").stdout
    lines = [line.rstrip() for line in said.splitlines()]
    assert max(map(cell_len, lines)) <= columns
    places = {
        cell_len(line[: line.index("%")])
        for line in lines[: lines.index(next(line for line in lines if "likeliest" in line))]
        if line.count("%") == 1 and "others" not in line
    }
    across = 1 if columns < 75 else 2
    assert across == 2 or len(places) == 1 or columns == 24
    for word in ("猫である", "ne\u0301", "👩‍👩‍👧"):
        assert any(word in line for line in lines) or columns == 24


def test_blocks_stand_beside_one_another(done: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    names = ["--model", "ngram(order=3)", "--model", "uniform"]
    lines = lmbench("predict", done.folder, "the", *names, "-q").stdout.splitlines()
    head = next(line for line in lines if "ngram(order=3)" in line)
    place = cell_len(head[: head.index("uniform")])
    first = next(line for line in lines if line.count("%") == 2)
    cut, size = "", 0
    for character in first:
        if size >= place:
            break
        cut, size = cut + character, size + cell_len(character)
    assert size == place
    assert not first[len(cut)].isspace()


def test_without_colour_the_surprisal_is_still_read(done: Run) -> None:
    said = lmbench("predict", done.folder, "the zebra", "--tokens", "--model", "ngram(order=3)", "-q").stdout
    assert "\x1b" not in said
    [line] = [line for line in said.splitlines() if line.startswith("<unk>") and "%" not in line]
    assert line.split()[-2] in "▁▂▃▄▅▆▇█"
    assert "bits/token" in said


def test_a_beginning_unknown_words_and_a_wrong_model(done: Run) -> None:
    said = lmbench("predict", done.folder, "", "-q")
    assert said.exit_code == 0
    assert "at the beginning of a document" in said.stdout
    assert "1 of the text's 2 tokens are outside" in lmbench("predict", done.folder, "the zebra", "-q").output
    assert lmbench("predict", done.folder, "the", "--model", "zebra", "-q").exit_code == 2


def test_signs_by_hand() -> None:
    assert [bar(0.0, 4), bar(0.5, 4), bar(1.0, 2), bar(9.0, 2), bar(1 / 16, 2)] == ["", "██", "██", "██", "▏"]
    assert [percent(1.0), percent(0.1234), percent(0.001), percent(1e-7), percent(0.0)] == [
        "100.0 %", "12.3 %", "0.10 %", "1e-05 %", "0.00 %",
    ]  # fmt: skip
    assert [height(0), height(1.9), height(2), height(99)] == ["▁", "▁", "▂", "█"]
    assert style_of(0.5) != style_of(20)
    assert basis(Evidence(2, 1200, 3)) == "matches 2 tokens, seen 1,200×, 3 kinds after"
    assert basis(Evidence(0, None, None)) == "matches nothing"


def test_a_folder_may_be_left_out(done: Run, tmp_path: Path) -> None:
    said = lmbench("predict", "the queen", "--out", done.folder.parent, "--model", "uniform", "-q")
    assert said.exit_code == 0
    assert "after “the queen”" in said.stdout
