"""The training text of a run, found again wherever it is left."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lmbench import pipeline
from lmbench.counts.suffix_index import SuffixIndex
from lmbench.errors import LmbenchError
from lmbench.pipeline import Plan, Run, training_index
from lmbench.pipeline.training_text import training_parts


@pytest.fixture
def text(small_text: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(small_text, tmp_path / "text.txt"))


def made(text: Path, tmp_path: Path, **changes: object) -> Run:
    plan = Plan(source=str(text), tokenizer="byte", models=["uniform"], estimators=[], device="cpu", split="90/5/5:end")
    plan = replace(plan, out=tmp_path / "out", cache=tmp_path / "cache", **changes)  # type: ignore[arg-type]
    return pipeline.run(plan)


def training_bytes(index: SuffixIndex) -> bytes:
    return bytes(index.text[(index.text != index.end_of_text)].astype(np.uint8))


def test_from_the_cached_tokens_and_kept_for_the_next_question(text: Path, tmp_path: Path) -> None:
    run = made(text, tmp_path)
    index = training_index(run.folder)
    assert text.read_bytes().startswith(training_bytes(index))
    assert len(index) == run.record.card.train.tokens + 1
    text.unlink()
    shutil.rmtree(tmp_path / "cache")
    again = training_index(run.folder)
    assert np.array_equal(again.positions, index.positions)
    assert [path.name for path in run.folder.iterdir() if path.name.startswith(".")] == []


def test_from_the_source_where_the_cache_is_gone(text: Path, tmp_path: Path) -> None:
    run = made(text, tmp_path)
    shutil.rmtree(tmp_path / "cache")
    assert training_index(run.folder).tokens_hash == run.record.card.train.tokens_hash


def test_validation_text_in_spans_comes_back_from_the_cache(text: Path, tmp_path: Path) -> None:
    text.write_text(text.read_text(encoding="utf-8") * 10, encoding="utf-8")
    run = made(text, tmp_path, split="50/25/25:spans")
    assert run.record.card.valid.documents > 1  # pieces of one document, which the cache does not tell
    text.unlink()
    train, valid = training_parts(run.folder)
    assert [train.hash, valid.hash] == [run.record.card.train.tokens_hash, run.record.card.valid.tokens_hash]


def test_from_a_suffix_model_of_the_run(text: Path, tmp_path: Path) -> None:
    run = made(text, tmp_path, models=["uniform", "suffix(smoothing=pitman_yor)"])
    text.unlink()
    shutil.rmtree(tmp_path / "cache")
    assert training_index(run.folder).tokens_hash == run.record.card.train.tokens_hash
    assert not (run.folder / "suffix").exists()


@pytest.mark.parametrize("model", ["uniform", "suffix"])
def test_with_validation_text_where_models_had_it(text: Path, tmp_path: Path, model: str) -> None:
    run = made(text, tmp_path, split="90/10", models=[model])
    card = run.record.card
    assert card.refit
    for _ in range(2):  # the second time as it was kept
        assert len(training_index(run.folder)) == card.train.tokens + card.valid.tokens + 1


def test_a_source_that_has_changed(text: Path, tmp_path: Path) -> None:
    run = made(text, tmp_path)
    shutil.rmtree(tmp_path / "cache")
    text.write_text(text.read_text(encoding="utf-8").replace("queen", "king"), encoding="utf-8")
    with pytest.raises(LmbenchError, match=r"has changed since the run; run again with --model suffix"):
        training_index(run.folder)
    assert not (run.folder / "suffix").exists()


def test_a_source_that_is_gone(text: Path, tmp_path: Path) -> None:
    run = made(text, tmp_path)
    shutil.rmtree(tmp_path / "cache")
    text.unlink()
    with pytest.raises(LmbenchError, match=r"cannot be read again .*text\.txt.*; run again with --model suffix"):
        training_index(run.folder)


def test_standard_input_is_not_waited_for(text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with text.open("rb") as stream:
        monkeypatch.setattr("sys.stdin", type("Stdin", (), {"buffer": stream, "isatty": lambda _: False})())
        run = made(Path("-"), tmp_path)
    assert training_bytes(training_index(run.folder))  # its tokens are in the cache
    shutil.rmtree(run.folder / "suffix")
    shutil.rmtree(tmp_path / "cache")
    with pytest.raises(LmbenchError, match="standard input"):
        training_index(run.folder)


@pytest.mark.parametrize("split", ["90/5/5", "90/10"])
def test_an_index_of_another_text(text: Path, tmp_path: Path, split: str) -> None:
    run = made(text, tmp_path, split=split)
    training_index(run.folder)
    text.write_text("another text, and a longer one " * 50, encoding="utf-8")
    other = made(text, tmp_path, split=split)
    training_index(other.folder)
    shutil.rmtree(run.folder / "suffix")
    shutil.copytree(other.folder / "suffix", run.folder / "suffix")
    with pytest.raises(LmbenchError, match="is not an index of this run's training text; delete it"):
        training_index(run.folder)


def test_an_index_whose_text_has_changed(text: Path, tmp_path: Path) -> None:
    run = made(text, tmp_path)
    training_index(run.folder)
    path = run.folder / "suffix" / "text.npy"
    np.save(path, np.roll(np.load(path), 1))
    with pytest.raises(LmbenchError, match=r"text\.npy is not the text that was indexed"):
        training_index(run.folder)


def test_pieces_of_one_document_are_found_again(tmp_path: Path) -> None:
    """Of which document they are pieces is no part of the hash by which they are found."""
    text = tmp_path / "one.txt"
    text.write_text("\n\n".join(f"the {number} th queen said no" for number in range(3000)), encoding="utf-8")
    run = made(text, tmp_path, split="60/20/20:spans")
    parts = training_parts(run.folder)
    assert len(parts[1].documents) > 1
    assert [part.hash for part in parts] == [run.record.card.train.tokens_hash, run.record.card.valid.tokens_hash]
