"""Records of other formats, and files that are no longer those of the record."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from commands import lmbench

from lmbench import store
from lmbench.errors import LmbenchError
from lmbench.pipeline import Run, load_model, scored_tokens_of, tokenizer_of
from lmbench.pipeline.verify import verify
from lmbench.progress import Silent
from lmbench.record import FORMAT
from lmbench.record.migration import migrated, steps


@pytest.fixture
def copy(small_run: Run, tmp_path: Path) -> Run:
    """The small run in another place."""
    folder = tmp_path / "moved" / small_run.folder.name
    shutil.copytree(small_run.folder, folder)
    return Run(folder, store.read_record(folder))


def rewritten(run: Run, **changes: object) -> None:
    path = run.folder / "record.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content | changes), encoding="utf-8")


def first(run: Run) -> dict[str, object]:
    """The record as format 1 had it."""
    content: dict[str, object] = json.loads((run.folder / "record.json").read_text(encoding="utf-8"))
    for part in (content["card"], *content["rows"]):  # type: ignore[misc]
        del part["files"]
    return content | {"format": 1}


def test_every_format_before_has_its_step() -> None:
    assert sorted(steps.names) == [f"from_{number}" for number in range(1, FORMAT)]


def test_a_record_of_the_first_format_opens(copy: Run) -> None:
    (copy.folder / "record.json").write_text(json.dumps(first(copy)), encoding="utf-8")
    record = store.read_record(copy.folder)
    assert record.format == FORMAT
    assert [row.nats_per_token for row in record.rows] == [row.nats_per_token for row in copy.record.rows]
    assert record.rows[0].files == record.card.files == {}
    shown = lmbench("show", copy.folder, "--check", "-q")
    assert shown.exit_code == 0
    assert "before hashes" in shown.stdout


def test_a_later_format_is_one_line(copy: Run) -> None:
    rewritten(copy, format=FORMAT + 1)
    with pytest.raises(LmbenchError, match=f"format {FORMAT + 1}.*update lmbench") as caught:
        store.read_record(copy.folder)
    assert str(copy.folder / "record.json") in str(caught.value)
    assert lmbench("report", copy.folder).exit_code == 1


@pytest.mark.parametrize("format_", [0, -1, True, None, "1", 1.0, 10**30])
def test_what_is_no_format_is_no_record(copy: Run, format_: object) -> None:
    rewritten(copy, format=format_)
    with pytest.raises(LmbenchError, match=r"format"):
        store.read_record(copy.folder)


def test_what_is_no_object_is_left_to_the_validation() -> None:
    for content in (None, [], "x", {}):
        assert migrated(content, "r") is content


def test_a_run_knows_the_hash_of_each_of_its_files(copy: Run) -> None:
    found = verify(copy.folder, Silent())
    assert found.faults == []
    assert found.unknown == []
    present = [path for part in ("tokenizer", "test", "models") for path in (copy.folder / part).rglob("*")]
    assert found.files == sum(path.is_file() for path in present)
    assert found.bytes == sum(path.stat().st_size for path in present if path.is_file())


def change(path: Path) -> None:
    """Another byte at the end, as a disk or a hand may put it there; the file stays whole as a file."""
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def test_a_changed_array_is_named(copy: Run) -> None:
    row = copy.record.rows[1]
    path = copy.folder / row.folder / "log_probs.npy"
    scores = np.load(path)
    scores[0] -= 0.5
    np.save(path, scores)
    with pytest.raises(LmbenchError, match="SHA-256") as caught:
        copy.losses(row.model)
    assert str(path) in str(caught.value)
    shown = lmbench("show", copy.folder, "--check", "-q")
    assert shown.exit_code == 1
    assert shown.stderr.count("\n") == 1
    assert str(path) in shown.stderr
    assert lmbench("compare", copy.folder).exit_code == 1


def test_a_changed_model_tokenizer_or_text_is_named(copy: Run) -> None:
    row = copy.record.rows[1]
    change(copy.folder / row.folder / "ngrams.safetensors")
    with pytest.raises(LmbenchError, match=r"ngrams\.safetensors"):
        load_model(copy.folder, row)
    text = copy.folder.parent / "some.txt"
    text.write_text("the queen said", encoding="utf-8")
    assert "ngrams.safetensors" in lmbench("score", copy.folder, text, "--model", row.model).stderr  # without torch
    change(copy.folder / "test" / "ids.npy")
    with pytest.raises(LmbenchError, match="test"):
        scored_tokens_of(copy.folder, copy.record.card)
    state = copy.folder / "tokenizer" / "tokenizer.state.json"
    state.write_text(state.read_text(encoding="utf-8") + " ", encoding="utf-8")
    with pytest.raises(LmbenchError, match=r"tokenizer\.state\.json"):
        tokenizer_of(copy.folder, copy.record.card)
    (copy.folder / row.folder / "card.json").unlink()
    assert len(verify(copy.folder, Silent()).faults) == 4


def test_figures_that_the_scores_do_not_give_are_named(copy: Run) -> None:
    rows = [row.model_copy(update={"nats_per_token": 0.1}) if row.nats_per_token else row for row in copy.record.rows]
    store.write_record(copy.folder, copy.record.model_copy(update={"rows": rows}))
    faults = verify(copy.folder, Silent()).faults
    assert len(faults) == 2
    assert all("0.1 nats/token in the record" in line for line in faults)


def test_hashes_of_a_stranger_lead_nowhere(copy: Run) -> None:
    row = copy.record.rows[1].model_copy(update={"files": {"../../../secret": "0" * 64, "/etc/passwd": "0" * 64}})
    store.write_record(copy.folder, copy.record.model_copy(update={"rows": [row]}))
    (copy.folder.parent / "secret").write_text("x", encoding="utf-8")
    with pytest.raises(LmbenchError, match="leads out"):
        load_model(copy.folder, row)
    faults = verify(copy.folder, Silent()).faults
    assert any("leads out" in line for line in faults)
    assert not any("SHA-256" in line for line in faults)  # neither was read
