from __future__ import annotations

import hashlib
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmbench.corpus import text as module
from lmbench.corpus.text import Text, characters_before, lines_of, text_of

SOME = st.text(alphabet="ab\n\r é猫😀", max_size=30)


@pytest.fixture(autouse=True)
def _small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WINDOW", 7)


def naive_lines(documents: list[str]) -> tuple[list[str], int]:
    lines, empty = [], 0
    for document in documents:
        if not document:
            continue
        pieces = re.split("\r\n|\r|\n", document)
        if pieces[-1] == "":
            pieces.pop()
        for piece in pieces:
            if piece:
                lines.append(piece)
            else:
                empty += 1
    return lines, empty


@given(st.lists(SOME, max_size=6))
def test_lines_are_those_of_a_plain_loop(documents: list[str]) -> None:
    text, empty, kinds = lines_of(text_of([document for document in documents if document]))
    expected, expected_empty = naive_lines(documents)
    assert [text.document(index) for index in range(len(text.starts))] == expected
    assert empty == expected_empty
    assert text.lines
    found = Counter(end for document in documents for end in re.findall("\r\n|\r|\n", document))
    assert kinds == {kind: found[end] for kind, end in (("LF", "\n"), ("CRLF", "\r\n"), ("CR", "\r")) if found[end]}


def test_lines_by_hand() -> None:
    text, empty, kinds = lines_of(text_of(["one\r\n\r\n\ntwo\rthree\u2028\x0b\x85still", "four\n"]))
    assert [text.document(index) for index in range(4)] == ["one", "two", "three\u2028\x0b\x85still", "four"]
    assert empty == 2
    assert kinds == {"LF": 2, "CRLF": 2, "CR": 1}
    # A newline is counted for each line, the last one of the file's two texts too.
    assert text.characters == len("one") + len("two") + len("three___still") + len("four") + 4


@given(st.lists(SOME.filter(bool), min_size=1, max_size=6))
def test_sizes_and_hash_leave_out_what_lies_between_documents(documents: list[str]) -> None:
    whole = text_of(documents)
    spread = "猫".join(documents).encode()
    starts, ends, at = [], [], 0
    for document in documents:
        starts.append(at)
        at += len(document.encode())
        ends.append(at)
        at += len("猫".encode())
    apart = Text(np.frombuffer(spread, np.uint8), np.array(starts, np.int64), np.array(ends, np.int64))
    assert apart.hash == whole.hash
    assert apart.bytes == whole.bytes == sum(len(document.encode()) for document in documents)
    assert apart.document_characters.tolist() == [len(document) for document in documents]
    assert b"".join(window.tobytes() for window in apart.contents()) == "".join(documents).encode()


def test_hash_tells_documents_from_one_another() -> None:
    assert text_of(["ab", "c"]).hash != text_of(["a", "bc"]).hash
    assert text_of(["ab"]).hash != text_of(["ab"], lines=True).hash
    assert len(text_of(["ab"]).hash) == len(hashlib.sha256().hexdigest())


@settings(max_examples=50)
@given(SOME, st.lists(st.integers(0, 100), max_size=30))
def test_characters_before(text: str, places: list[int]) -> None:
    data = text.encode()
    offsets = sorted({min(place, len(data)) for place in places})
    expected = [sum(byte & 0xC0 != 0x80 for byte in data[:offset]) for offset in offsets]
    assert characters_before(np.frombuffer(data, np.uint8), np.array(offsets, np.int64)).tolist() == expected


def test_no_documents() -> None:
    empty = text_of([])
    assert (empty.bytes, empty.characters, list(empty.contents())) == (0, 0, [])
    assert len(lines_of(empty)[0].starts) == 0
