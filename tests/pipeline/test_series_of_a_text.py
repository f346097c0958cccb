"""Shannon's series of approximations to a text."""

from __future__ import annotations

import math
from itertools import takewhile
from pathlib import Path

import numpy as np
import pytest

from lmbench.corpus import segmenter
from lmbench.corpus.split import Splits, split
from lmbench.corpus.text import text_of
from lmbench.errors import LmbenchError, UsageError
from lmbench.pipeline import Plan, run
from lmbench.pipeline import series as module
from lmbench.pipeline.series import Steps, Wanted, networks_of, steps_of_run
from lmbench.pipeline.series_text import separated, shortened, splits_of_run
from lmbench.progress import Silent
from lmbench.record import Approximation
from lmbench.store import read_record

WORDS = ["the", "queen", "said", "off", "with", "his", "head", "on", "a", "mat"]
JAPANESE = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。"


def english(size: int, seed: int = 5) -> str:
    generator = np.random.default_rng(seed)
    return " ".join(WORDS[at] for at in generator.integers(0, len(WORDS), size)) + "."


def made(text: str, last: str = "", **options: object) -> tuple[Steps, list[Approximation]]:
    """The steps of a text, up to the last one in the unit `last`, or all."""
    wanted = Wanted(**{"characters": 25, **options})  # type: ignore[arg-type]
    steps = Steps(split(text_of([text]), "80/10/10:end"), wanted, Silent())
    units = ("letter", "word")[: 1 + (last == "word")]
    if not last:
        return steps, list(steps)
    return steps, list(takewhile(lambda step: step.unit in units and step.order is not None, steps))


