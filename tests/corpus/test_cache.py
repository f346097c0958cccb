from __future__ import annotations

import errno
import json
import multiprocessing
import os
import time
from pathlib import Path

import pytest

from lmbench.corpus.cache import cached, default_cache
from lmbench.errors import LmbenchError


def build(folder: Path) -> None:
    (folder / "deep").mkdir()
    (folder / "deep" / "a").write_bytes(b"content")


def load(folder: Path) -> bytes:
    return (folder / "deep" / "a").read_bytes()


def refuse(folder: Path) -> None:
    raise AssertionError("built again")


def test_an_entry_is_built_once(tmp_path: Path) -> None:
    assert cached(tmp_path / "new" / "room", "k", build, load) == b"content"
    assert cached(tmp_path / "new" / "room", "k", refuse, load) == b"content"
    assert [path.name for path in (tmp_path / "new" / "room").iterdir()] == ["k"]


@pytest.mark.parametrize("damage", [b"contend", b"conten", b"", None])
def test_damage_is_found_and_mended(tmp_path: Path, damage: bytes | None) -> None:
    cached(tmp_path, "k", build, load)
    file = tmp_path / "k" / "deep" / "a"
    if damage is None:
        file.unlink()
    else:
        file.write_bytes(damage)
    assert cached(tmp_path, "k", build, load) == b"content"
    assert [path.name for path in tmp_path.iterdir()] == ["k"]


def test_a_damaged_index_is_mended(tmp_path: Path) -> None:
    cached(tmp_path, "k", build, load)
    for content in ("", "{", "[1]", json.dumps({"gone": [1, 2]})):
        (tmp_path / "k" / "entry.json").write_text(content)
        assert cached(tmp_path, "k", build, load) == b"content"


def test_a_failed_build_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        build(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached(tmp_path, "k", fail, load)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES])
def test_a_full_or_forbidden_disk_is_one_line_with_the_remedy(tmp_path: Path, number: int) -> None:
    def fail(folder: Path) -> None:
        raise OSError(number, os.strerror(number))

    with pytest.raises(LmbenchError, match="point LMBENCH_CACHE at another"):
        cached(tmp_path, "k", fail, load)


def test_a_file_where_the_cache_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LmbenchError, match="cannot write the cache"):
        cached(tmp_path / "file", "k", build, load)


def test_what_a_killed_process_left_is_swept_after_a_day(tmp_path: Path) -> None:
    old, young = tmp_path / ".making-old", tmp_path / ".making-young"
    old.mkdir()
    young.mkdir()
    past = time.time() - 2 * 24 * 3600
    os.utime(old, (past, past))
    cached(tmp_path, "k", build, load)
    assert not old.exists()
    assert young.exists()


def _race(folder: Path, start: object, results: object) -> None:
    def slow(target: Path) -> None:
        build(target)
        time.sleep(0.2)

    start.wait()  # type: ignore[attr-defined]
    results.put(cached(folder, "k", slow, load))  # type: ignore[attr-defined]


def test_processes_that_build_at_once_all_end_well(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    start, results = context.Event(), context.Queue()
    workers = [context.Process(target=_race, args=(tmp_path, start, results)) for _ in range(3)]
    for worker in workers:
        worker.start()
    start.set()
    assert [results.get(timeout=60) for _ in workers] == [b"content"] * 3
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["k"]


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LMBENCH_CACHE", "/a")
    assert default_cache() == Path("/a")
    monkeypatch.delenv("LMBENCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/b")
    assert default_cache() == Path("/b/lmbench")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache() == Path("~/.cache/lmbench").expanduser()
