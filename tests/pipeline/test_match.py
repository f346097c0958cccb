from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lmbench import pipeline, store
from lmbench.errors import LmbenchError, UsageError
from lmbench.model._neural import Neural
from lmbench.pipeline import Plan
from lmbench.pipeline.job import prepare
from lmbench.pipeline.match import best_ngram, in_order, trains, with_controls
from lmbench.pipeline.passing import VALID, crossing, with_passes
from lmbench.progress import Silent
from lmbench.record import Row
from lmbench.runtime import Runtime
from lmbench.spec import parse
from lmbench.tokens import Tokens
from lmbench.training import evaluation
from lmbench.training.evaluation import validation_windows
from lmbench.training.loop import Loop

NET = "transformer(layers=1, heads=1, context=32, batch=256, patience=100)"


def small(text: Path, out: Path, **changes: Any) -> Plan:
    plan = Plan(
        source=str(text), tokenizer="byte", models=[NET, "ngram(order=1)", "ngram(order=3)"], estimators=[],
        device="cpu", out=out, split="60/20/20",
    )  # fmt: skip
    return replace(plan, **changes)


@pytest.fixture(scope="module")
def by_bytes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pipeline.Run]:
    """A net as wide as the best n-gram's files allow, validated on a sample, and the same net on tokens in random
    order."""
    out = tmp_path_factory.mktemp("match")
    generator = np.random.default_rng(3)
    words = ["".join(generator.choice(list("abcdefgh"), size=size)) for size in generator.integers(3, 8, 300)]
    (out / "words.txt").write_text(" ".join(generator.choice(words, size=6_000)), encoding="ascii")
    ngrams = ["ngram(order=2)", "ngram(order=1)", "ngram(order=4)"]
    plan = small(out / "words.txt", out, models=[NET, *ngrams], match="bytes", train_flops=2e9, shuffle_labels=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "_VALIDATION", {"cpu": 2_000})
        yield pipeline.run(plan)


def validation(run: pipeline.Run) -> Tokens:
    return prepare(Plan.of(run.record.plan), Silent()).valid


def by_name(run: pipeline.Run) -> dict[str, Row]:
    return {row.model: row for row in run.record.rows}


def test_a_net_takes_no_more_bytes_than_the_best_ngram_on_validation(by_bytes: pipeline.Run) -> None:
    rows = by_name(by_bytes)
    ngrams = [row for name, row in rows.items() if name.startswith("ngram")]
    best = min(ngrams, key=lambda row: row.valid_nats_per_token or 9.0)
    net = rows[NET]
    assert best is best_ngram(by_bytes.record.rows)
    assert 0.5 * best.bytes_on_disk < net.bytes_on_disk <= best.bytes_on_disk
    width = net.training["options"]["width"]  # type: ignore[index,call-overload]
    assert any(f"width {width}, the widest" in note and best.model in note for note in net.notes)
    assert net.training["flops"] == pytest.approx(2e9, rel=0.1)
    assert [row.model.split("(")[0] for row in by_bytes.record.rows][:3] == ["ngram"] * 3  # n-grams come first


def test_validation_loss_of_counts_is_in_the_record_and_is_exact(by_bytes: pipeline.Run, small_text: Path) -> None:
    row = by_name(by_bytes)["ngram(order=2)"]
    model = pipeline.load_model(by_bytes.folder, row)
    kept = np.load(by_bytes.folder / row.folder / VALID)
    again = model.log_probs(validation(by_bytes), Silent())
    assert kept == pytest.approx(again, abs=1e-12)
    assert row.valid_nats_per_token == pytest.approx(-again.mean())


def test_a_net_passes_counts_on_the_same_validation_tokens(by_bytes: pipeline.Run) -> None:
    rows = by_name(by_bytes)
    net = rows[NET]
    assert {each.model for each in net.passes} == {name for name in rows if name.startswith("ngram")}
    curve = [point["valid"] for point in net.training["curve"]]  # type: ignore[union-attr,index,call-overload]
    for each in net.passes:
        assert (each.seconds is not None) == (min(curve) <= each.nats_per_token)
    valid = validation(by_bytes)
    places = validation_windows(valid, 32, "cpu").targets()
    of_bigram = next(each for each in net.passes if each.model == "ngram(order=2)")
    kept = np.load(by_bytes.folder / rows["ngram(order=2)"].folder / VALID)
    assert 1_900 < len(places) <= 2_000
    assert of_bigram.nats_per_token == pytest.approx(-kept[places].mean())
    assert of_bigram.nats_per_token != pytest.approx(-kept.mean(), rel=1e-4)


