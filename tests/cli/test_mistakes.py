"""What goes wrong is said in one line that names the place and the remedy; what was done until then is kept."""

from __future__ import annotations

import contextlib
import errno
import json
from pathlib import Path
from typing import Any

import click
import pytest
import typer
from commands import APP, lmbench

from lmbench import machine, store
from lmbench.cli.main import unfolded
from lmbench.entropy.zlib import Zlib
from lmbench.errors import LmbenchError
from lmbench.pipeline import Run

COMMANDS = typer.main.get_command(APP).commands  # type: ignore[attr-defined]


def options(command: str) -> set[str]:
    return {name for parameter in COMMANDS[command].params for name in parameter.opts}


def error(*arguments: str | Path) -> tuple[int, str]:
    done = lmbench(*arguments)
    lines = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(lines) == 1, done.output
    return done.exit_code, lines[0]


@pytest.mark.parametrize("command", ["run", "entropy", "structure", "guess", "overlap", "shannon", "segment"])
def test_every_command_that_reads_a_text_can_be_told_how(command: str) -> None:
    assert {"--encoding", "--errors", "--text-field"} <= options(command)


@pytest.mark.parametrize("command", ["run", "generate", "bounds", "guess"])
def test_devices_are_the_same_everywhere(command: str) -> None:
    done = lmbench(command, "--device", "gpu")
    assert done.exit_code == 2
    assert "'cpu'" in done.stderr


def test_paragraphs_of_a_help_are_broken_by_the_terminal() -> None:
    assert unfolded("One\n    two.\n\n    Three\n    four.\n\n      lmbench run\n    ") == (
        "One two.\n\nThree four.\n\n  lmbench run"
    )
    for command in COMMANDS.values():
        assert isinstance(command, click.Command) or hasattr(command, "help")
        for paragraph in command.help.split("\n\n"):
            assert "\n" not in paragraph


def test_a_text_in_shift_jis_can_be_guessed_and_overlapped(small_run: Run, tmp_path: Path) -> None:
    path = tmp_path / "sjis.txt"
    path.write_bytes(("三四郎は京都でちょっと用があって降りたついでに。" * 40).encode("shift_jis"))
    code, line = error("guess", path, "--out", tmp_path / "games")
    assert code == 1
    assert "--encoding shift_jis" in line
    done = lmbench(
        "guess", path, "--encoding", "shift_jis", "--length", "2", "--out", tmp_path / "games", stdin="三\n?\n?\n"
    )
    assert done.exit_code == 0, done.output
    done = lmbench("overlap", small_run.folder, path, "--encoding", "shift_jis", "--json", "-q")
    assert json.loads(done.stdout)["size"] == len("三四郎は京都でちょっと用があって降りたついでに。" * 40) * 3


def test_where_a_file_stands_in_the_way_it_is_named(small_run: Run, small_text: Path, tmp_path: Path) -> None:
    file = tmp_path / "afile"
    file.touch()
    for command in (
        ("run", small_text, "--tokenizer", "byte", "--model", "uniform", "--estimator", "none", "--out", file / "x"),
        ("guess", small_text, "--length", "3", "--out", file),
    ):
        code, line = error(*command)
        assert code == 1
        assert line.startswith(f"error: {file} is a file, not a folder")
    _, line = error("export", "arpa", small_run.folder, "ngram(order=3)", tmp_path)
    assert line == f"error: {tmp_path}: Is a directory"


def test_names_of_models(small_run: Run) -> None:
    assert "did you mean 'ngram'?" in error("generate", small_run.folder, "--model", "ngrm")[1]
    assert "give more of the one you mean" in error("generate", small_run.folder, "--model", "ngram")[1]
    code, line = error("compare", small_run.folder, "best", "ngram(order=3)")
    assert code == 2
    assert "both models are ngram(order=3) of one run" in line
    assert 'order must be a whole number, not "5"' in error("run", "--model", "ngram(order='5')")[1]


