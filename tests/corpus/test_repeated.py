from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmbench.corpus.repeated import holds, repeated
from lmbench.corpus.text import lines_of, text_of

DOCUMENTS = st.lists(st.text(alphabet="aé猫", max_size=3), max_size=8)


@settings(max_examples=150)
@given(DOCUMENTS, DOCUMENTS, DOCUMENTS)
def test_shares_are_those_of_a_search(first: list[str], second: list[str], part: list[str]) -> None:
    found = repeated([text_of(first), text_of(second)], text_of(part))
    hit = [document in first + second for document in part]
    assert found.documents == pytest.approx(sum(hit) / max(1, len(part)))
    inside = sum(len(document) for document, yes in zip(part, hit, strict=True) if yes)
    assert found.characters == pytest.approx(inside / max(1, sum(map(len, part))))


def test_lines_by_hand() -> None:
    train = lines_of(text_of(["one\ntwo\r\nthree\n"]))[0]
    part = lines_of(text_of(["two\nfour\nthree, and\n"]))[0]
    assert repeated([train], part) == (1 / 3, 4 / 20)


def test_a_file_is_known_by_every_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    file = folder / "a.txt"
    file.write_text("a", encoding="utf-8")
    (tmp_path / "link").symlink_to(file)
    os.link(file, tmp_path / "same inode")
    (tmp_path / "copy").write_text("a", encoding="utf-8")
    monkeypatch.chdir(folder)
    for other in ("a.txt", "../folder/a.txt", str(file), "../link", "../same inode"):
        assert holds("a.txt", other)
        assert holds(str(tmp_path / "link"), other)
    for other in ("../copy", "..", "-", "none.txt", "hf:a/b", "a\0", "a" * 999):
        assert not holds("a.txt", other)
    assert holds("..", "a.txt")
    assert holds("..", "../link")
    assert not holds(".", "../copy")