def test_a_net_with_tokens_of_its_own_is_held_to_the_whole_validation_text(by_bytes: pipeline.Run) -> None:
    rows = by_name(by_bytes)
    training = {key: value for key, value in rows[NET].training.items() if key != "validation"}
    others = [row for row in by_bytes.record.rows if row.model != NET]
    record = by_bytes.record.model_copy(update={"rows": [rows[NET].model_copy(update={"training": training}), *others]})
    valid = validation(by_bytes)
    for each in with_passes(record, valid, by_bytes.folder).rows[0].passes:
        assert each.nats_per_token == pytest.approx(rows[each.model].valid_nats_per_token)


def test_a_control_knows_nothing_of_order_and_is_compared_with_nothing(by_bytes: pipeline.Run) -> None:
    rows = by_name(by_bytes)
    plain, control = rows[NET], rows[NET[:-1] + ", shuffled=true)"]
    assert control.control
    assert not plain.control
    assert control.behind is None
    assert control.passes == []
    assert all(row.behind is None or row.behind.best != control.model for row in rows.values())
    loss, known = control.training["training_loss"], plain.training["training_loss"]
    assert known["nats_per_token"] < loss["unigram_entropy"] - 0.05  # type: ignore[index,operator,call-overload]
    assert loss["nats_per_token"] > loss["unigram_entropy"] - 0.02  # type: ignore[index,operator,call-overload]
    assert control.nats_per_token is not None
    assert control.nats_per_token > plain.nats_per_token  # type: ignore[operator]
    assert any("no row of the comparison" in note for note in control.notes)
    assert store.find_row(by_bytes.record, "best").model != control.model


def test_a_net_trains_as_long_as_the_best_ngram_took(
    small_text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Runtime] = []
    fit = Neural.fit

    def watched(self: Neural, train: Tokens, valid: Tokens, progress: Any) -> Neural:
        seen.append(self.runtime)
        return fit(self, train, valid, progress)

    monkeypatch.setattr(Neural, "fit", watched)
    done = pipeline.run(small(small_text, tmp_path, match="seconds"))
    best = best_ngram(done.record.rows)
    assert best.model == "ngram(order=3)"
    assert [runtime.train_seconds for runtime in seen] == [best.fit_seconds]
    net = by_name(done)[NET]
    assert any(f"as long as it took to fit {best.model}" in note for note in net.notes)
    assert net.training["budget"] == {"tokens": None, "seconds": best.fit_seconds, "flops": None}


def test_the_test_text_does_not_choose_the_best(by_bytes: pipeline.Run) -> None:
    one, other = by_name(by_bytes)["ngram(order=1)"], by_name(by_bytes)["ngram(order=2)"]
    tempting = one.model_copy(update={"nats_per_token": 0.0, "valid_nats_per_token": 9.0})
    assert best_ngram([tempting, other]) is other
    score = other.model_copy(update={"valid_nats_per_token": 0.1, "distribution": False})
    assert best_ngram([score, other]) is other
    with pytest.raises(LmbenchError, match="no fitted n-gram with a finite validation loss"):
        best_ngram([by_name(by_bytes)[NET]])


