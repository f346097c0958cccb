from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from lmbench import store
from lmbench.errors import LmbenchError, UsageError
from lmbench.pipeline import Run
from lmbench.record import comparable, finite, schema

SCHEMA = Path(store.__file__).parent / "schema" / "record.schema.json"
ISSUE_ROW = (
    "model nats_per_token bits_per_token bits_per_character bits_per_byte perplexity ci95_nats_per_token tokens bytes "
    "parameters stored_ngrams bytes_on_disk fit_seconds score_seconds peak_memory_bytes device notes"
)


def test_committed_schema_is_that_of_the_model() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == schema(), (
        "python -m lmbench.record > lmbench/schema/record.schema.json"
    )


def test_rows_have_every_promised_field(small_run: Run) -> None:
    content = json.loads((small_run.folder / "record.json").read_text(encoding="utf-8"))
    assert set(content) >= {"card", "rows", "entropy"}
    assert set(ISSUE_ROW.split()) <= set(content["rows"][0])
    assert {"estimator", "bits_per_byte", "bits_per_character", "kind"} <= set(content["entropy"][0])


def test_read_is_what_was_written(small_run: Run, tmp_path: Path) -> None:
    store.write_record(tmp_path, small_run.record)
    assert store.read_record(tmp_path) == small_run.record
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]


def test_infinite_numbers_never_reach_the_file(small_run: Run, tmp_path: Path) -> None:
    row = small_run.record.rows[0].model_copy(update={"perplexity": float("inf")})
    with pytest.raises(ValueError, match="finite"):
        store.write_record(tmp_path, small_run.record.model_copy(update={"rows": [row]}))
    assert list(tmp_path.iterdir()) == []
    values = {"a": float("nan"), 2: [np.float32(1.5), -np.inf, {"b": np.int64(3)}], "c": np.array([1.0, np.inf])}
    assert finite(values) == {"a": None, "2": [1.5, None, {"b": 3}], "c": [1.0, None]}


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda text: text[: len(text) // 2], "record.json is not a whole record"),
        (lambda text: "", "record.json is not a whole record"),
        (lambda text: text.replace('"tokens":', '"tokenz":'), "tokens"),
        (lambda text: text.replace('"status": "complete"', '"status": "perfect"'), "status"),
        (lambda text: text.replace('"seed": 0', '"seed": "none"'), "card.seed"),
    ],
)
def test_damaged_record_is_one_line_with_file_and_remedy(
    small_run: Run, tmp_path: Path, damage: object, says: str
) -> None:
    assert callable(damage)
    text = (small_run.folder / "record.json").read_text(encoding="utf-8")
    (tmp_path / "record.json").write_text(damage(text), encoding="utf-8")
    with pytest.raises(LmbenchError) as caught:
        store.read_record(tmp_path)
    assert says in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert "run again" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("old", encoding="ascii")

    def interrupted() -> None:
        with store.atomic(path) as handle:
            handle.write(b"half of the ne")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    assert path.read_text(encoding="ascii") == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["a.json"]


def test_folders_are_never_shared(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: store.create_folder(tmp_path / "r", "2026-01-02", "a b/c", "x"), range(16)))
    assert len(set(made)) == 16
    assert sorted(made)[0].name.startswith("2026-01-02-a-b-c-")


def test_out_that_is_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="ascii")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(LmbenchError, match="not a folder"):
            store.create_folder(out, "2026-01-02", "c", "x")


def test_find_run(small_run: Run, tmp_path: Path) -> None:
    for name in ("2026-01-01-dogs-aaaa", "2026-01-01-cats-bbbb"):
        (tmp_path / name).mkdir()
        store.write_record(tmp_path / name, small_run.record)
    assert store.find_run("dogs", tmp_path).name == "2026-01-01-dogs-aaaa"
    assert store.find_run(str(tmp_path / "2026-01-01-dogs-aaaa"), Path("nowhere")).name == "2026-01-01-dogs-aaaa"
    assert store.find_run(str(tmp_path / "2026-01-01-dogs-aaaa" / "record.json"), Path("nowhere")).is_dir()
    assert store.find_run("latest", tmp_path).name == "2026-01-01-cats-bbbb"
    with pytest.raises(UsageError, match="fits 2 runs"):
        store.find_run("2026", tmp_path)
    with pytest.raises(UsageError, match=r"cows.*choose one of.*dogs"):
        store.find_run("cows", tmp_path)
    with pytest.raises(UsageError, match="holds none"):
        store.find_run("cows", tmp_path / "empty")


def test_find_row(small_run: Run) -> None:
    record = small_run.record
    assert store.find_row(record, "best").model == "ngram(order=3)"
    assert store.find_row(record, "ngram( order=3 )").model == "ngram(order=3)"
    assert store.find_row(record, "maximum").model == "ngram(order=6, smoothing=maximum_likelihood)"
    with pytest.raises(UsageError, match="fits 2 models"):
        store.find_row(record, "ngram")
    with pytest.raises(UsageError, match=r"did you mean 'uniform'.*choose from uniform, ngram"):
        store.find_row(record, "unifrom")


def test_log_probs_are_checked(small_run: Run, tmp_path: Path) -> None:
    row = small_run.record.rows[0]
    assert store.read_log_probs(small_run.folder, row).shape == (row.tokens,)
    (tmp_path / row.folder).mkdir(parents=True)
    path = tmp_path / row.folder / "log_probs.npy"
    whole = (small_run.folder / row.folder / "log_probs.npy").read_bytes()
    for content in (whole[:-8], b"", b"PK\x03\x04" + whole):
        path.write_bytes(content)
        with pytest.raises(LmbenchError, match=r"log_probs\.npy.*run the model again"):
            store.read_log_probs(tmp_path, row)
    store.write_array(path, np.zeros(row.tokens + 1))
    with pytest.raises(LmbenchError, match=r"not \(3,\)"):
        store.read_log_probs(tmp_path, row.model_copy(update={"tokens": 3}))
    path.unlink()
    with pytest.raises(LmbenchError, match=r"log_probs\.npy"):
        store.read_log_probs(tmp_path, row)


def test_slugs_tell_specs_apart() -> None:
    from lmbench.spec import parse

    specs = ["ngram(order=5)", "ngram(order=-5)", "a(b=[1, 2])", "a(b=[12])", "arpa('../x/日本.arpa')"]
    slugs = [store.model_slug(parse(spec)) for spec in specs]
    assert len(set(slugs)) == 5
    assert all("/" not in slug and not slug.startswith(".") for slug in slugs)


def test_cards_are_compared_where_it_matters(small_run: Run) -> None:
    card = small_run.record.card
    assert comparable(card, card) == []
    later = card.model_copy(update={"seed": 7, "device": "cuda", "started": "later", "versions": {"torch": "9"}})
    assert comparable(card, later) == []
    other = card.model_copy(update={"test": card.test.model_copy(update={"hash": "0"}), "boundary": "none"})
    assert [(line.line, line.spoils) for line in comparable(card, other)] == [
        ("test text", "every figure"),
        ("boundary", "every figure"),
    ]
    words = card.model_copy(update={"tokenizer": "word", "vocabulary_hash": "1"})
    assert {line.spoils for line in comparable(card, words)} == {"figures per token"}
    lossy = words.model_copy(update={"lossless": False})
    assert {line.spoils for line in comparable(card, lossy)} == {"every figure"}
