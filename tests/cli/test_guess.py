"""`lmbench guess`: by lines, by keys, by bets, by a model; and `lmbench bounds`."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from commands import lmbench

from lmbench import store
from lmbench.pipeline import Plan, Run, run
from lmbench.pipeline.guessing import passage_of, read_guesses
from lmbench.report.section.bounds import caption

LINES = "猫である。\n吾輩は猫\n"


@pytest.fixture(scope="module")
def english(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "queen.txt"
    path.write_text("The queen ordered the cat off the mat, and the cat said: why?\n" * 60, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def char_run(english: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    plan = Plan(
        source=str(english), tokenizer="char", models=["uniform", "ngram(order=4)"], estimators=[], device="cpu",
        out=tmp_path_factory.mktemp("results"),
    )  # fmt: skip
    return run(plan)


def only(folder: Path) -> Path:
    [path] = folder.glob("*.json")
    return path


def test_a_game_by_lines_is_kept_guess_by_guess_and_goes_on(english: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path)
    common = ("guess", english, "--alphabet", "27", "--passage", "4", "--length", "5", "--context", "4", *out)
    begun = lmbench(*common, "--player", "ada", stdin="z\nz\nQ\né\n?\n")
    assert begun.exit_code == 0, begun.output
    path = only(tmp_path)
    record = read_guesses(path)
    assert (record.known, record.passage) == (reduced_text(english)[:4], reduced_text(english)[4:9])
    assert (
        f"stopped after {len(record.letters)} of 5 symbols; go on with: lmbench guess --resume {path}" in begun.stderr
    )
    assert "z was wrong before: not counted" in begun.stdout
    done = lmbench("guess", "--resume", "latest", *out, stdin="?\n" * 5)
    assert done.exit_code == 0, done.output
    assert "lower bound" in done.stdout
    finished = read_guesses(path)
    assert finished.done
    assert finished.letters[: len(record.letters)] == record.letters
    again = lmbench("guess", "--resume", "latest", *out)
    assert again.exit_code == 2
    assert "there is no game to go on with" in again.stderr


def reduced_text(path: Path) -> str:
    """The part of the text that models are tested on, in 27 letters."""
    from lmbench.corpus.split import split
    from lmbench.corpus.text import text_of
    from lmbench.generation.guessing import reduced

    return reduced(split(text_of([path.read_text(encoding="utf-8")]), "90/5/5").test.document(0))


def test_japanese_is_guessed_by_the_line(tmp_path: Path) -> None:
    text = tmp_path / "neko.txt"
    text.write_text(LINES * 40, encoding="utf-8")
    common = ("guess", text, "--passage", "0", "--length", "4", "--out", tmp_path / "out")
    first = lmbench(*common, stdin="")
    passage = read_guesses(only(tmp_path / "out")).passage
    typed = passage.replace("\n", "\\n").replace(" ", "\\s")
    done = lmbench("guess", "--resume", "latest", "--out", tmp_path / "out", stdin=f"ぬ\n{typed}\n")
    assert first.exit_code == done.exit_code == 0, done.output
    assert "ぬ does not occur in this text: not counted" in done.stdout
    assert [letter.before for letter in read_guesses(only(tmp_path / "out")).letters] == [0, 0, 0, 0]


def test_bets_are_kept_and_mistakes_cost_nothing(english: Path, tmp_path: Path) -> None:
    common = ("guess", english, "--gamble", "--length", "2", "--out", tmp_path)
    done = lmbench(*common, stdin="e500\nrest\n\n")
    assert done.exit_code == 0, done.output
    assert "write a symbol and a percentage, such as e50; nothing was bet" in done.stdout
    record = read_guesses(only(tmp_path))
    shares = [letter.share for letter in record.letters]
    assert shares == pytest.approx([1 / len(record.alphabet)] * 2)
    assert "the capital has doubled 0.00 times" in done.stdout


def test_two_people_and_a_model_play_the_same_passage(char_run: Run, english: Path, tmp_path: Path) -> None:
    out, runs = ("--out", tmp_path), ("--runs", char_run.folder.parent)
    assert lmbench("guess", english, "--length", "30", "--player", "ada", *out, stdin="?\n" * 30).exit_code == 0
    assert lmbench("guess", "--same", "ada", "--player", "bob", *out, stdin="e\n?\n" * 30).exit_code == 0
    played = lmbench("guess", "--same", "ada", "--model", "latest:ngram", "--json", *out, *runs)
    assert played.exit_code == 0, played.output
    alone = lmbench("guess", "--model", "latest:ngram", "--length", "30", "--json", *out, *runs)
    assert json.loads(played.stdout) | {"started": ""} == json.loads(alone.stdout) | {"started": ""}
    letters = json.loads(played.stdout)["letters"]
    assert sum(letter["before"] == 0 for letter in letters) > 20
    assert all(0 < letter["share"] <= 1 for letter in letters)
    text = lmbench("guess", "--compare", "ada", "bob", *out)
    assert text.exit_code == 0, text.output
    assert "fewer guesses" in text.stdout
    found = json.loads(lmbench("guess", "--compare", "ada", sorted(tmp_path.glob("*ngram*"))[0], "--json", *out).stdout)
    assert found["symbols"] == 30
    assert found["sooner"] == [0, 30]
    assert found["differences"]["upper"][0] > 2
    uniform = lmbench("guess", "--same", "ada", "--model", "latest:uniform", "--json", *out, *runs)
    size = len(json.loads(uniform.stdout)["alphabet"])
    assert [letter["share"] for letter in json.loads(uniform.stdout)["letters"]] == pytest.approx([1 / size] * 30)
    assert {letter["ties"] for letter in json.loads(uniform.stdout)["letters"]} == {size}


def test_a_model_is_told_apart_from_one_that_may_have_read_the_passage(char_run: Run, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("The cat sat on the queen. " * 100, encoding="utf-8")
    out, runs = ("--out", tmp_path / "out"), ("--runs", char_run.folder.parent)
    lmbench("guess", other, "--length", "20", *out, stdin="")
    played = lmbench("guess", "--same", "latest", "--model", "latest", *out, *runs)
    assert played.exit_code == 0, played.output
    assert "not in the test text" in played.stderr


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("guess", "--resume", "x", "--model", "y"), "--resume goes on with a person's game"),
        (("guess", "--compare", "x", "y"), "there is no record 'x'"),
        (("guess", "--same", "x"), "there is no record 'x'"),
        (("guess", "--model", "latest", "--gamble"), "--gamble is for people"),
        (("guess", "nowhere.txt"), "nowhere.txt"),
    ],
)
def test_errors_are_one_line(arguments: tuple[str, ...], problem: str, tmp_path: Path) -> None:
    done = lmbench(*arguments, "--out", tmp_path)
    assert done.exit_code == 2
    assert problem in done.stderr
    assert done.stderr.count("\n") == 1


def test_passages_that_a_text_does_not_have(english: Path, tmp_path: Path) -> None:
    for wanted in (("--length", "100000"), ("--passage", "100000")):
        done = lmbench("guess", english, *wanted, "--out", tmp_path)
        assert done.exit_code == 2
        assert done.stderr.count("\n") == 1
    damaged = tmp_path / "cut.json"
    damaged.write_text('{"format": 1', encoding="utf-8")
    done = lmbench("guess", "--resume", damaged, "--out", tmp_path)
    assert done.exit_code == 1
    assert "cut.json is no whole record" in done.stderr


def test_a_byte_model_guesses_ascii_and_no_more(small_run: Run, tmp_path: Path) -> None:
    done = lmbench("guess", "--model", f"{small_run.folder}:order=3", "--out", tmp_path, "--length", "60")
    assert done.exit_code == 2
    assert "ASCII passages only" in done.stderr


def test_passages_are_drawn_with_their_context_and_cut_at_documents() -> None:
    documents = ["abcdefghij", "", "klmnopqrst" * 3]
    assert passage_of(documents, 3, 0, 4, 2) == ("bc", "defg", 3)
    assert passage_of(documents, 8, 0, 4, 20) == ("abcdefgh", "ij", 8)
    assert passage_of(documents, 10, 0, 4, 20) == ("", "klmn", 10)
    assert (
        passage_of(["abcdefghij"], None, 0, 4, 20)[0] == "abcdefghij"[: passage_of(["abcdefghij"], None, 0, 4, 20)[2]]
    )
    assert any(passage_of(["abcdefghij"], None, seed, 4, 20)[0] for seed in range(9))
    seen = set()
    for seed in range(200):
        known, passage, start = passage_of(documents, None, seed, 6, 20)
        assert (len(known), len(passage)) == (20, 6)
        assert "".join(documents)[start : start + 6] == passage
        seen.add(start)
    assert seen == {30, 31, 32, 33, 34}
    assert passage_of(documents, None, 0, 30, 100)[1] == "klmnopqrst" * 3


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no pseudo-terminals here")
def test_by_keys_on_a_terminal(english: Path, tmp_path: Path) -> None:
    arguments = ["guess", str(english), "--alphabet", "27", "--length", "6", "--out", str(tmp_path)]
    code = "from lmbench.cli.main import main; main()"
    terminal, other = os.openpty()
    shown = b""

    def wait_for_a_screen() -> None:
        nonlocal shown
        end, before = time.monotonic() + 20, shown.count(b"press a key")
        while time.monotonic() < end and shown.count(b"press a key") == before:
            if select.select([terminal], [], [], 0.2)[0]:
                shown += os.read(terminal, 4096)

    with subprocess.Popen([sys.executable, "-c", code, *arguments], stdin=other, stdout=other, stderr=other) as child:
        os.close(other)
        try:
            wait_for_a_screen()
            passage = read_guesses(only(tmp_path)).passage
            wrong = next(letter for letter in "zqx" if letter != passage[0])
            for key in (b"\x1b[A", wrong.upper().encode(), wrong.encode(), passage[0].encode(), b"?", b"\x12"):
                os.write(terminal, key)
                wait_for_a_screen()
            os.write(terminal, b"\x04")
            status = child.wait(timeout=20)
        finally:
            child.kill()
            os.close(terminal)
    record = read_guesses(only(tmp_path))
    assert status == 0
    assert [(letter.before, letter.ties) for letter in record.letters] == [(1, 1), (0, 27), (0, 27)]
    assert f"{wrong} is wrong (1)".encode() in shown
    assert f"{wrong} was wrong before: not counted".encode() in shown


def test_bounds_prints_keeps_and_draws_the_bounds(char_run: Run) -> None:
    path = char_run.folder / store.RECORD
    before = path.stat().st_mtime_ns
    common = ("bounds", char_run.folder, "--positions", "80", "-q")
    done = lmbench(*common, "--model", "ngram", "--contexts", "0,1,3", "--ranks")
    assert done.exit_code == 0, done.output
    assert "found at guess" in done.stdout
    assert "upper" in done.stdout
    assert "bits per character" in done.stdout
    again = lmbench(*common, "--model", "uniform", "--contexts", "3,0", "--json")
    assert again.exit_code == 0, again.output
    [item] = json.loads(again.stdout)
    record = store.read_record(char_run.folder)
    assert [played.model for played in record.shannon] == ["ngram(order=4)", "uniform"]
    assert record.shannon[1].model_dump(mode="json") == item
    assert [point["context"] for point in item["points"]] == [0, 3]
    assert path.stat().st_mtime_ns == before
    page = (char_run.folder / "report.html").read_text(encoding="utf-8")
    assert "prediction game" in page
    assert "Shannon 1951" in page
    assert page.count("at which guess tokens were found") >= 2  # a caption for each model
    assert (char_run.folder / "report-bounds.png").exists()
    assert lmbench("report", char_run.folder).exit_code == 0
    assert "one person's guesses" in caption(record)
    german = record.card.model_copy(update={"corpus_card": record.card.corpus_card | {"english_function_words": 0.01}})
    assert "one person's guesses" not in caption(record.model_copy(update={"card": german}))
    other = lmbench(*common, "--model", "uniform", "--contexts", "0,1")
    assert "no longer kept" in other.stderr  # the games above were on other tokens
    assert [played.model for played in store.read_record(char_run.folder).shannon] == ["uniform"]
    japanese = record.card.test.model_copy(update={"bytes": 3 * record.card.test.characters})
    elsewhere = record.model_copy(update={"card": record.card.model_copy(update={"test": japanese})})
    assert "one person's guesses" not in caption(elsewhere)


@pytest.mark.parametrize("wrong", ["a", "", "1,-2", "1;2"])
def test_context_lengths_that_are_none(char_run: Run, wrong: str) -> None:
    done = lmbench("bounds", char_run.folder, "--contexts", wrong)
    assert done.exit_code == 2
    assert "write whole numbers" in done.stderr
    assert done.stderr.count("\n") == 1


def test_contexts_longer_than_any_document(char_run: Run) -> None:
    done = lmbench("bounds", char_run.folder, "--contexts", "100000", "-q")
    assert done.exit_code == 2
    assert "shorter --contexts" in done.stderr


def test_a_symbol_with_nothing_on_it_is_a_sentence(char_run: Run, tmp_path: Path) -> None:
    out, runs = ("--out", tmp_path), ("--runs", char_run.folder.parent)
    assert lmbench("guess", "--model", "latest:ngram", "--length", "30", *out, *runs).exit_code == 0
    path = only(tmp_path)
    content = json.loads(path.read_text(encoding="utf-8"))
    content["letters"][3]["share"] = 0.0
    content["player"] = "ruined"
    (tmp_path / "ruined.json").write_text(json.dumps(content), encoding="utf-8")
    done = lmbench("guess", "--compare", path, tmp_path / "ruined.json", *out)
    assert done.exit_code == 0, done.output
    assert "ruined: a symbol had nothing on it" in done.stdout
    found = json.loads(lmbench("guess", "--compare", path, tmp_path / "ruined.json", "--json", *out).stdout)
    assert [side["ruined"] for side in found["sides"]] == [False, True]
    assert found["sides"][1]["bits"] is None
    assert "bits" not in found["differences"]


def test_where_nothing_is_possible_the_bets_are_even(
    char_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lmbench.pipeline import guessing

    monkeypatch.setattr(guessing, "_scores", lambda model, tokenizer, text: np.full(400, -np.inf))
    done = lmbench(
        "guess", "--model", "latest:ngram", "--length", "4", "--json", "--out", tmp_path,
        "--runs", char_run.folder.parent,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert [letter["share"] for letter in found["letters"]] == pytest.approx([1 / len(found["alphabet"])] * 4)
