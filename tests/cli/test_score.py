"""`lmbench score`: KenLM's figures, every form, pipes, n-best lists, and what cannot be scored."""

from __future__ import annotations

import csv
import io
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pytest
from commands import lmbench

from lmbench import store
from lmbench.pipeline import Plan, Run, run

LINES = ["a b c", "a b", "", "zebra b c a", "c"]
TRAIN = "\n".join(["a b c a b", "b c a", "a b c c", "c a b", "a b"] * 12) + "\n"
MODELS = ["uniform", "ngram(order=2)", "cache(model=ngram(order=2))", "ngram(order=2, smoothing=maximum_likelihood)"]


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of words, whose documents are lines."""
    home = tmp_path_factory.mktemp("words")
    (home / "train.txt").write_text(TRAIN, encoding="utf-8")
    plan = Plan(
        source=str(home / "train.txt"), tokenizer="word", lines=True, models=MODELS, estimators=[], device="cpu",
        out=home / "results",
    )  # fmt: skip
    return run(plan)


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text("\n".join(LINES) + "\n", encoding="utf-8")
    return path


def table(output: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(output), delimiter="\t", quoting=csv.QUOTE_NONE))


def scored(run_: Run, *arguments: str | Path, stdin: str | None = None) -> str:
    done = lmbench("score", run_.folder, *arguments, "-q", stdin=stdin)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_scores_are_those_of_kenlms_query(shared: Path, tmp_path: Path) -> None:
    """Each token, each sentence, and the totals with and without unknown words, in log10, to 1e-4."""
    golden = shared / "golden"
    plan = Plan(
        source=str(golden / "words.train.txt"), valid=str(golden / "words.test.txt"), lines=True, tokenizer="word",
        test=str(golden / "words.test.txt"), models=["ngram(order=3)", "ngram(order=5)"], estimators=[], device="cpu",
        out=tmp_path,
    )  # fmt: skip
    done = run(plan)
    known = {"</s>", *(golden / "words.train.txt").read_text(encoding="utf-8").split()}
    for name, model in (("words3", "ngram(order=3)"), ("words5", "ngram(order=5)")):
        with (golden / f"{name}.scores.tsv").open(encoding="utf-8", newline="") as file:
            expected = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
        arguments = (golden / "words.test.txt", "--model", model, "--format", "tsv", "--per")
        found = table(scored(done, *arguments, "word"))
        assert [row["text"] or "</s>" for row in found] == [row["word"] for row in expected]
        log10 = np.array([float(row["log10_prob"]) for row in expected])
        assert np.abs(np.array([float(row["log10"]) for row in found]) - log10).max() < 1e-4
        unknown = np.array([row["word"] not in known for row in expected])
        assert [row["unknown"] == "1" for row in found] == unknown.tolist()
        ends = np.array([row["word"] == "</s>" for row in expected])
        line = np.cumsum(ends) - ends
        documents = table(scored(done, *arguments, "document"))
        totals = np.bincount(line, log10)
        assert np.abs(np.array([float(row["log10"]) for row in documents]) - totals).max() < 1e-4
        assert [int(row["unknown"]) for row in documents] == np.bincount(line, unknown).astype(int).tolist()
        [whole] = table(scored(done, *arguments, "file"))
        assert float(whole["perplexity"]) == pytest.approx(10 ** -log10.mean(), rel=1e-4)
        assert float(whole["perplexity_without_unknown"]) == pytest.approx(10 ** -log10[~unknown].mean(), rel=1e-4)


def test_tsv_by_document_has_the_names_that_scripts_rely_on(words: Run, text: Path) -> None:
    output = scored(words, text, "--lines", "--model", "ngram(order=2)", "--per", "document", "--format", "tsv")
    names, *lines = output.splitlines()
    assert {"tokens", "nats", "unknown"} <= set(names.split("\t"))
    rows = table(output)
    assert len(lines) == len(rows) == 4
    assert [row["document"] for row in rows] == ["1", "2", "4", "5"]  # the third line is empty
    assert [row["tokens"] for row in rows] == ["4", "3", "5", "2"]
    assert [row["unknown"] for row in rows] == ["0", "0", "1", "0"]


@pytest.mark.parametrize("per", ["file", "document", "line", "word", "token"])
def test_every_form_says_the_same(words: Run, text: Path, per: str) -> None:
    arguments = (text, "--model", "ngram(order=2)", "--model", "uniform", "--per", per, "--format")
    tsv = table(scored(words, *arguments, "tsv"))
    objects = [json.loads(line) for line in scored(words, *arguments, "jsonl").splitlines()]
    done = lmbench("score", words.folder, *arguments, "parquet", "-q")
    rows = parquet.read_table(io.BytesIO(done.stdout_bytes)).to_pylist()
    assert rows == objects
    assert [{name: "" if value is None else str(value) for name, value in row.items()} for row in rows] == tsv
    assert math.fsum(row["nats"] for row in rows if row["model"] == "uniform") == pytest.approx(14 * math.log(5))
    people = scored(words, *arguments, "text")
    assert "ngram(order=2)" in people
    if per in ("word", "token"):
        assert "zebra" in people


def test_sums_of_all_units_are_one_total(words: Run, text: Path) -> None:
    def total(per: str) -> float:
        rows = table(scored(words, text, "--model", "cache", "--per", per, "--format", "tsv"))
        return math.fsum(float(row["nats"]) for row in rows)

    totals = [total(per) for per in ("file", "document", "line", "word", "token")]
    assert totals == pytest.approx([totals[0]] * 5, rel=1e-12)


def test_a_pipe_of_lines_is_scored_as_the_file_is(words: Run, text: Path) -> None:
    for model in ("ngram(order=2)", "cache"):  # a cache is given its history in order
        for per in ("document", "word", "token"):
            arguments = ("--model", model, "--per", per, "--format", "tsv")
            of_file = table(scored(words, text, *arguments))
            piped = table(scored(words, "-", *arguments, stdin=text.read_text(encoding="utf-8")))
            empty = [row for row in piped if row["document"] == "3"]
            assert [(float(row["nats"]), row.get("tokens", "0")) for row in empty] == [(0.0, "0")]
            rest = [row | {"file": str(text)} for row in piped if row["document"] != "3"]
            assert len(rest) == len(of_file)
            for one, two in zip(rest, of_file, strict=True):
                assert float(one.pop("nats")) == pytest.approx(float(two.pop("nats")), rel=1e-12)
                assert {name: one[name] for name in ("document", "unknown")} == {
                    name: two[name] for name in ("document", "unknown")
                }


@pytest.mark.parametrize(
    "arguments", [("--per", "line", "--format", "jsonl"), ("--per", "document", "--format", "tsv"), ("--nbest",)]
)
def test_each_line_is_answered_before_the_next_is_read(words: Run, arguments: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "lmbench", "score", str(words.folder), "-", "--model", "ngram(order=2)", "-q"]
    process = subprocess.Popen(
        [*command, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        for line in ("1 ||| a b c ||| f=1", "2 ||| a zebra ||| f=2"):
            process.stdin.write(line + "\n")
            if "tsv" in arguments and line[0] == "1":
                assert process.stdout.readline().startswith("file\tdocument\t")
            assert process.stdout.readline().strip()  # hangs, up to the limit of the test, where nothing comes
        process.stdin.close()
        assert process.stdout.read() == ""
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_nbest_lists_are_rescored(words: Run, text: Path, tmp_path: Path) -> None:
    listed = tmp_path / "list.nbest"
    listed.write_text("".join(f"{n} ||| {line} ||| f={n} ||| -1.5\n" for n, line in enumerate(LINES)), encoding="utf-8")
    of_file = scored(words, listed, "--nbest", "--model", "ngram(order=2)")
    assert of_file == scored(words, "-", "--nbest", "--model", "ngram(order=2)", stdin=listed.read_text("utf-8"))
    rows = [line.split(" ||| ") for line in of_file.splitlines()]
    assert [row[:2] for row in rows] == [[str(n), line] for n, line in enumerate(LINES)]
    documents = table(scored(words, text, "--model", "ngram(order=2)", "--per", "document", "--format", "tsv"))
    found = [-float(row["nats"]) for row in documents]
    assert [float(row[2]) for row in rows if row[1]] == pytest.approx(found, abs=1e-6)
    both = scored(words, listed, "--nbest", "--model", "ngram(order=2)", "--model", "cache").splitlines()
    again = scored(words, "-", "--nbest", "--model", "cache", stdin="0 ||| zebra b c a ||| x\n")
    assert both[3].split()[-1] == again.split()[-1]  # no hypothesis is a history of another


def test_zero_probabilities_are_infinite_and_counted(words: Run, text: Path) -> None:
    rows = table(scored(words, text, "--model", "maximum_likelihood", "--per", "document", "--format", "tsv"))
    assert [row["nats"] == "inf" for row in rows] == [row["zero"] != "0" for row in rows]
    assert any(row["zero"] != "0" for row in rows)
    objects = scored(words, text, "--model", "maximum_likelihood", "--format", "jsonl")
    assert json.loads(objects)["nats"] is None
    assert "have probability zero" in scored(words, text, "--model", "maximum_likelihood")


def test_what_can_be_read_is_scored_and_the_rest_is_named(words: Run, text: Path, tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes("é b c\n".encode("latin-1") * 9)
    (tmp_path / "empty.txt").write_text("", encoding="utf-8")
    others = [tmp_path / "none.txt", tmp_path / "latin.txt", tmp_path / "empty.txt"]
    done = lmbench("score", words.folder, others[0], text, *others[1:], text, "--per", "file", "--format", "tsv", "-q")
    assert done.exit_code == 2
    assert [row["file"] for row in table(done.stdout)] == [str(text)] * 2
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    for line, says in zip(errors, ["none.txt", "--encoding", "empty"], strict=True):
        assert says in line
    read = lmbench("score", words.folder, tmp_path / "latin.txt", "--encoding", "latin-1", "-q")
    assert read.exit_code == 0, read.output


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "says"),
    [
        (("none.txt",), None, 2, "there is no file and no corpus 'none.txt'"),
        (("-", "--model", "nothing"), "a\n", 2, "this run has no model 'nothing'"),
        (("-", "--per", "document"), "", 1, "standard input: empty"),
        (("-", "--nbest"), "a b\n", 1, "line 1 is no 'id ||| text ||| ...'"),
        (("-", "--nbest", "--per", "word"), "a b\n", 2, "leave --per and --format out"),
        (("-", "--per", "document"), "a\0b\n", 1, "NUL byte"),
        (("-", "--per", "document", "--encoding", "ascii"), "né\n", 1, "not valid ascii"),
    ],
)
def test_what_cannot_be_scored(words: Run, arguments: tuple[str, ...], stdin: str | None, code: int, says: str) -> None:
    done = lmbench("score", words.folder, *arguments, "-q", stdin=stdin)
    assert done.exit_code == code, done.output
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert says in errors[0]


def test_the_run_may_be_left_out(words: Run, text: Path) -> None:
    out = ("--out", words.folder.parent, "--format", "tsv", "-q")
    for before in ((), ("latest",), (words.folder,), (words.folder.name,), ("train",)):
        done = lmbench("score", *before, text, text, *out)
        assert done.exit_code == 0, done.output
        assert [row["file"] for row in table(done.stdout)] == [str(text)] * 2
    done = lmbench("score", words.folder.name, *out)
    assert done.exit_code == 2
    assert "FILE... is missing" in done.stderr


def test_words_are_recomposed_from_any_tokens(small_run: Run, tmp_path: Path) -> None:
    """Of bytes: the words of the text, each with all its bytes and the white space before it."""
    path = tmp_path / "text.txt"
    path.write_text("né 猫である\non a\n", encoding="utf-8")
    rows = table(scored(small_run, path, "--model", "ngram(order=3)", "--per", "word", "--format", "tsv"))
    assert [(row["text"], int(row["tokens"])) for row in rows] == [
        ("né", 3), ("猫である", 13), ("on", 3), ("a", 2), ("", 2),
    ]  # fmt: skip
    lines = table(scored(small_run, path, "--model", "ngram(order=3)", "--per", "line", "--format", "tsv"))
    assert [int(row["tokens"]) for row in lines] == [17, 6]


def test_what_is_scored_again_has_the_figures_of_the_run(small_run: Run, small_text: Path, tmp_path: Path) -> None:
    test = tmp_path / "test.txt"
    tokens = store.read_record(small_run.folder).card.test.tokens
    from lmbench.pipeline import scored_tokens_of

    kept = scored_tokens_of(small_run.folder, small_run.record.card)
    assert len(kept) == tokens
    if len(kept.documents) == 1:
        test.write_text(kept.content(), encoding="utf-8")
        [row] = table(scored(small_run, test, "--model", "ngram(order=3)", "--format", "tsv"))
        of_run = store.find_row(small_run.record, "ngram(order=3)")
        assert float(row["nats_per_token"]) == of_run.nats_per_token
        assert (float(row["low"]), float(row["high"])) == of_run.ci95_nats_per_token
        assert float(row["bits_per_byte"]) == of_run.bits_per_byte


def test_counting_models_are_asked_without_torch(words: Run, text: Path) -> None:
    arguments = ["score", str(words.folder), str(text), "--model", "ngram(order=2)", "--per", "word", "-q"]
    code = f"""
import sys
sys.argv = ["lmbench", *{arguments!r}]
from lmbench.cli.main import main
try:
    main()
except SystemExit as stop:
    assert not stop.code
assert not {{"torch", "pyarrow", "datasets", "scipy", "matplotlib"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)