def test_a_file_whose_words_are_not_the_runs_cannot_be_exported_again(small_text: Path, tmp_path: Path) -> None:
    path = tmp_path / "few.arpa"
    path.write_text(
        "# tokens: byte_to_unicode\n\\data\\\nngram 1=4\n\n\\1-grams:\n-0.6\t<unk>\n-99\t<s>\n-0.6\t</s>\n-0.3\te\n\n"
        "\\end\\\n",
        encoding="utf-8",
    )
    words = ["run", small_text, "--tokenizer", "byte", "--model", f"arpa('{path}')", "--estimator", "none"]
    done = lmbench(*words, "--out", tmp_path, "-q")
    assert done.exit_code == 0, done.output
    code, line = error("export", "arpa", "latest", "arpa", tmp_path / "again.arpa", "--out", tmp_path)
    assert code == 2
    assert "several tokens of this run have no word in its file and share <unk>" in line
    assert not (tmp_path / "again.arpa").exists()


def test_ctrl_c_keeps_what_was_estimated(
    small_run: Run, small_text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(Zlib, "estimate", stop)
    common = ("--estimator", "lz78", "--estimator", "zlib", "-q")
    code, line = error("entropy", small_text, *common, "--out", tmp_path)
    assert code == 1
    [folder] = tmp_path.iterdir()
    assert line == f"error: interrupted; what had been estimated is kept in {folder} (entropy.json, entropy.html)"
    kept = json.loads((folder / "entropy.json").read_text(encoding="utf-8"))
    assert kept["status"] == "interrupted"
    assert [each["estimator"] for each in kept["entropy"]] == ["LZ78 (char)"]
    assert (folder / "entropy.html").exists()

    (small_run.folder / "entropy.json").write_text("a whole panel", encoding="utf-8")
    assert error("entropy", "--run", small_run.folder, *common)[1] == "error: interrupted; no file was written"
    assert (small_run.folder / "entropy.json").read_text(encoding="utf-8") == "a whole panel"
    (small_run.folder / "entropy.json").unlink()


def test_ctrl_c_keeps_the_games_that_were_played(
    small_text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import lmbench.pipeline.bounds as games

    done = lmbench(
        "run", small_text, "--tokenizer", "char", "--model", "ngram(order=1)", "--model", "ngram(order=2)",
        "--estimator", "none", "--out", tmp_path, "-q",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    whole = games.play

    def first_only(folder: Path, record: Any, rows: Any, *rest: Any) -> Any:
        if rows[0].model != "ngram(order=1)":
            raise KeyboardInterrupt
        return whole(folder, record, rows, *rest)

    monkeypatch.setattr(games, "play", first_only)
    code, line = error("bounds", "--positions", "50", "--contexts", "0,1", "--out", tmp_path, "-q")
    assert code == 1
    assert "interrupted; 1 of 2 games are kept in" in line
    record = store.read_record(store.find_run("latest", tmp_path))
    assert [game.model for game in record.shannon] == ["ngram(order=1)"]


def test_a_full_disk_is_named_with_the_file_that_did_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "x.json"

    def half_written() -> None:
        with store.atomic(path) as handle:
            handle.write(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left") as raised:
        half_written()
    assert machine.reason(raised.value).startswith(f"{path}: No space left on device; free some space")
    assert list(tmp_path.iterdir()) == []
    with contextlib.suppress(RuntimeError), store.removed_if_empty(tmp_path / "new"):
        (tmp_path / "new").mkdir()
        raise RuntimeError
    assert not (tmp_path / "new").exists()


def test_a_library_that_finds_the_disk_full_is_understood_in_the_middle_of_a_run(
    small_text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lmbench.model.ngram import Ngram

    def full(*_: Any) -> None:
        raise RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(Ngram, "save", full)
    code, line = error(
        "run", small_text, "--tokenizer", "byte", "--model", "uniform", "--model", "ngram(order=2)", "--estimator",
        "none", "--out", tmp_path, "-q",
    )  # fmt: skip
    assert code == 1
    assert "No space left on device; free some space, or give --out another disk" in line
    assert str(tmp_path) in line.split("No space")[0]
    assert "1 of 2 models are kept in" in line
    assert "lmbench run --resume" in line


def test_make_folder_says_which_part_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(LmbenchError, match="a is a file"):
        store.make_folder(tmp_path / "a" / "b" / "c")
