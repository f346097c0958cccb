from __future__ import annotations

import bz2
import gzip
import http.server
import io
import json
import lzma
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import zstandard

from lmbench.corpus import Corpus, open_source
from lmbench.corpus.text import Text
from lmbench.errors import LmbenchError, UsageError

STORY = "Once upon a time.\r\n\n猫がいた。\nThe end"
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
    ".zst": lambda data: zstandard.compress(data[: len(data) // 2]) + zstandard.compress(data[len(data) // 2 :]),
}


def documents(text: Text) -> list[str]:
    return [text.document(index) for index in range(len(text.starts))]


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Corpus]:
    def opened(source: Path | str, **options: object) -> Corpus:
        return open_source(str(source), cache=tmp_path / "cache", **options)  # type: ignore[arg-type]

    return opened


Read = Callable[..., Corpus]


def test_a_plain_text_file_is_mapped_and_not_copied(read: Read, tmp_path: Path) -> None:
    path = tmp_path / "story.txt"
    path.write_bytes(b"\xef\xbb\xbf" + STORY.encode())
    corpus = read(path)
    assert isinstance(corpus.text.data, np.memmap)
    assert Path(corpus.text.data.filename or "") == path
    assert documents(corpus.text) == [STORY]
    assert not (tmp_path / "cache").exists()
    assert corpus.name == "story"
    assert corpus.card["bytes"] == len(STORY.encode())
    assert corpus.card["characters"] == len(STORY)
    assert corpus.card["documents"] == 1


@pytest.mark.parametrize("suffix", list(COMPRESS))
def test_every_kind_of_file_compressed_every_way(suffix: str, read: Read, tmp_path: Path) -> None:
    table = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({"text": ["one", STORY, None]}), table)
    records = "\n".join(json.dumps({"text": text}) for text in ["one", STORY, ""])
    contents = {"a.txt": STORY.encode(), "a.jsonl": records.encode(), "a.parquet": table.getvalue()}
    for name, content in contents.items():
        path = tmp_path / (name + suffix)
        path.write_bytes(COMPRESS[suffix](content))
        corpus = read(path)
        assert documents(corpus.text) == ([STORY] if name == "a.txt" else ["one", STORY])
        assert corpus.name == "a"
        assert corpus.card["notes"] == ([] if name == "a.txt" else ["1 empty documents left out"])


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".bz2", ".zst", ".zip", ".parquet"])
@pytest.mark.parametrize("damage", ["cut", "other"])
def test_a_damaged_file_is_named(suffix: str, damage: str, read: Read, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    whole = np.random.default_rng(0).integers(97, 123, 300_000).astype(np.uint8).tobytes()
    if suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.txt", whole)
    elif suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.table({"text": [whole.decode()]}), path)
    else:
        path.write_bytes(COMPRESS[suffix](whole))
    path.write_bytes(path.read_bytes()[:-40] if damage == "cut" else b"this is something else entirely")
    with pytest.raises(LmbenchError, match=rf"a\{suffix}: damaged or not {suffix[1:]} data"):
        read(path)


def test_what_is_spooled_is_kept_until_the_source_changes(
    read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(b"first"))
    read(path)
    with monkeypatch.context() as patch:
        patch.setattr("lmbench.corpus.reader.text.open_binary", lambda path: pytest.fail("read again"))
        assert documents(read(path).text) == ["first"]
    path.write_bytes(gzip.compress(b"other"))
    assert documents(read(path).text) == ["other"]
    assert documents(read(path, encoding="utf-16-le", errors="replace").text) != ["other"]


def test_a_damaged_spool_is_made_again(read: Read, tmp_path: Path) -> None:
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(STORY.encode()))
    read(path)
    for spool in (tmp_path / "cache").rglob("train/text"):
        spool.write_bytes(b"x" * len(STORY.encode()))
    assert documents(read(path).text) == [STORY]


