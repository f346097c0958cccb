"""Words found where models are uncertain of what follows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from commands import lmbench

from lmbench.corpus.text import text_of
from lmbench.pipeline import Plan, Run, run
from lmbench.pipeline.segment import Segmentation, of_specs, segmented, unspaced, words_in
from lmbench.progress import Silent
from lmbench.spec import parse

SIZE = 60  # words
WITTEN_BELL = "ngram(order=3, smoothing=witten_bell)"  # no settings, which each end would choose for itself


def planted(count: int, seed: int = 3) -> str:
    """Made-up words in random order: what follows is uncertain where a word ends, and nowhere else."""
    generator = np.random.default_rng(seed)
    letters = np.array(list("abcdefghijklmnoprstuvwyz"))
    lexicon = ["".join(letters[generator.integers(0, len(letters), 4 + at % 5)]) for at in range(SIZE)]
    return " ".join(lexicon[at] for at in generator.integers(0, SIZE, count))


def found_in(document: str, *specs: str, threshold: float | None = None) -> Segmentation:
    text = unspaced([document], 4_000)
    whole = text_of(["".join(document.split())])
    return segmented(text, *of_specs([parse(spec) for spec in specs], whole, Silent(), 0), threshold, Silent())


def test_white_space_is_taken_out_and_kept_in_mind() -> None:
    text = unspaced(["it  was\nthe", " ", "best of"], 100)
    assert text.documents == ["itwasthe", "bestof"]
    assert text.begins is not None
    assert np.flatnonzero(text.begins).tolist() == [0, 2, 5, 8, 12]
    assert np.flatnonzero(text.starts).tolist() == [0, 8]
    assert text.reference == "white space"
    assert words_in(text, text.begins) == [["it", "was", "the"], ["best", "of"]]
    assert unspaced(["it was the best"], 4).documents == ["itwa"]
    assert unspaced(["itwasthe"], 100).begins is None


def test_planted_words_are_found_both_ways() -> None:
    found = found_in(planted(1500), "ngram(order=4)")
    assert found.chance is not None
    assert {(each.direction, each.rule) for each in found.found} == {
        (direction, rule) for direction in ("forward", "backward", "both") for rule in ("global", "rise")
    }
    for each in found.found:
        assert each.scored is not None
        assert each.scored.f1 > 0.85, (each.direction, each.rule)
    [best] = found.best()
    assert best.scored is not None
    assert best.scored.f1 > 0.97
    assert best.scored.word_f1 > 0.9
    assert found.chance < 0.25


def test_reading_back_is_reading_the_reversed_text_on() -> None:
    """Forward entropies of the reversed text are the backward ones of the text, from the other end."""
    document = planted(300)
    one = found_in(document, WITTEN_BELL, threshold=1.0)
    other = found_in(document[::-1], WITTEN_BELL, threshold=1.0)
    back = next(each for each in one.found if (each.direction, each.rule) == ("backward", "global"))
    on = next(each for each in other.found if (each.direction, each.rule) == ("forward", "global"))
    # a word that begins before character i begins, read from the other end, before character n - i
    size = len(one.text.starts)
    turned = np.zeros(size, dtype=bool)
    turned[size - np.flatnonzero(back.begins)[1:]] = True
    turned[0] = True
    assert turned.tolist() == on.begins.tolist()


def test_where_nothing_tells_the_words_they_are_found_all_the_same() -> None:
    found = found_in(planted(800).replace(" ", ""), "ngram(order=4)")
    assert found.chance is None
    assert all(each.scored is None for each in found.found)
    [best] = found.best()
    assert (best.direction, best.rule) == ("both", "rise")
    assert any("no spaces that say where words are" in note for note in found.notes)


def test_japanese_is_held_against_icu() -> None:
    pytest.importorskip("icu4py", reason="the package icu4py finds the words of Japanese")
    text = unspaced(["吾輩は猫である。\u3000名前はまだ無い。"], 100)
    assert text.reference.startswith("ICU ")
    assert text.documents == ["吾輩は猫である。名前はまだ無い。"]
    assert text.begins is not None
    assert words_in(text, text.begins)[0][:4] == ["吾輩", "は", "猫", "で"]


@pytest.fixture(scope="module")
def char_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    home = tmp_path_factory.mktemp("segment")
    (home / "text.txt").write_text(planted(1500).replace(" ", ""), encoding="utf-8")
    plan = Plan(
        source=str(home / "text.txt"), tokenizer="char", models=["ngram(order=4)", "lstm(layers=1, width=16)"],
        estimators=["zlib"], device="cpu", train_tokens=2048, out=home / "results",
    )  # fmt: skip
    return run(plan)


def test_models_of_a_run_stand_beside_each_other(char_run: Run, tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text(planted(400), encoding="utf-8")
    done = lmbench("segment", path, "--run", char_run.folder, "--json")
    assert done.exit_code == 0, done.output
    content = json.loads(done.stdout)
    ways = {(each["model"], each["direction"]) for each in content["models"]}
    assert ("ngram(order=4)", "both") in ways
    assert ("lstm(layers=1, width=16)", "forward") in ways
    assert ("lstm(layers=1, width=16)", "both") not in ways
    best = max(each["f1"] for each in content["models"] if each["model"] == "ngram(order=4)")
    assert best > 0.9
    assert "".join(content["words"]["ngram(order=4)"][0]) == planted(400).replace(" ", "")
    shown = lmbench("segment", path, "--run", char_run.folder, "--model", "ngram", "-q", "--show", "60")
    assert shown.exit_code == 0, shown.output
    assert "word F1" in shown.stdout
    assert "│" in shown.stdout


def test_a_run_of_bytes_finds_the_same_words(char_run: Run, tmp_path: Path) -> None:
    """Letters of one byte each: a model of bytes is a model of letters. Others are asked where they begin."""
    home = char_run.folder.parents[1]
    made = lmbench("run", home / "text.txt", "--tokenizer", "byte", "--model", "ngram(order=4)", "--estimator", "none",
                   "--out", tmp_path, "-q")  # fmt: skip
    assert made.exit_code == 0, made.output
    words = ("--model", "ngram", "--threshold", "1", "--json")
    path = tmp_path / "text.txt"
    path.write_text(planted(200), encoding="utf-8")
    found = [
        json.loads(lmbench("segment", path, "--run", folder, *words, "--out", tmp_path).stdout)["words"]
        for folder in (char_run.folder, "latest")
    ]
    assert found[0] == found[1]
    path.write_text(planted(20) + " éé 猫である", encoding="utf-8")
    done = lmbench("segment", path, "--run", "latest", *words, "--out", tmp_path)
    assert "".join(json.loads(done.stdout)["words"]["ngram(order=4)"][0]).endswith("éé猫である")


def test_a_text_on_the_command_line(char_run: Run) -> None:
    done = lmbench("segment", planted(30).replace(" ", ""), "--run", char_run.folder, "--model", "ngram", "-q")
    assert done.exit_code == 0, done.output
    for word in planted(30).split()[3:5]:
        assert f"│{word}│" in done.stdout


def test_tokens_that_join_letters_are_refused(small_run: Run, tmp_path: Path) -> None:
    done = lmbench("segment", "no-such-file.txt")
    assert done.exit_code == 2
    assert "no-such-file.txt" in done.stderr
    done = lmbench("segment", "   ")
    assert done.exit_code == 1
    assert "nothing but white space" in done.stderr
    path = tmp_path / "text.txt"
    path.write_text(planted(200), encoding="utf-8")
    made = lmbench("run", path, "--tokenizer", "bpe(vocabulary=300)", "--model", "uniform", "--estimator", "none",
                   "--out", tmp_path, "-q")  # fmt: skip
    assert made.exit_code == 0, made.output
    done = lmbench("segment", path, "--run", "latest", "--out", tmp_path)
    assert done.exit_code == 2
    assert "make a run with --tokenizer char" in done.stderr