def test_with_two_parts_validation_is_of_counts_that_had_not_seen_it(small_text: Path, tmp_path: Path) -> None:
    whole = pipeline.run(small(small_text, tmp_path, models=["ngram(order=3)", NET[:-1] + ", steps=3)"], split="80/20"))
    row = whole.record.rows[0]
    refitted = pipeline.load_model(whole.folder, row)
    valid = validation(whole)
    assert row.valid_nats_per_token is not None
    assert row.valid_nats_per_token > -refitted.log_probs(valid, Silent()).mean() + 0.02
    assert whole.record.rows[1].passes == []  # the net did see it


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"match": "seconds", "models": [NET]}, "the plan has none: add --model 'ngram"),
        ({"match": "bytes", "models": ["ngram"]}, "the plan has none: add --model transformer"),
        ({"shuffle_labels": True, "models": ["ngram"]}, "--shuffle-labels is about neural models"),
        ({"match": "seconds", "train_seconds": 3.0}, "leave --train-seconds out"),
        ({"match": "seconds", "train_flops": 1e9}, "leave --train-flops out"),
        ({"match": "seconds", "models": ["transformer(steps=3)", "ngram"]}, "steps is what --match seconds chooses"),
        ({"match": "bytes", "models": ["lstm(width=8)", "ngram"]}, "width is what --match bytes chooses"),
        ({"match": "bytes", "protocol": "prequential"}, "--match belongs to --protocol static"),
    ],
)
def test_a_fight_that_cannot_be_fair_is_refused_before_anything_is_read(
    tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        pipeline.run(small(tmp_path / "none.txt", tmp_path, **changes))
    assert list(tmp_path.iterdir()) == []


def test_an_ngram_too_small_to_match_fails_that_net_alone(small_text: Path, tmp_path: Path) -> None:
    done = pipeline.run(small(small_text, tmp_path, models=[NET, "ngram(order=1)"], match="bytes"))
    assert [row.model for row in done.record.rows] == ["ngram(order=1)"]
    assert "no width makes the net small enough" in done.record.failures[0].message


def test_order_of_work_and_who_trains_a_net() -> None:
    chosen = [parse(text) for text in ("lstm", "ngram", "pairs", "ngram(order=2)")]
    assert [str(spec) for spec in in_order(chosen, "bytes")] == ["ngram", "ngram(order=2)", "lstm", "pairs"]
    assert in_order(chosen, None) == chosen
    assert [str(spec) for spec in with_controls(chosen[:2])] == ["lstm", "lstm(shuffled=true)", "ngram"]
    assert trains(parse("mixture(models=[ngram, cache(model=lstm)])"))
    assert not trains(parse("mixture(models=[ngram, uniform])"))
    assert trains(parse("pretrained(gpt2, mode=finetune)"))
    assert not trains(parse("pretrained(gpt2)"))


def test_crossings_worked_by_hand() -> None:
    points = [{"valid": v, "seconds": s, "tokens": 10 * s, "flops": 100.0 * s} for v, s in ((3, 10), (1, 40), (2, 50))]
    assert crossing(points, 2.0) == pytest.approx({"seconds": 20.0, "tokens": 200.0, "flops": 2000.0})
    assert crossing(points, 3.5) == {"seconds": 10.0, "tokens": 100.0, "flops": 1000.0}  # at its first validation
    assert crossing(points, 1.0) == pytest.approx({"seconds": 40.0, "tokens": 400.0, "flops": 4000.0})
    untrained = {"valid": 5, "seconds": 0.0, "tokens": 0, "flops": 0.0}  # a pretrained net before its first step
    assert crossing([untrained, points[1]], 3.0) == {"seconds": 20.0, "tokens": 200.0, "flops": 2000.0}
    assert crossing(points, 0.9) is None
    assert crossing([], 1.0) is None


def full(*_: object) -> None:
    raise MemoryError


def test_a_net_whose_training_loss_does_not_fit_in_memory_is_kept_and_not_trained_again(
    small_text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = small(small_text, tmp_path, models=[NET.replace(")", ", steps=2, shuffled=true)")])
    with monkeypatch.context() as patch:
        patch.setattr(Neural, "measure_training_loss", full)
        done = pipeline.run(plan)
    assert "does not fit in memory" in done.record.failures[0].message
    monkeypatch.setattr(Neural, "fit", full)
    again = pipeline.resume(done.folder)
    [row] = again.record.rows
    assert row.training["training_loss"]
    home = done.folder / row.folder
    names = ("card.json", "config.json", "model.safetensors")
    assert row.bytes_on_disk == sum((home / name).stat().st_size for name in names)


def test_what_a_net_had_learnt_when_it_failed_is_gone_on_with(
    small_text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = small(small_text, tmp_path, models=[NET.replace(")", ", steps=2)")])
    with monkeypatch.context() as patch:
        patch.setattr(Neural, "save", full)
        done = pipeline.run(plan)
    [kept] = done.folder.glob("checkpoints/*/checkpoint.safetensors")
    monkeypatch.setattr(Loop, "_step", full)  # nothing is left to train
    assert pipeline.resume(done.folder).record.failures == []
    assert not kept.exists()
    assert not (done.folder / "checkpoints").exists()
