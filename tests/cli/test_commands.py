from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from commands import lmbench

from lmbench import store
from lmbench.cli.main import commands
from lmbench.model import models
from lmbench.pipeline import Run
from lmbench.record import Record


def plain(text: str) -> str:
    """Help without colour, boxes and line breaks."""
    return " ".join(re.sub(r"\x1b\[[0-9;]*m|[│╭╮╰╯─]", " ", text).split())


def test_run_prints_the_table_and_keeps_the_run(small_text: Path, tmp_path: Path) -> None:
    done = lmbench(
        "run", small_text, "--tokenizer", "byte", "--model", "uniform", "--estimator", "zlib", "--out", tmp_path
    )
    assert done.exit_code == 0, done.output
    assert "bits/byte" in done.stdout
    assert "uniform" in done.stdout
    assert "Protocol" not in done.stdout
    [folder] = tmp_path.iterdir()
    assert f"kept in {folder}" in done.stderr
    assert store.read_record(folder).status == "complete"


def test_json_is_the_record_and_nothing_else(small_text: Path, tmp_path: Path) -> None:
    done = lmbench(
        "run",
        small_text,
        "--tokenizer",
        "byte",
        "--model",
        "uniform",
        "--estimator",
        "none",
        "--out",
        tmp_path,
        "--json",
    )
    record = Record.model_validate_json(done.stdout)
    assert record.rows[0].model == "uniform"
    assert record.entropy == []
    assert "uniform" in done.stderr


def test_quiet_leaves_only_where_the_run_is(small_text: Path, tmp_path: Path) -> None:
    done = lmbench(
        "run", small_text, "--tokenizer", "byte", "--model", "uniform", "--estimator", "none", "--out", tmp_path, "-q"
    )
    assert done.stderr.strip().startswith("kept in")


def test_standard_input_and_lines(tmp_path: Path) -> None:
    text = "".join(f"line {number} of many\n" for number in range(200))
    done = lmbench(
        "run", "-", "--lines", "--tokenizer", "byte", "--model", "uniform", "--estimator", "none", "--out", tmp_path,
        "--split", "80/10/10", "--json", stdin=text,
    )  # fmt: skip
    record = Record.model_validate_json(done.stdout)
    parts = record.card.train, record.card.valid, record.card.test
    assert sum(part.documents for part in parts) == 200
    assert sum(part.bytes for part in parts) == len(text)


def test_given_valid_and_test_texts(small_text: Path, tmp_path: Path) -> None:
    for name in ("valid", "test"):
        (tmp_path / name).write_text(f"the queen said {name} " * 30, encoding="utf-8")
    done = lmbench(
        "run", small_text, "--valid", tmp_path / "valid", "--test", tmp_path / "test", "--tokenizer", "byte",
        "--model", "uniform", "--estimator", "none", "--out", tmp_path / "out", "--json",
    )  # fmt: skip
    record = Record.model_validate_json(done.stdout)
    assert record.card.train.bytes == len(small_text.read_bytes())
    assert record.card.test.bytes == len("the queen said test " * 30)


def test_resume_stands_alone_and_a_finished_run_is_printed_again(small_run: Run) -> None:
    refused = lmbench("run", "--resume", small_run.folder, "--model", "uniform")
    assert refused.exit_code == 2
    assert refused.stderr.startswith("error: --model cannot stand beside --resume")
    assert lmbench("run", "other.txt", "--resume", small_run.folder).exit_code == 2
    done = lmbench("run", "--resume", small_run.folder)
    assert done.exit_code == 0
    assert "ngram(order=3)" in done.stdout


def test_report_prints_the_same_table_again(small_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "150")
    done = lmbench("report", small_run.folder.name, "--out", small_run.folder.parent)
    assert done.exit_code == 0
    assert "ngram(order=3)" in done.stdout
    assert Record.model_validate_json(lmbench("report", small_run.folder, "--json").stdout) == small_run.record
    (small_run.folder / "report.html").unlink()
    page = small_run.folder / "report.html"
    done = lmbench("report", small_run.folder, "--html", page)
    assert done.exit_code == 0, done.output
    assert done.stderr.startswith(f"wrote {page} (")
    assert page.exists()


def test_generate_continues_the_prompt_and_the_seed_decides(small_run: Run) -> None:
    common = ("generate", small_run.folder, "--prompt", "the que", "--tokens", "60")
    first = lmbench(*common, "--model", "order=3")
    assert first.exit_code == 0, first.output
    assert first.stdout.startswith("the que")
    assert first.stdout == lmbench(*common, "--model", "order=3").stdout
    assert first.stdout != lmbench(*common, "--model", "order=3", "--seed", "1").stdout
    assert lmbench(*common, "--model", "best", "--temperature", "0").stdout.startswith("the queen")


def test_generate_lists_the_models_there_are(small_run: Run) -> None:
    done = lmbench("generate", small_run.folder, "--model", "transformer")
    assert done.exit_code == 2
    assert "no model 'transformer'" in done.stderr
    assert "choose from uniform, ngram(order=3)" in done.stderr
    assert done.stderr.count("\n") == 1


