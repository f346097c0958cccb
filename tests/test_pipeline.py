from __future__ import annotations

import errno
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lmbench import pipeline, store
from lmbench.errors import LmbenchError, UsageError
from lmbench.model.ngram import Ngram
from lmbench.model.uniform import Uniform
from lmbench.pipeline import Interrupted, Plan, Run
from lmbench.progress import Progress, Silent
from lmbench.tokens import Tokens


def small(text: Path, out: Path, **changes: object) -> Plan:
    plan = Plan(
        source=str(text), tokenizer="byte", models=["uniform", "ngram(order=2)"], estimators=[], device="cpu", out=out
    )
    return replace(plan, **changes)  # type: ignore[arg-type]


def test_rows_say_what_the_kept_arrays_say(small_run: Run) -> None:
    record, folder = small_run.record, small_run.folder
    tokens = Tokens.load(folder / "test")
    assert record.status == "complete"
    assert [row.model for row in record.rows][:2] == ["uniform", "ngram(order=3)"]
    for row in record.rows[:2]:
        log_probs = store.read_log_probs(folder, row)
        assert row.nats_per_token == pytest.approx(-log_probs.mean(), abs=1e-12)
        assert row.bits_per_byte == pytest.approx(-log_probs.sum() / np.log(2) / record.card.test.bytes)
        assert row.bytes == record.card.test.bytes
        assert row.tokens == len(tokens) == record.card.test.tokens
        assert row.peak_memory_bytes is not None
        assert row.peak_memory_bytes > 1 << 20


def test_saved_models_give_the_numbers_of_the_record(small_run: Run) -> None:
    tokens = Tokens.load(small_run.folder / "test")
    for row in small_run.record.rows:
        model = pipeline.load_model(small_run.folder, row)
        again = model.log_probs(tokens, Silent())
        assert again == pytest.approx(store.read_log_probs(small_run.folder, row), abs=1e-12)
        beside = ("fit.json", "log_probs.npy", "valid_log_probs.npy")  # what scoring leaves is no part of the model
        files = [path for path in (small_run.folder / row.folder).rglob("*") if path.name not in beside]
        assert row.bytes_on_disk == sum(path.stat().st_size for path in files)


def test_infinite_cross_entropy_is_null_and_said(small_run: Run) -> None:
    row = small_run.record.rows[2]
    assert row.zero_probability_tokens > 0
    assert (row.nats_per_token, row.perplexity, row.ci95_nats_per_token, row.behind) == (None, None, None, None)
    assert any("infinite" in note and f"{row.zero_probability_tokens:,} of" in note for note in row.notes)
    text = (small_run.folder / "record.json").read_text(encoding="utf-8")
    assert "Infinity" not in text
    assert "NaN" not in text


def test_difference_to_the_best_is_paired(small_run: Run) -> None:
    uniform, best, _ = small_run.record.rows
    assert best.behind is None
    assert uniform.behind is not None
    assert uniform.behind.best == "ngram(order=3)"
    assert uniform.behind.nats_per_token == pytest.approx(uniform.nats_per_token - best.nats_per_token)  # type: ignore[operator]


def test_card_names_what_the_figures_depend_on(small_run: Run, small_text: Path) -> None:
    card = small_run.record.card
    text = small_text.read_text(encoding="utf-8")
    assert card.train.characters + card.valid.characters + card.test.characters == len(text)
    assert card.train.bytes + card.valid.bytes + card.test.bytes == len(text.encode())
    assert card.vocabulary == 257
    assert card.lossless
    assert card.versions["torch"].startswith("2.")
    assert card.machine["cores"]
    assert len(card.test.hash) == len(card.test.tokens_hash) == 64
    assert card.command == "lmbench run"