def test_lines_are_documents(read: Read, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(STORY.encode())
    corpus = read(path, lines=True)
    assert documents(corpus.text) == ["Once upon a time.", "猫がいた。", "The end"]
    assert corpus.card["notes"] == ["1 empty lines left out"]
    assert corpus.card["lines"] is True
    (tmp_path / "b.txt").write_bytes(b"\n\r\n\n")
    with pytest.raises(LmbenchError, match="nothing but empty lines"):
        read(tmp_path / "b.txt", lines=True)


def test_a_folder_in_the_order_of_its_names(read: Read, tmp_path: Path) -> None:
    folder = tmp_path / "books"
    files = {
        "b.txt": b"second",
        "a.txt": b"first",
        "c/deep.txt.gz": gzip.compress(b"third"),
        "d.jsonl": b'{"text": "fourth"}\n\n{"text": "fifth"}',
        ".hidden": b"no",
        ".git/config": b"no",
        "cover.png": b"\x89PNG\0",
        "empty.txt": b"",
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    corpus = read(folder)
    assert documents(corpus.text) == ["first", "second", "third", "fourth", "fifth"]
    assert corpus.name == "books"
    assert corpus.card["notes"] == ["1 files that are not text left out: cover.png", "1 empty documents left out"]
    (folder / "a.txt").write_bytes(b"first, changed")
    assert documents(read(folder).text)[0] == "first, changed"
    (folder / "e.txt").write_bytes(b"\0\1")
    with pytest.raises(LmbenchError, match=r"e\.txt: looks binary"):
        read(folder)


def test_folders_without_text(read: Read, tmp_path: Path) -> None:
    with pytest.raises(LmbenchError, match="no text files in this folder"):
        read(tmp_path)
    (tmp_path / "a.pdf").write_bytes(b"x")
    with pytest.raises(LmbenchError, match=r"no text files .*1 that are not text: a\.pdf"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"text": "a"}\n{"text": \n', r"line 2: not JSON"),
        ('{"text": "a"}\n\n["a"]', r"line 3: not a JSON object but \[\"a\"\]"),
        ('{"title": "a", "body": "b"}', r"line 1: no field 'text'; .*--text-field .there are: title, body"),
        ('{"text": 3}', r"line 1: field 'text' holds int, not text"),
        ('{"text": "a\\ud83d"}', r"line 1: character 1 is half of a surrogate pair"),
        ("", "empty"),
    ],
)
def test_malformed_json_lines(content: str, message: str, read: Read, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(content)
    with pytest.raises(LmbenchError, match=message):
        read(path)


def test_other_fields_and_columns(read: Read, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"body": "b"}\n{"body": "c\\ud83d"}')
    assert documents(read(tmp_path / "a.jsonl", text_field="body", errors="ignore").text) == ["b", "c"]
    pyarrow.parquet.write_table(pyarrow.table({"body": ["b"], "n": [1]}), tmp_path / "a.parquet")
    assert documents(read(tmp_path / "a.parquet", text_field="body").text) == ["b"]
    with pytest.raises(LmbenchError, match=r"no column 'text'.*there are: body, n"):
        read(tmp_path / "a.parquet")
    with pytest.raises(LmbenchError, match="column 'n' holds int64, not text"):
        read(tmp_path / "a.parquet", text_field="n")


def test_missing_sources_name_what_is_near(read: Read, tmp_path: Path) -> None:
    (tmp_path / "sanshiro.txt").write_text("x")
    with pytest.raises(UsageError, match=r"did you mean '.*sanshiro\.txt'"):
        read(tmp_path / "sanshirou.txt")
    with pytest.raises(UsageError, match="did you mean 'tinyshakespeare'"):
        read("tinyshakespear")
    with pytest.raises(UsageError, match="there is no folder"):
        read(tmp_path / "nowhere" / "a.txt")
    with pytest.raises(UsageError, match="has no option 'ordr'; did you mean 'order'"):
        read("markov(ordr=1)")


def test_empty_and_tiny_files(read: Read, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    for nothing in (b"", b"\xef\xbb\xbf"):
        path.write_bytes(nothing)
        with pytest.raises(LmbenchError, match=r"a\.txt: empty"):
            read(path)
    for little in ("x", "aaaaaaaa", " \n "):
        path.write_text(little)
        assert documents(read(path).text) == [little]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(read: Read, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("x")
    path.chmod(0)
    with pytest.raises(LmbenchError, match="no permission"):
        read(path)


def test_standard_input(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from lmbench.corpus import open_source\n"
        f"corpus = open_source('-', cache=Path({str(tmp_path)!r}))\n"
        "print(corpus.name, ascii(corpus.text.document(0)))"
    )
    for _ in range(2):  # the second time the same text is in the cache
        done = subprocess.run([sys.executable, "-c", code], input="猫\n".encode(), capture_output=True, check=True)
        assert done.stdout.split() == [b"stdin", b"'\\u732b\\n'"]
    assert len(list((tmp_path / "corpus").iterdir())) == 1


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "web"
    folder.mkdir()
    with zipfile.ZipFile(folder / "story.zip", "w") as archive:
        archive.writestr("story", STORY)
    with zipfile.ZipFile(folder / "two.zip", "w") as archive:
        archive.writestr("a", "a")
        archive.writestr("b", "b")
    (folder / "a.jsonl.xz").write_bytes(lzma.compress(b'{"text": "one"}'))

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(folder))  # type: ignore[arg-type]

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()


def test_files_on_the_web(server: str, read: Read) -> None:
    corpus = read(f"{server}/story.zip")
    assert documents(corpus.text) == [STORY]
    assert corpus.name == "story"
    assert documents(read(f"{server}/a.jsonl.xz").text) == ["one"]
    with pytest.raises(LmbenchError, match="holds 2 files"):
        read(f"{server}/two.zip")
    with pytest.raises(LmbenchError, match="the server answers 404"):
        read(f"{server}/nothing.txt")
    with pytest.raises(LmbenchError, match=r"cannot be reached .* pass its path in place of"):
        read("http://127.0.0.1:9/a.txt")