def test_generate_says_which_part_of_the_prompt_it_does_not_know(tmp_path: Path) -> None:
    text = tmp_path / "words.txt"
    text.write_text("".join(f"the queen said {word}\n" for word in ("yes", "no", "off") * 40), encoding="utf-8")
    made = lmbench(
        "run", text, "--lines", "--tokenizer", "word", "--model", "ngram(order=2)", "--estimator", "none", "--out",
        tmp_path / "out",
    )  # fmt: skip
    assert made.exit_code == 0, made.output
    done = lmbench("generate", "latest", "--out", tmp_path / "out", "--prompt", "the zebra", "--tokens", "5")
    assert "1 of the prompt's 2 tokens are outside the vocabulary" in done.stderr
    assert done.stdout.startswith("the zebra ")


def test_compare_two_models_of_a_run(small_run: Run) -> None:
    done = lmbench("compare", small_run.folder, "uniform", "ngram(order=3)")
    assert done.exit_code == 0
    assert done.stdout.startswith("ngram(order=3) is better than uniform by ")
    report = json.loads(lmbench("compare", small_run.folder, "uniform", "ngram(order=3)", "--json").stdout)
    [found], rows = report["pairs"], small_run.record.rows
    assert (found["first"], found["second"]) == ("ngram(order=3)", "uniform")
    assert found["value"] == pytest.approx(rows[1].nats_per_token - rows[0].nats_per_token)  # type: ignore[operator]
    assert found["p_value_holm"] == found["p_value"] < 0.05
    assert found["decided"] is True
    assert found["unit"] == "nats/token"


def test_compare_refuses_what_is_infinite(small_run: Run) -> None:
    done = lmbench("compare", small_run.folder, "uniform", "maximum")
    assert done.exit_code == 2
    assert "infinitely far" in done.stderr


def test_runs_with_other_tokenizers_compare_per_byte_and_with_other_texts_not_at_all(
    small_run: Run, small_text: Path, tmp_path: Path
) -> None:
    common = ("--model", "uniform", "--estimator", "none", "--out")
    assert lmbench("run", small_text, "--tokenizer", "char", *common, tmp_path / "char").exit_code == 0
    [char] = (tmp_path / "char").iterdir()
    done = lmbench("compare", small_run.folder, char, "ngram(order=3)", "uniform")
    assert done.exit_code == 0, done.output
    assert "bits/byte" in done.stdout
    refused = lmbench("compare", small_run.folder, char, "--unit", "token")
    assert refused.exit_code == 2
    assert "cards differ in: tokenizer (byte / char)" in refused.stderr
    assert "compare with --unit byte" in refused.stderr
    (tmp_path / "b.txt").write_text("another text " * 500, encoding="utf-8")
    assert lmbench("run", tmp_path / "b.txt", "--tokenizer", "byte", *common, tmp_path / "other").exit_code == 0
    [other] = (tmp_path / "other").iterdir()
    done = lmbench("compare", small_run.folder, other, "uniform")
    assert done.exit_code == 2
    assert "cards differ in: test text" in done.stderr


@pytest.mark.parametrize("name", ["models", "tokenizers", "estimators", "smoothings", "corpora"])
def test_listings(name: str) -> None:
    done = lmbench(name)
    assert done.exit_code == 0
    content = json.loads(lmbench(name, "--json").stdout)
    assert content
    for item in content:
        assert item["name"] in done.stdout
    one = lmbench(name, content[0]["name"])
    assert one.exit_code == 0
    assert content[0]["name"] in one.stdout
    wrong = lmbench(name, "zzz")
    assert wrong.exit_code == 2
    assert content[0]["name"] in wrong.stderr


def test_listing_shows_options_defaults_and_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    text = lmbench("models").stdout
    for plugin in models:
        for option in plugin.options:
            assert f"    {option.name}=" in text
            assert option.help.split(".")[0] in text
    assert "order=5" in text
    assert "Spec(" not in text


def test_help_of_every_command_is_complete() -> None:
    """Every command says what it does; every parameter has help; what a spec is, is said where one is wanted."""
    front = plain(lmbench("--help").stdout)
    for module in commands():
        [name] = module.__all__
        text = plain(lmbench(name, "--help").stdout)
        summary = (getattr(module, name).__doc__ or "").split("\n")[0]
        assert summary in text
        assert summary.split(",")[0] in front
        assert "--debug" in text
    run = plain(lmbench("run", "--help").stdout)
    options = (
        "--valid --test --split --lines --encoding --errors --text-field --tokenizer --model --estimator --device "
        "--seed --train-seconds --train-tokens --out --resume --json --quiet"
    )
    for option in options.split():
        assert option in run
    assert "SPEC is name or name(option=value, ...)" in run


def test_version() -> None:
    assert re.fullmatch(r"lmbench \d+\.\d+\.\d+\n", lmbench("--version").stdout)


def test_damaged_model_is_named(small_run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(small_run.folder, folder)
    row = small_run.record.rows[0]
    (folder / row.folder / "uniform.json").write_text("{", encoding="ascii")
    done = lmbench("generate", folder, "--model", "uniform")
    assert done.exit_code == 1
    assert "uniform.json" in done.stderr
    assert done.stderr.count("\n") == 1