def test_same_plan_again_is_another_folder_with_the_same_figures(small_text: Path, tmp_path: Path) -> None:
    plan = small(small_text, tmp_path)
    first, second = pipeline.run(plan), pipeline.run(plan)
    assert second.folder.name == first.folder.name + "-2"
    same = ("model", "nats_per_token", "ci95_nats_per_token", "bytes_on_disk", "stored_ngrams", "behind")
    for one, other in zip(first.record.rows, second.record.rows, strict=True):
        assert one.model_dump(include=set(same)) == other.model_dump(include=set(same))


def test_interrupted_run_goes_on_where_it_stopped(
    small_text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while the second model is scored: the first row stays, the second model is not fitted again."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Ngram, "log_probs", stop)
        with pytest.raises(Interrupted, match=r"1 of 2 models are kept in .*lmbench run --resume"):
            pipeline.run(small(small_text, tmp_path, estimators=["zlib"]))
    [folder] = tmp_path.iterdir()
    kept = store.read_record(folder)
    assert kept.status == "interrupted"
    assert [row.model for row in kept.rows] == ["uniform"]

    monkeypatch.setattr(Ngram, "fit", stop)
    done = pipeline.resume(folder)
    whole = pipeline.run(small(small_text, tmp_path / "whole", models=["uniform"], estimators=["zlib"]))
    assert done.record.status == "complete"
    assert [row.model for row in done.record.rows] == ["uniform", "ngram(order=2)"]
    assert done.record.rows[0].fit_seconds == kept.rows[0].fit_seconds
    assert [entropy.estimator for entropy in done.record.entropy] == ["zlib"]
    assert done.record.entropy[0].bits_per_byte == whole.record.entropy[0].bits_per_byte
    assert pipeline.resume(folder).record == done.record  # nothing left to do
    assert not (folder / "checkpoints").exists()


def test_interrupted_in_the_middle_of_saving_leaves_no_half_model(
    small_text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Ngram.save

    def half(self: Ngram, folder: Path) -> None:
        whole(self, folder)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Ngram, "save", half)
        with pytest.raises(Interrupted):
            pipeline.run(small(small_text, tmp_path))
    [folder] = tmp_path.iterdir()
    assert [path.name[:7] for path in (folder / "models").iterdir() if not path.name.startswith(".")] == ["uniform"]
    assert pipeline.resume(folder).record.status == "complete"
    assert not any(path.name.startswith(".") for path in (folder / "models").iterdir())


def test_resume_refuses_a_text_that_has_changed(
    small_text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = tmp_path / "text.txt"
    shutil.copy(small_text, text)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Uniform, "log_probs", stop)
        with pytest.raises(Interrupted):
            pipeline.run(small(text, tmp_path / "out"))
    [folder] = (tmp_path / "out").iterdir()
    before = (folder / "record.json").read_bytes()
    text.write_text(text.read_text(encoding="utf-8")[:-10] + "different!", encoding="utf-8")
    with pytest.raises(LmbenchError, match="text changed"):
        pipeline.resume(folder)
    assert (folder / "record.json").read_bytes() == before


def test_one_model_that_fails_does_not_take_the_others_with_it(
    small_text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def poor(*_: object) -> None:
        raise LmbenchError("text.txt is too short for this; give more")

    def large(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Uniform, "fit", poor)
    monkeypatch.setattr(Uniform, "log_probs", large)
    told: list[object] = []
    done = pipeline.run(small(small_text, tmp_path), on_row=told.append)
    assert [row.model for row in done.record.rows] == ["ngram(order=2)"]
    assert [(failure.spec, failure.message) for failure in done.record.failures] == [
        ("uniform", "text.txt is too short for this; give more")
    ]
    assert done.record.status == "complete"
    assert len(told) == 2
    monkeypatch.undo()
    again = pipeline.resume(done.folder)
    assert {row.model for row in again.record.rows} == {"uniform", "ngram(order=2)"}
    assert again.record.failures == []


def test_out_of_memory_is_a_failure_of_the_one_model(
    small_text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def large(*_: object) -> None:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(Uniform, "fit", large)
    done = pipeline.run(small(small_text, tmp_path))
    assert "does not fit in memory" in done.record.failures[0].message

    monkeypatch.setattr(Uniform, "fit", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):  # a mistake of ours is not hidden
        pipeline.run(small(small_text, tmp_path))


def test_full_disk_keeps_what_is_done(small_text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = store.write_array

    def full(path: Path, array: object) -> None:
        if "ngram" in str(path):
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write(path, array)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "write_array", full)
    with pytest.raises(LmbenchError, match=r"log_probs.npy: No space left.*1 of 2 models are kept.*--resume"):
        pipeline.run(small(small_text, tmp_path))
    [folder] = tmp_path.iterdir()
    assert [row.model for row in store.read_record(folder).rows] == ["uniform"]
    monkeypatch.undo()
    assert len(pipeline.resume(folder).record.rows) == 2


def test_what_fails_before_the_first_record_leaves_no_folder(
    small_text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Tokens, "save", full)
    with pytest.raises(OSError, match="No space"):
        pipeline.run(small(small_text, tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"models": ["ngramm"]}, "did you mean 'ngram'"),
        ({"models": ["ngram(ordr=3)"]}, "did you mean 'order'"),
        ({"models": ["ngram(order=x)"]}, "whole number"),
        ({"models": ["ngram(order=0)"]}, "order must be"),
        ({"tokenizer": "bytes"}, "did you mean 'byte'"),
        ({"estimators": ["zlib(level=11)"]}, "level must be"),
        ({"models": [], "estimators": []}, "nothing to do"),
    ],
)
def test_specs_are_checked_before_the_text_is_looked_at(tmp_path: Path, changes: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        pipeline.run(small(tmp_path / "there is no such file", tmp_path, **changes))


def test_a_spec_given_twice_is_run_once(small_text: Path, tmp_path: Path) -> None:
    done = pipeline.run(small(small_text, tmp_path, models=["uniform", "uniform()"]))
    assert [row.model for row in done.record.rows] == ["uniform"]


def test_pair_of_fractions_counts_again_with_the_validation_text(
    small_text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    refit = Ngram.refit

    def counted(model: Ngram, train: Tokens, progress: Progress) -> None:
        seen.append(len(train))
        refit(model, train, progress)

    monkeypatch.setattr(Ngram, "refit", counted)
    done = pipeline.run(small(small_text, tmp_path, models=["ngram(order=1)"], split="90/10"))
    assert seen == [done.record.card.train.tokens + done.record.card.valid.tokens]
    pipeline.run(small(small_text, tmp_path, models=["ngram(order=1)"], split="90/5/5"))
    assert len(seen) == 1


def test_plan_survives_json(small_text: Path, tmp_path: Path) -> None:
    plan = small(small_text, tmp_path, train_seconds=3.5, split="80/10/10")
    again = Plan.of(json.loads(json.dumps(plan.as_json())))
    assert again.specs() == plan.specs()
    assert again.as_json() == plan.as_json()


def test_a_run_of_a_relative_path_goes_on_from_any_folder(
    small_text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def poor(*_: object) -> None:
        raise LmbenchError("no")

    shutil.copy(small_text, tmp_path / "text.txt")
    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Ngram, "fit", poor)
        done = pipeline.run(small(Path("text.txt"), Path("out")))
    folder = done.folder.resolve()
    monkeypatch.chdir(small_text.parent)
    assert pipeline.resume(folder).record.failures == []


def test_a_corpus_is_not_mistaken_for_a_folder_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "python-help").mkdir()
    monkeypatch.chdir(tmp_path)
    assert Plan(source="python-help").anchored().source == "python-help"


def test_report_is_written_beside_the_record(small_run: Run) -> None:
    text = (small_run.folder / "report.html").read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert (small_run.folder / "report-ranking.png").read_bytes().startswith(b"\x89PNG")
