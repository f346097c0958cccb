"""Each mistake gets one line that names the thing and the remedy, exit code 1 or 2, and no traceback."""

from __future__ import annotations

import contextlib
import gzip
import os
import pty
import resource
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from commands import lmbench
from typer.testing import Result

from lmbench import store
from lmbench.errors import UsageError
from lmbench.invocation import python

LMBENCH = [sys.executable, "-m", "lmbench"]
QUICK = ("--tokenizer", "byte", "--model", "uniform", "--estimator", "none")


def run(*arguments: str | Path, cwd: Path) -> Result:
    """lmbench in this process, with `cwd` as its working directory."""
    with contextlib.chdir(cwd):
        return lmbench(*arguments)


def one_line(done: Result, code: int, *says: str) -> None:
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert done.exit_code == code, done.output
    assert len(errors) == 1, done.stderr
    assert "Traceback" not in done.stderr
    for part in says:
        assert part in errors[0]


def text(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("name", "content", "code", "says"),
    [
        ("none.txt", None, 2, ("none.txt",)),
        ("empty.txt", b"", 1, ("empty.txt", "empty")),
        ("binary.bin", bytes(range(256)) * 20, 1, ("binary.bin",)),
        ("latin.txt", "Grüße aus Köln\n".encode("latin-1") * 50, 1, ("latin.txt", "offset 2", "--encoding")),
        ("short.txt", b"a", 1, ("split would be empty", "longer text")),
        ("cut.txt.gz", gzip.compress(b"the queen said off " * 99)[:-9], 1, ("cut.txt.gz",)),
    ],
)
def test_files(name: str, content: bytes | None, code: int, says: tuple[str, ...], tmp_path: Path) -> None:
    if content is not None:
        text(tmp_path / name, content)
    one_line(run("run", name, *QUICK, cwd=tmp_path), code, *says)
    assert not (tmp_path / "results").exists()


def test_one_symbol_is_a_text_like_any_other(tmp_path: Path) -> None:
    text(tmp_path / "a.txt", "a" * 5000)
    done = run("run", "a.txt", "--tokenizer", "byte", "--model", "ngram(order=3)", "--model", "uniform", cwd=tmp_path)
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--model", "ngramm"), ("no model 'ngramm'", "did you mean 'ngram'")),
        (("--model", "ngram(ordr=3)"), ("no option 'ordr'", "did you mean 'order'")),
        (("--model", "ngram(order=3"), ("cannot read", "column")),
        (("--tokenizer", "bep"), ("no tokenizer 'bep'", "did you mean 'bpe'")),
        (("--estimator", "zib"), ("no estimator 'zib'", "did you mean 'zlib'")),
        (("--split", "90/20", *QUICK), ("90/20", "add up to 100")),
        (("--train-seconds", "0"), ("--train-seconds must be more than 0",)),
        (("--train-seconds", "inf"), ("--train-seconds must be more than 0 and finite",)),
        (("--train-flops", "inf"), ("--train-flops must be more than 0 and finite",)),
        (("--resume", "nothing"), ("no run 'nothing'",)),
    ],
)
def test_commands(arguments: tuple[str, ...], says: tuple[str, ...], tmp_path: Path) -> None:
    source = text(tmp_path / "a.txt", "the queen said off with his head " * 40)
    given = () if "--resume" in arguments else (source,)
    one_line(run("run", *given, *arguments, cwd=tmp_path), 2, *says)
    assert not (tmp_path / "results").exists()


