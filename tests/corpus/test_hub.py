from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

# In a process of its own: the datasets library reads its settings once, when it is imported.
CODE = """
import json, sys
from pathlib import Path
from lmbench.corpus import open_source
from lmbench.errors import LmbenchError
def texts(text):
    return None if text is None else [text.document(index) for index in range(len(text.starts))]
def result(source, field):
    try:
        corpus = open_source(source, cache=Path("cache"), text_field=field)
    except LmbenchError as error:
        return str(error)
    return [corpus.name, texts(corpus.text), texts(corpus.valid), texts(corpus.test), corpus.card["notes"]]
first = [result(*call) for call in json.loads(sys.argv[1])]
Path("owner/books/train.jsonl").unlink()
print(json.dumps([*first, result("hf:owner/books", "text")]))
"""
CALLS = [
    ("hf:owner/books", "body"),
    ("hf:owner/books:nothing", "text"),
    ("wikitext-2", "text"),
    ("hf:a b", "text"),
    ("hf:owner/books", "text"),
]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[Any, Any]:
    """What each call gives where there is no network, and a set lies in a folder, where the library looks first."""
    folder = tmp_path_factory.mktemp("hub")
    books = folder / "owner" / "books"
    books.mkdir(parents=True)
    for split, words in {"train": ["a", "b"], "validation": ["c"], "test": ["d"]}.items():
        lines = "".join(json.dumps({"text": word, "title": 1}) + "\n" for word in words)
        (books / f"{split}.jsonl").write_text(lines)
    environment = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hf"), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-c", CODE, json.dumps(CALLS)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, check=True)
    assert done.stderr == ""
    return dict(zip([*CALLS, "again"], json.loads(done.stdout), strict=True))


def test_the_splits_of_the_set_are_used_and_kept(results: dict[Any, Any]) -> None:
    assert results["hf:owner/books", "text"] == ["books", ["a", "b"], ["c"], ["d"], []]
    assert results["again"] == results["hf:owner/books", "text"]


def test_a_missing_field_and_a_missing_configuration(results: dict[Any, Any]) -> None:
    assert results["hf:owner/books", "body"] == (
        "hf:owner/books, train 1: no field 'body'; name one with --text-field (there are: text, title)"
    )
    assert "cannot be loaded" in results["hf:owner/books:nothing", "text"]
    assert "nothing" in results["hf:owner/books:nothing", "text"]


def test_without_a_network_the_way_out_is_named(results: dict[Any, Any]) -> None:
    message = results["wikitext-2", "text"]
    assert "\n" not in message
    assert message.startswith("hf:Salesforce/wikitext:wikitext-2-raw-v1: the hub cannot be reached")
    assert message.endswith("pass its path in place of 'wikitext-2'")
    assert "https://huggingface.co/datasets/Salesforce/wikitext" in message


def test_what_is_no_name_on_the_hub(results: dict[Any, Any]) -> None:
    assert "is hf:owner/name" in results["hf:a b", "text"]