def test_the_figures_are_those_of_a_run_on_the_same_text(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text(english(800), encoding="utf-8")
    done = run(
        Plan(source=str(path), split="80/10/10:end", tokenizer="char", models=["ngram(order=2)", "ngram(order=3)"],
             estimators=["zlib"], device="cpu", out=tmp_path / "results")
    )  # fmt: skip
    steps, found = made(english(800), order=3)
    rows = {row.model: row for row in done.record.rows}
    test = steps.splits.test
    for step in found:
        if step.unit == "letter" and step.order in (2, 3):
            row = rows[step.model]
            assert step.bits_per_character == pytest.approx(row.bits_per_character, rel=1e-12)
            assert row.word_perplexity is not None
            assert step.bits_per_word == pytest.approx(math.log2(row.word_perplexity))
    assert [(step.unit, step.order) for step in found] == [
        ("letter", 0), ("letter", 1), ("letter", 2), ("letter", 3), ("word", 1), ("word", 2), ("word", 3),
        ("letter", None),
    ]  # fmt: skip
    assert found[0].bits_per_word == pytest.approx(found[0].bits_per_character * test.characters / test.words)  # type: ignore[operator]
    words = [step for step in found if step.unit == "word"]
    assert all(set(step.sample.replace(".", "").split()) <= set(WORDS) for step in words)
    assert (
        words[0].bits_per_character is not None
    )  # words drawn one by one have log2 10 bits each; the text is cut in two of them
    assert words[0].bits_per_word == pytest.approx(1.2 * math.log2(len(WORDS)), rel=0.2)


def test_zero_order_is_the_logarithm_of_the_alphabet() -> None:
    steps, found = made(english(300), "letter", letters="27", order=0, characters=400)
    assert steps.alphabet == 27
    assert found[0].bits_per_character == pytest.approx(math.log2(27))
    assert set(found[0].sample) <= set("abcdefghijklmnopqrstuvwxyz ")
    assert found[0].notes == []
    _, own = made("x" * 20 + "abcd" * 200, "letter", order=0)
    assert own[0].bits_per_character == pytest.approx(math.log2(5))
    assert len(own[0].notes) == 0
    _, unseen = made("abcd" * 80 + "ab" * 3 + "é" * 4, "letter", order=0)
    test = 33
    expected = math.log2(5) + 4 / test * math.log2(0x110000)
    assert unseen[0].bits_per_character == pytest.approx(expected, rel=0.02)
    assert "that the training text does not have: 4;" in unseen[0].notes[0]


def test_an_alphabet_of_which_nothing_is_left_is_refused() -> None:
    with pytest.raises(LmbenchError, match="nothing of the train text is left in the letters a to z"):
        made(JAPANESE * 20, "letter", letters="27")


def test_a_step_that_only_copies_ends_its_series() -> None:
    """A text without a repeat of five letters is only copied from order 5 on."""
    generator = np.random.default_rng(9)
    text = "".join(np.array(list("abcdefghijklmnop"))[generator.integers(0, 16, 1500)])
    _, letters = made(text, "letter", characters=200)
    assert [step.only_copies for step in letters] == [False] * (len(letters) - 1) + [True]
    assert letters[-1].order in (5, 6)
    assert letters[-1].copied >= 0.95
    assert letters[-1].sample[:60] in text or letters[-1].longest_match >= 60
    assert letters[2].longest_match < 20
    assert letters[2].copied == 0


def test_a_step_that_draws_what_the_one_before_drew_ends_its_series_too() -> None:
    """Passages between the ends of documents are too short here to count as copied, and there are no others."""
    texts = text_of([f"{letter}bcdefgh" for letter in "ijklmnop"] * 3)
    steps = list(
        takewhile(lambda step: step.order is not None, Steps(Splits(texts, texts, texts, ""), Wanted(), Silent()))
    )
    letters = [step for step in steps if step.unit == "letter"]
    assert letters[-1].only_copies
    assert letters[-1].order == 3
    assert letters[-1].copied < 0.95


def test_of_a_long_text_a_part_from_all_over_it_is_counted() -> None:
    steps, found = made(english(2000), "letter", most=1000, order=1)
    assert 900 <= steps.splits.train.characters <= 1000
    assert any("characters of training text are counted" in note for note in steps.notes)
    assert len(found) == 2
    many = shortened(text_of([f"document {number}" for number in range(3000)]), 10_000)
    assert 5_000 <= many.characters <= 10_000
    assert many.document(len(many.starts) - 1) > "document 29"
    few = shortened(text_of(["a" * 600, "b" * 300]), 90)
    assert [few.document(index) for index in range(2)] == ["a" * 60, "b" * 30]


def test_a_word_as_long_as_the_text_does_not_fill_the_screen() -> None:
    _, found = made("ab" * 3000 + " c", "word", characters=30, order=1)
    assert len(found[-1].sample) == 60


def test_a_copied_passage_is_told_in_words_too() -> None:
    _, found = made(" ".join(f"word{at}" for at in range(400)), "word", characters=120)
    first = next(step for step in found if step.unit == "word")
    assert not first.only_copies
    second = next(step for step in found if step.unit == "word" and step.order == 2)
    assert second.only_copies
    assert second.longest_match >= 100


@pytest.mark.parametrize("method", ["counts", "book"])
def test_the_same_seed_gives_the_same_text(method: str) -> None:
    _, one = made(english(300), method=method, order=3)
    _, other = made(english(300), method=method, order=3)
    _, third = made(english(300), method=method, order=3, seed=1)
    assert one == other
    assert [step.sample for step in one] != [step.sample for step in third]
    assert all(len(step.sample) >= 25 for step in one)


def test_words_of_a_script_without_spaces_are_those_of_icu() -> None:
    pytest.importorskip("icu4py", reason="the package icu4py finds the words of Japanese")
    steps, found = made(JAPANESE * 30, order=2)
    assert not steps.spaced
    assert steps.words_by.startswith("ICU ")
    words = [step for step in found if step.unit == "word"]
    assert [step.order for step in words] == [1, 2]
    known = set(segmenter.segments(JAPANESE))
    assert {"吾輩", "猫", "で", "。"} <= known
    assert all(step.bits_per_character is not None and 0 < step.bits_per_character < 8 for step in found)
    assert " " not in words[0].sample
    rest = words[0].sample
    while rest:  # nothing but words of the text
        word = max((each for each in known if rest.startswith(each)), key=len)
        rest = rest[len(word) :]
    series = steps.series(found)
    assert series.words == segmenter.name()


def test_text_cut_into_words_comes_back_without_what_stands_between_them() -> None:
    pytest.importorskip("icu4py", reason="the package icu4py finds the words of Japanese")
    text = text_of([JAPANESE, "三 四\n郎 Hello world。\x1f"])
    cut = separated(Splits(text, text, text, ""))
    assert [cut.train.document(at).replace("\x1e", "") for at in range(2)] == [text.document(at) for at in range(2)]
    assert "吾輩\x1eは\x1e猫" in cut.train.document(0)
    assert cut.train.document(1).split() == ["三", "四", "郎", "Hello", "world", "。"]


def test_without_the_segmenter_there_are_letters_and_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> str:
        raise UsageError("the words of this text need the package icu4py")

    monkeypatch.setattr(module, "segmenter_name", missing)
    steps, found = made(JAPANESE * 20, order=1)
    assert {step.unit for step in found} == {"letter"}
    assert all(step.bits_per_word is None for step in found)
    assert steps.series(found).notes == ["no words: the words of this text need the package icu4py"]


@pytest.mark.parametrize("tokenizer", ["char", "word(unknown=spell)", "bpe(vocabulary=300)"])
def test_the_text_of_a_run_comes_back_from_its_tokens(tokenizer: str, tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("\n\n".join(english(40, seed) for seed in range(30)), encoding="utf-8")
    nets = ["lstm(layers=1, width=16)"] if tokenizer == "char" else []
    plan = Plan(source=str(path), tokenizer=tokenizer, models=["ngram(order=2)", *nets], estimators=["zlib"],
                device="cpu", train_tokens=2048, out=tmp_path / "results")  # fmt: skip
    done = run(plan)
    record = read_record(done.folder)
    found = splits_of_run(done.folder, record, Silent())
    assert [found.train.hash, found.valid.hash, found.test.hash] == [
        record.card.train.hash, record.card.valid.hash, record.card.test.hash,
    ]  # fmt: skip
    rows = networks_of(record)
    assert [row.model for row in rows] == nets
    if rows:
        steps = steps_of_run(done.folder, record, Wanted(characters=50), Silent())
        step = steps.network(done.folder, record, rows[0], "cpu")
        assert (step.unit, step.order, step.model) == ("letter", None, nets[0])
        assert step.bits_per_character == rows[0].bits_per_character
        assert len(step.sample) == 50
