"""`lmbench count` and `lmbench overlap`."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from commands import lmbench
from rich.cells import cell_len

from lmbench.cli._phrases import fitted
from lmbench.pipeline import Run


@pytest.fixture
def run(small_run: Run, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small_run.folder, tmp_path / "run"))


def test_count_prints_the_count_the_continuations_and_examples(run: Path, small_text: Path) -> None:
    done = lmbench("count", run, "the queen", "--examples", "3", "--top", "2", "-q")
    assert done.exit_code == 0, done.output
    first, *rest = done.stdout.splitlines()
    assert first.startswith("“the queen” occurs ")
    assert first.endswith(" training tokens")
    assert sum(bool(re.match(r" *document \d+, token [\d,]+ .*the queen", line)) for line in rest) == 3
    assert (run / "suffix" / "positions.npy").is_file()
    training = small_text.read_text(encoding="utf-8")
    count = int(first.split("occurs ")[1].split(" times")[0])
    assert 0 < count <= training.count("the queen")


def test_examples_stand_under_each_other(run: Path) -> None:
    done = lmbench("count", run, "queen", "--examples", "4", "--top", "0", "-q")
    examples = [line for line in done.stdout.splitlines() if re.match(r" *document \d+, token ", line)]
    assert len(examples) == 4
    columns = [{cell_len(line[: found.start()]) for found in re.finditer("queen", line)} for line in examples]
    assert set.intersection(*columns)
    assert max(map(cell_len, examples)) <= 120
    assert re.search(r"“n” is (\d+) of \1 after “quee”: probability 1.0000\n", done.stdout)


def test_wide_characters_take_two_columns() -> None:
    assert fitted("三四郎は", 5) == "三四"
    assert fitted("三四郎は", 5, from_end=True) == "郎は"
    assert fitted("abc三", 5, from_end=True) == fitted("abc三", 9) == "abc三"
    assert fitted("abc", 0, from_end=True) == fitted("abc", 0) == ""


def test_no_space_is_put_into_a_word_that_an_example_begins_in(run: Path, small_text: Path) -> None:
    done = lmbench("count", run, "ueen", "--examples", "4", "--top", "0", "-q")
    examples = [line for line in done.stdout.splitlines() if re.match(r" *document \d+, token ", line)]
    assert len(examples) == 4
    columns = [{cell_len(line[: found.start()]) for found in re.finditer(" queen", line)} for line in examples]
    assert set.intersection(*columns)


def test_count_as_json(run: Path) -> None:
    found = json.loads(lmbench("count", run, "the queen", "--json", "-q").stdout)
    assert found["count"] == found["followed"] > 0
    assert found["sparse"]  # a space follows, in bytes
    assert found["continuations"][0] == {
        "token": " ", "id": 32, "count": found["count"], "probability": 1.0, "end": False,
    }  # fmt: skip
    assert len(found["examples"]) == 5


def test_count_of_what_does_not_occur(run: Path) -> None:
    done = lmbench("count", run, "some queen", "-q")
    assert done.exit_code == 0
    assert "“some queen” does not occur" in done.stdout
    assert "the longest end of it that does is “e queen”" in done.stdout


def test_overlap_prints_the_curve_and_the_index(run: Path, small_text: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    copied = small_text.read_text(encoding="utf-8")[:50]
    text.write_text(f"zzz{copied}zebras", encoding="utf-8")
    done = lmbench("overlap", run, text, "--from", "2", "--to", "4", "--novelty", "3", "-q")
    assert done.exit_code == 0, done.output
    assert "Creativity Index, L = 2 to 4 tokens: " in done.stdout
    assert "L-uniqueness" in done.stdout
    assert f"once, document 1  “{copied}”" in done.stdout


def test_overlap_as_json_in_words_from_standard_input(run: Path) -> None:
    done = lmbench("overlap", run, "-", "--words", "--json", "-q", stdin="the queen zebra")
    found = json.loads(done.stdout)
    assert (found["unit"], found["size"], found["unknown"]) == ("word", 3, 1)
    assert found["lengths"] == [[2, 1, 0]]
    assert found["creativity_index"] == 8  # L = 5 to 12
    assert found["novelty"]["1"] == pytest.approx(1 / 3)
    assert found["novelty"]["4"] is None


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (("count", "RUN", ""), "error: there is nothing to count", 2),
        (("count", "nowhere", "x"), "error: there is no run 'nowhere'", 2),
        (("overlap", "RUN", "nowhere.txt"), "error: there is no file and no corpus 'nowhere.txt'", 2),
        (("overlap", "RUN", "EMPTY"), "empty", 1),
        (("overlap", "RUN", "EMPTY", "--from", "5", "--to", "2"), "error: --to must be --from (5) or more", 2),
    ],
)
def test_what_cannot_be_answered(
    run: Path, tmp_path: Path, arguments: tuple[str, ...], message: str, code: int
) -> None:
    (tmp_path / "empty.txt").write_text("", encoding="utf-8")
    places = {"RUN": str(run), "EMPTY": str(tmp_path / "empty.txt")}
    done = lmbench(*(places.get(item, item) for item in arguments), "-q")
    assert done.exit_code == code
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
