"""What people type, and what they are told where it cannot be done."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from commands import APP as TYPER
from commands import lmbench
from typer.main import get_command

import lmbench as lmbench_
from lmbench import store
from lmbench.corpus.builtin.hmm import Hmm
from lmbench.entropy.lz78 import Lz78
from lmbench.invocation import command, install, python, requirement
from lmbench.pipeline import Run

APP = get_command(TYPER)


def test_an_error_in_a_spec_puts_a_mark_under_the_place() -> None:
    done = lmbench("run", "--model", "mixture(ngram(ordr=5), lstm)")
    assert done.exit_code == 2
    line, shown, mark = done.stderr.splitlines()
    assert line.startswith("error: model 'ngram' has no option 'ordr'; did you mean 'order'?")
    assert shown[mark.index("^") :].startswith("ordr=5), lstm)")


@pytest.mark.parametrize("name", sorted(APP.commands))
def test_an_option_that_takes_one_value_is_given_once_in_every_command(name: str) -> None:
    for option in APP.commands[name].params:
        word = max(option.opts, key=len)
        if option.param_type_name != "option" or option.multiple or option.is_flag:
            continue
        twice = [word, *["7"] * option.nargs] * 2
        done = lmbench(name, *twice)
        assert done.exit_code == 2
        assert done.stderr == f"error: {word} is given twice, and takes one value: give it once\n"
    assert lmbench(name, "--debug", "--debug", "--help").exit_code == 0


def test_an_option_that_may_be_repeated_is_no_mistake(small_run: Run) -> None:
    words = ("bounds", small_run.folder, "--model", "order=3", "--model", "uniform", "--positions", "20", "-q", "-q")
    done = lmbench(*words, "--contexts", "0")
    assert done.exit_code == 0, done.output


def test_run_may_be_left_out_of_every_command_that_has_it(small_run: Run, tmp_path: Path) -> None:
    (tmp_path / "latest").mkdir()  # no folder of that name is meant
    text = tmp_path / "some.txt"
    text.write_text("the queen said", encoding="utf-8")
    packed = tmp_path / "some.lmz"
    arguments: dict[str, tuple[str | Path, ...]] = {
        "count": ("the queen", "--top", "1"), "export": ("arpa", "order=3"), "generate": ("--tokens", "3"),
        "overlap": ("--top", "1", text), "bounds": ("--positions", "5", "--contexts", "0"),
        "score": (text, "--model", "uniform", "--format", "tsv"), "show": (), "predict": ("the queen", "--top", "2"),
        "compress": (text, "--model", "uniform", "-o", packed, "-q"), "decompress": (packed, "-o", tmp_path / "o"),
    }  # fmt: skip
    having = {
        name: parameter.required
        for name, command in APP.commands.items()
        for parameter in command.params
        if parameter.param_type_name == "argument" and parameter.name == "run"
    }
    named = [name for name, required in having.items() if required]
    assert named == ["rm", "trust"]  # what is removed, and what consent is given to, is named
    assert having.keys() - set(named) - {"play"} == set(arguments)  # play wants a terminal: test_play.py
    for name, words in arguments.items():
        last = (tmp_path / "x.arpa",) if name == "export" else ()
        place = 1 if name == "export" else 0
        common = (*last, "--out", small_run.folder.parent)
        without = lmbench(name, *words, *common)
        assert without.exit_code == 0, without.output
        with_run = lmbench(name, *words[:place], small_run.folder.name, *words[place:], *common)
        assert without.stdout == with_run.stdout
    missing = lmbench("count", "--out", small_run.folder.parent)
    assert missing.exit_code == 2
    assert "TEXT" in missing.stderr


def test_a_run_alone_is_not_taken_for_what_comes_after_it(small_run: Run, tmp_path: Path) -> None:
    out = ("--out", small_run.folder.parent)
    arguments: dict[str, tuple[list[str], list[str], str]] = {
        "count": ([], [], "TEXT"), "overlap": ([], [], "FILE"), "score": ([], [], "FILE..."),
        "export": (["arpa"], [str(tmp_path / "x.arpa")], "FILE"),
    }  # fmt: skip
    for name, (before, after, missing) in arguments.items():
        for run in ("latest", small_run.folder.name, str(small_run.folder)):
            done = lmbench(name, *before, run, *after, *out)
            assert done.exit_code == 2
            assert done.stderr.startswith(f"error: {missing} is missing: {run!r} names a run here, and RUN ")
            assert done.stderr.count("\n") == 1
    for words in (("latest", "latest"), (small_run.folder.name[:9],), ("a" * 300,)):  # a part of a name is a text
        done = lmbench("count", *words, *out, "--json")
        assert json.loads(done.stdout)["phrase"] == words[-1]


def test_a_file_whose_name_begins_with_a_dash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("-name.txt", "-x"):
        (tmp_path / name).write_text(f"the queen said {name} " * 40, encoding="utf-8")
    common = ("--tokenizer", "byte", "--model", "uniform", "--estimator", "none", "--out=-out", "-q")
    for words in (("--valid=-x", "./-name.txt"), ("--valid", "-x", "--", "-name.txt")):
        done = lmbench("run", *common, *words)
        assert done.exit_code == 0, done.output
    done = lmbench("run", "-name.txt", *common)
    assert done.exit_code == 2
    start = "error: -name.txt is taken for an option; for the file of that name: lmbench "
    assert done.stderr.startswith(start)
    assert lmbench(*shlex.split(done.stderr.removeprefix(start))).exit_code == 0
    assert "No such option" in lmbench("run", "--lin").stderr
    near = lmbench("run", "--", "-nam.txt").stderr
    assert "did you mean './-name.txt'" in near
    piped = lmbench("run", "-", *common, "--json", stdin="the queen said " * 60)
    assert json.loads(piped.stdout)["plan"]["source"] == "-"


def test_a_command_that_a_message_names_works_as_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("the queen said off with his head " * 90, encoding="utf-8")
    for out in ("-results", "two words"):
        line = lmbench("report", f"--out={out}").stderr
        words = shlex.split(line.partition("make one with: lmbench ")[2])
        quick = ("a.txt", "--tokenizer", "byte", "--model", "uniform", "--estimator", "none", "-q")
        assert lmbench(*words, *quick).exit_code == 0
        assert lmbench("report", f"--out={out}").exit_code == 0
        stopped = lmbench("guess", "a.txt", "--length", "2", f"--out={out}-games", stdin="?\n").stderr
        words = shlex.split(stopped.partition("go on with: lmbench ")[2])
        assert lmbench(*words, stdin="?\n").exit_code == 0
    assert command("report", out=Path("results")) == "lmbench report"


def test_the_program_is_called_as_it_was_called(tmp_path: Path) -> None:
    script = tmp_path / "lmbench"
    script.write_text(f"#!{sys.executable}\nfrom lmbench.cli.main import main\nmain()\n", encoding="utf-8")
    script.chmod(0o755)
    where = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    on_path = {**where, "PATH": f"{tmp_path}{os.pathsep}{where['PATH']}"}
    for called, environment, shown in (
        ([str(script)], where, [shlex.join([str(script)])]),
        (["lmbench"], on_path, ["lmbench"]),
        # a name or a path, which depends on the folder that it is called in
        ([sys.executable, "-m", "lmbench"], where, [f"{each} -m lmbench" for each in (python(), sys.executable)]),
    ):
        done = subprocess.run(
            [*called, "report"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.stderr.endswith(tuple(f"make one with: {each} run\n" for each in shown))


def test_an_install_hint_names_what_pip_takes_from_a_checkout_and_from_a_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert requirement("pyppmd") == "pyppmd>=1.1"
    assert shlex.split(install("pyppmd", "brotli"))[-2:] == ["pyppmd>=1.1", "brotli>=1.1"]
    package = tmp_path / "site" / "lmbench"
    package.mkdir(parents=True)
    monkeypatch.setattr("lmbench.invocation.__file__", str(package / "invocation.py"))
    told = ['transformers>=4.56; extra == "hub"', "numpy>=1.26"]
    monkeypatch.setattr("importlib.metadata.requires", lambda _: told)
    assert requirement("transformers") == "transformers>=4.56"
    assert requirement("numpy") == "numpy>=1.26"
    assert requirement("unheard") == "unheard"


def test_no_message_tells_to_install_lmbench_from_an_index() -> None:
    package = Path(lmbench_.__file__).parent
    named = [path.name for path in package.rglob("*.py") if re.search(r"install\W+lmbench\[", path.read_text("utf-8"))]
    assert named == []


def test_a_split_is_checked_before_the_text_is_read_and_its_errors_name_the_file(tmp_path: Path) -> None:
    for name in ("run", "guess", "entropy"):
        done = lmbench(name, tmp_path / "none.txt", "--split", "90/20")
        assert done.stderr == "error: --split '90/20': the parts must be more than 0 and add up to 100\n"
    short = tmp_path / "short.txt"
    short.write_text("a", encoding="utf-8")
    for name in ("run", "guess"):
        assert re.match(rf"error: {re.escape(str(short))}: the \w+ split would be empty", lmbench(name, short).stderr)


@pytest.mark.parametrize("stopped", ["print_report", "run_page"])
def test_ctrl_c_says_what_is_kept_even_when_all_is(
    stopped: str, small_text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any) -> Any:
        raise KeyboardInterrupt

    where = "lmbench.report.screen" if stopped == "print_report" else "lmbench.pipeline.work"
    monkeypatch.setattr(f"{where}.{stopped}", stop)
    done = lmbench(
        "run", small_text, "--tokenizer", "byte", "--model", "uniform", "--estimator", "none", "--out", tmp_path, "-q"
    )
    assert done.exit_code == 1
    [folder] = tmp_path.iterdir()
    line = done.stderr.splitlines()[-1]
    if stopped == "run_page":
        assert line == f"error: interrupted; all of it is kept in {folder}; show it with: lmbench report {folder}"
    else:
        assert line.startswith("error: interrupted; ")
        kept = dict(re.findall(r"kept in (\S+): ([^;]+)", line))
        assert {"record.json", "report.html"} <= set(kept[str(folder)].split(", "))
    assert store.read_record(folder).status == "complete"


def test_ctrl_c_after_an_export_or_a_measurement(
    small_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("lmbench.counts.arpa.write_arpa", stop)
    target = tmp_path / "x.arpa"
    done = lmbench("export", "arpa", small_run.folder, "order=3", target)
    assert done.stderr == "error: interrupted; no file was written\n"
    monkeypatch.setattr("lmbench.report.screen.print_report", stop)
    done = lmbench("entropy", "--run", small_run.folder, "--estimator", "zlib", "-q")
    assert done.stderr.startswith(f"error: interrupted; kept in {small_run.folder}: entropy.json")
    for path in small_run.folder.glob("entropy*"):
        path.unlink()


def test_a_calibration_that_was_stopped_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    estimate = Lz78.estimate
    monkeypatch.setattr(Hmm, "entropy_rate", lambda _: (1.0, 0.1))  # takes its time

    def third(self: Any, *rest: Any) -> Any:
        calls.append(1)
        if len(calls) == 10:
            raise KeyboardInterrupt
        return estimate(self, *rest)

    words = ("entropy", "--calibrate", "--estimator", "lz78", "--sizes", "200,300", "--samples", "2", "-q")
    whole = lmbench(*words, "--out", tmp_path / "whole", "--json")
    assert whole.exit_code == 0, whole.output
    monkeypatch.setattr(Lz78, "estimate", third)
    out = tmp_path / "a b"
    stopped = lmbench(*words, "--out", out)
    part = out / "calibration.part.jsonl"
    start = f"error: interrupted; 9 of 28 estimates are kept in {part}; go on with: lmbench "
    assert stopped.stderr.startswith(start)
    with part.open("a", encoding="utf-8") as handle:
        handle.write('{"key": ["iid", 2')  # a process that was killed
    again = lmbench(*shlex.split(stopped.stderr.removeprefix(start)), "--json")
    assert again.exit_code == 0, again.output
    assert "note: 9 of 28 estimates are taken from" in again.stderr
    assert len(calls) == 10 + 19
    timeless = [[{**row, "seconds": 0} for row in json.loads(done.stdout)["rows"]] for done in (whole, again)]
    assert timeless[0] == timeless[1]
    assert not part.exists()
    part.write_text('{"versions": {}}\n', encoding="utf-8")
    assert "begun anew" in lmbench(*words, "--out", out).stderr
