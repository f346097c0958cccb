"""Fields inside objects and lists, and the ends of lines, in files that hold records."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from lmbench.corpus import Corpus, open_source
from lmbench.corpus.reader.jsonl import MISSING, _lines, walk
from lmbench.errors import LmbenchError

RECORD = {
    "doc": {"text": "inside", "parts": [{"text": "first"}, {"text": "second"}], "none": None, "n": 1},
    "a.b": "dotted",
    "a": {"b": "nested", "c": "other"},
    "x.y": {"z": "long"},
    "grid": [["0 0", "0 1"]],
}


def texts(corpus: Corpus) -> list[str]:
    return [corpus.text.document(index) for index in range(len(corpus.text.starts))]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("doc.text", "inside"),
        ("doc.parts.1.text", "second"),
        ("doc.parts[1].text", "second"),
        ("a.b", "dotted"),
        ("a.c", "other"),
        ("x.y.z", "long"),
        ("grid[0][1]", "0 1"),
        ("grid.0.1", "0 1"),
        ("doc.none.deeper", None),
        ("doc.n", 1),
        ("doc.parts.2.text", MISSING),
        ("doc.text.more", MISSING),
        ("doc.parts.-1", MISSING),
        ("", RECORD),
    ],
)
def test_a_path_walks_into_objects_and_lists(path: str, found: object) -> None:
    assert walk(RECORD, path) == found


def test_nested_fields_of_json_lines_and_parquet(tmp_path: Path) -> None:
    rows = [{"doc": {"text": word, "parts": [{"text": word * 2}]}, "a.b": word * 3} for word in ("one", "two")]
    (tmp_path / "r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "r.parquet")
    wanted = {"doc.text": 1, "doc.parts[0].text": 2, "doc.parts.0.text": 2, "a.b": 3}
    for name in ("r.jsonl", "r.parquet"):
        for field, times in wanted.items():
            corpus = open_source(str(tmp_path / name), text_field=field, cache=tmp_path / "cache")
            assert texts(corpus) == ["one" * times, "two" * times]
        with pytest.raises(LmbenchError, match=r"1: no field 'doc.txt'; .*there are: doc.text, doc.parts.0.text"):
            open_source(str(tmp_path / name), text_field="doc.txt", cache=tmp_path / "cache")


def test_the_case_of_a_field_inside_another(shared: Path, tmp_path: Path) -> None:
    corpus = open_source(str(shared / "cases" / "nested.jsonl"), text_field="doc.text", cache=tmp_path)
    assert texts(corpus)[4] == "record 4 says that the number 16 is the square of 4.\n"


def test_the_case_of_lone_carriage_returns(shared: Path, tmp_path: Path) -> None:
    corpus = open_source(str(shared / "cases" / "lone-cr.txt"), lines=True, cache=tmp_path)
    assert corpus.card["documents"] == 200
    assert corpus.card["line_ends"] == "200 CR"


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_json_lines_end_alike_wherever_a_block_ends(end: bytes) -> None:
    data = end.join([b"1", b"22", b"", b"3"]) + end
    for size in range(1, len(data) + 1):
        blocks = [data[at : at + size] for at in range(0, len(data), size)]
        assert list(_lines(blocks)) == [b"1", b"22", b"", b"3"]