def test_gpu_where_there_is_none(tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    source = text(tmp_path / "a.txt", "the queen said off with his head " * 40)
    one_line(run("run", source, *QUICK, "--device", "cuda", cwd=tmp_path), 2, "no GPU", "--device cpu")


def test_debug_raises_the_error_itself(tmp_path: Path) -> None:
    done = run("run", "none.txt", *QUICK, "--debug", cwd=tmp_path)
    assert isinstance(done.exception, UsageError)


@pytest.mark.parametrize("limit", [2_000, 60_000])  # bytes: in the cache, and in the run's own folder
def test_full_disk_names_the_remedy_and_keeps_what_is_whole(
    tmp_path: Path, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file may grow beyond `limit`, which is what a full disk looks like from inside."""
    source = text(tmp_path / "a.txt", "the queen said off with his head, or hers " * 2000)
    options = ("--tokenizer", "byte", "--model", "uniform", "--model", "ngram(order=9)", "--estimator", "none")
    monkeypatch.setenv("LMBENCH_CACHE", str(tmp_path / "cache"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        done = run("run", source, *options, cwd=tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    one_line(done, 1, "free some space")
    for record in (tmp_path / "results").glob("*/record.json"):
        assert store.read_record(record.parent).status == "interrupted"
    assert [path for path in tmp_path.rglob(".*.part") if path.is_file()] == []


def test_place_that_may_not_be_written_to(tmp_path: Path) -> None:
    source = text(tmp_path / "a.txt", "the queen said off with his head " * 40)
    one_line(run("run", source, *QUICK, "--out", source, cwd=tmp_path), 1, "a.txt", "not a folder", "--out")


def test_ctrl_c_in_the_middle_of_training_keeps_and_resumes(tmp_path: Path) -> None:
    """At a real terminal: the bar shows the loss, Ctrl-C comes, what was learnt is in the checkpoint."""
    source = text(tmp_path / "a.txt", "the queen said off with his head, or hers, and the king nodded " * 400)
    command = [
        *LMBENCH, "run", str(source), "--tokenizer", "byte", "--model", "uniform", "--model",
        "transformer(layers=1, width=16, context=16)", "--estimator", "none", "--train-tokens", "300000",
    ]  # fmt: skip
    master, slave = pty.openpty()
    process = subprocess.Popen(command, cwd=tmp_path, env=os.environ | {"OMP_NUM_THREADS": "1"}, stderr=slave)
    os.close(slave)
    seen = b""
    while b"loss" not in seen:
        seen += os.read(master, 4096)
    process.send_signal(signal.SIGINT)
    errors = seen.decode(errors="replace")
    with contextlib.suppress(OSError):  # the terminal's end
        while piece := os.read(master, 4096):
            errors += piece.decode(errors="replace")
    os.close(master)
    assert process.wait(timeout=60) == 1
    assert "Traceback" not in errors
    assert "error: interrupted; 1 of 2 models are kept in results/" in errors
    started, _, resume = errors.partition("go on with: ")[2].strip().partition(" run --resume ")
    program, *rest = shlex.split(started)  # as it was called, by a name or a path
    assert rest == ["-m", "lmbench"]
    assert program in (python(), sys.executable)
    [folder] = (tmp_path / "results").iterdir()
    record = store.read_record(folder)
    assert [row.model for row in record.rows] == ["uniform"]
    assert record.status == "interrupted"
    assert list((folder / "checkpoints").glob("*/*"))

    done = run("run", "--resume", *shlex.split(resume), cwd=tmp_path)
    assert done.exit_code == 0, done.output
    record = store.read_record(folder)
    assert record.status == "complete"
    assert record.rows[1].nats_per_token < 3  # type: ignore[operator]
    assert not (folder / "checkpoints").exists()


def test_names_are_utf_8_where_the_locale_is_ascii(tmp_path: Path) -> None:
    (tmp_path / "三四郎").mkdir()
    text(tmp_path / "三四郎" / "一.txt", "the queen said off with his head " * 40)
    names = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONPATH": str(Path.cwd())}
    names.pop("PYTHONIOENCODING", None)

    def started(*words: str | bytes) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([*LMBENCH, *words], cwd=tmp_path, env=names, capture_output=True, check=False, timeout=60)

    done = started("run", "三四郎", *QUICK, "-q")
    assert done.returncode == 0, done.stderr
    assert rb"corpus     \u4e09\u56db\u90ce" in done.stdout
    [folder] = (tmp_path / "results").iterdir()
    assert "三四郎" in folder.name
    assert store.read_record(folder).plan["source"] == str(tmp_path / "三四郎")
    done = started("report", b"\xff")
    assert done.returncode == 2
    assert done.stderr == b"error: \\xff on the command line is not text in utf-8; rename the file\n"


def test_two_runs_at_once_have_a_folder_each(tmp_path: Path) -> None:
    source = text(tmp_path / "a.txt", "the queen said off with his head " * 400)
    command = [*LMBENCH, "run", str(source), *QUICK, "-q"]
    both = [subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    for process in both:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    folders = sorted((tmp_path / "results").iterdir())
    assert len(folders) == 2
    assert all(store.read_record(folder).status == "complete" for folder in folders)


def test_reader_that_has_seen_enough(tmp_path: Path) -> None:
    command = f"{sys.executable} -m lmbench models | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_damaged_record_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "2026-01-01-x-00000000"
    folder.mkdir(parents=True)
    text(folder / "record.json", '{"format": 1, "status": ')
    for command in (("report",), ("generate",), ("run", "--resume", "latest")):
        one_line(run(*command, cwd=tmp_path), 1, "record.json", "not a whole record")
