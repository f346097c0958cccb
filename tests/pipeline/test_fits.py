"""What rows have in common is fitted once, whoever asks first, and a mixture is never of older parts than its row's."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_texts import VOCABULARY

from lmbench import pipeline, store
from lmbench.model import mixture as mixtures
from lmbench.model._components import components_of, filled
from lmbench.model._neural import Neural
from lmbench.model.mixture import Mixture
from lmbench.model.ngram import Ngram
from lmbench.pipeline import Interrupted, Plan, work
from lmbench.pipeline.fits import FITS, Task
from lmbench.pipeline.sharing import FITTED
from lmbench.progress import Silent
from lmbench.record import Row
from lmbench.runtime import Runtime
from lmbench.spec import parse
from lmbench.tokens import Tokens, tokens_of

NET = "transformer(layers=1, heads=1, width=16, context=32, batch=128, steps=10, patience=100)"
SAME = "transformer(steps=10, layers=1, heads=1, width=16, context=32, batch=128, patience=100, precision=auto)"
MIXTURE = f"mixture(models=[ngram(order=2), {NET}])"


@pytest.fixture(autouse=True)
def _no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its pictures take longer than all the fits."""
    monkeypatch.setattr(work, "run_page", lambda *_: None)


@pytest.fixture
def words(tmp_path: Path) -> Path:
    generator = np.random.default_rng(3)
    known = ["".join(generator.choice(list("abcdefgh"), size=size)) for size in generator.integers(3, 8, 200)]
    path = tmp_path / "words.txt"
    path.write_text(" ".join(generator.choice(known, size=1_500)), encoding="ascii")
    return path


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Every fit of a net or an n-gram: its name and the tokens it was fitted on."""
    seen: list[tuple[str, int]] = []

    def watched(kind: type[Any], name: str) -> None:
        fit = kind.fit

        def fit_and_tell(self: Any, train: Tokens, valid: Tokens, progress: Any) -> Any:
            seen.append((name, len(train)))
            return fit(self, train, valid, progress)

        monkeypatch.setattr(kind, "fit", fit_and_tell)

    watched(Neural, "net")
    watched(Ngram, "ngram")
    return seen


def small(text: Path, **changes: Any) -> Plan:
    out = text.parent / "out"
    plan = Plan(source=str(text), tokenizer="byte", models=[NET, MIXTURE], estimators=[], device="cpu", out=out)
    return replace(plan, **changes)


def by_name(run: pipeline.Run) -> dict[str, Row]:
    return {row.model: row for row in run.record.rows}


def seconds(row: Row) -> dict[str, float]:
    return {each["key"]: each["seconds"] for each in row.training[FITTED]}  # type: ignore[union-attr,index,call-overload,misc]


def test_rows_and_models_inside_rows_are_fitted_once_in_any_order(words: Path, fitted: list[tuple[str, int]]) -> None:
    rows = [NET, MIXTURE, f"cache(model={SAME})", "ngram(order=2)"]
    first = pipeline.run(small(words, models=rows, split="90/10"))
    card = first.record.card
    texts = [card.train.tokens, card.train.tokens + card.valid.tokens]
    assert sorted(fitted) == sorted([*(("net", text) for text in texts), ("ngram", card.train.tokens)])
    fitted.clear()
    second = pipeline.run(small(words, models=rows[::-1], split="90/10"))
    assert len(fitted) == len(texts) + 1
    one, other = by_name(first), by_name(second)
    for name in rows:
        assert one[name].nats_per_token == other[name].nats_per_token
        assert one[name].bytes_on_disk == pytest.approx(other[name].bytes_on_disk, abs=500)  # digits of seconds
    assert not (first.folder / FITS).exists()


def test_a_row_says_what_all_of_it_costs_and_what_it_shares(words: Path) -> None:
    rows = by_name(pipeline.run(small(words, models=[MIXTURE, NET, "ngram(order=3)"], split="90/10")))
    whole, net = rows[MIXTURE], rows[NET]
    parts = seconds(whole)
    assert len(parts) == 6  # the n-gram counted and counted anew, the net trained twice, the weights and the rest
    assert whole.fit_seconds == pytest.approx(sum(parts.values()))
    assert seconds(net).items() <= parts.items()
    assert whole.bytes_on_disk > net.bytes_on_disk
    [cost] = [note for note in whole.notes if note.startswith("its fit is that of its parts")]
    assert f"{NET} " in cost
    assert "once more with it" in cost
    assert any(f"{NET} (also in {NET})" in note and "ngram" not in note for note in whole.notes)
    assert any(f"(also in {MIXTURE})" in note for note in net.notes)
    assert not any("also in" in note or "its parts" in note for note in rows["ngram(order=3)"].notes)


@pytest.mark.parametrize("links", [True, False])
def test_a_saved_mixture_is_whole_alone(words: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    def none(*_: object) -> None:
        raise OSError("this file system has no links")

    if not links:
        monkeypatch.setattr(os, "link", none)
    run = pipeline.run(small(words, split="90/10"))
    rows = by_name(run)
    home = run.folder / rows[MIXTURE].folder
    weights = [home / "1" / "model.safetensors", run.folder / rows[NET].folder / "model.safetensors"]
    assert weights[0].read_bytes() == weights[1].read_bytes()  # its net is the row's, which knows the validation text
    assert weights[0].samefile(weights[1]) == links
    expected = store.read_log_probs(run.folder, rows[MIXTURE])
    test = Tokens.load(run.folder / "test")
    alone = words.parent / "alone"
    home.rename(alone)
    shutil.rmtree(run.folder / "models")
    assert Mixture.load(alone).log_probs(Tokens(np.array(test.ids), test.documents, test.vocabulary), Silent()) == (
        pytest.approx(expected, abs=1e-12)
    )


def test_what_was_fitted_before_a_kill_is_not_fitted_again(
    words: Path, fitted: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(mixtures, "mixture_weights", stop)
        with pytest.raises(Interrupted, match="0 of 2 models are kept"):
            pipeline.run(small(words, models=[MIXTURE, NET], split="80/10/10"))
    [folder] = (words.parent / "out").iterdir()
    assert len(list((folder / FITS).glob("*/fit.json"))) == 2
    assert len(fitted) == 2
    fitted.clear()
    done = pipeline.resume(folder)
    assert fitted == []
    whole = pipeline.run(small(words, models=[NET, MIXTURE], split="80/10/10"))
    for name, row in by_name(done).items():
        assert row.nats_per_token == by_name(whole)[name].nats_per_token
        assert row.training["training_loss" if row.model == NET else "weights"]


def test_a_mixture_of_two_parts_is_no_worse_than_its_net(words: Path) -> None:
    """The more text the net has seen, the better it is here, and beside it is only a model that knows nothing."""
    net = NET.replace("steps=10", "steps=150")
    name = f"mixture(models=[uniform, {net}])"
    rows = by_name(pipeline.run(small(words, models=[name, net], split="30/70")))
    assert rows[name].nats_per_token < rows[net].nats_per_token + 0.003  # type: ignore[operator]


def test_the_key_is_of_all_that_decides_and_of_nothing_else() -> None:
    texts = [tokens_of([[0, 1, 2] * size], VOCABULARY) for size in (5, 2, 6)]
    runtime = Runtime(seed=1, train_tokens=100)

    def key(spec: str, *given: Tokens, **changes: Any) -> str:
        return Task.of(parse(spec), replace(runtime, **changes), *(given or texts[:2])).key

    same = ["ngram", "ngram(5)", "ngram(order=5)", "ngram(smoothing=modified_kneser_ney, order=5)"]
    assert len({key(spec) for spec in same}) == 1
    assert key("mixture(models=[ngram, lstm])") == key("mixture([ngram(5), lstm(steps=none)])")
    assert key("lstm(dropout=0)") == key("lstm(dropout=0.0)")
    assert key("ngram", train_tokens=200) == key("ngram")  # a budget that nothing in it has
    others = [
        key("ngram"), key("ngram(order=4)"), key("lstm"), key("lstm", train_tokens=200), key("lstm", stored_bytes=9),
        key("ngram", seed=2), key("ngram", device="cuda"), key("ngram", texts[2], texts[1]),
        key("ngram", texts[0], texts[2]), key("ngram", *texts), key("cache(model=lstm)"),
        key("cache(model=lstm)", train_tokens=200),
    ]  # fmt: skip
    assert len(set(others)) == len(others)


def test_specs_inside_specs() -> None:
    found = components_of(parse("mixture(models=[cache(model=lstm), ngram(smoothing=absolute), cache])"))
    assert [spec.name for spec in found] == ["cache", "lstm", "ngram", "cache", "ngram"]
    assert str(filled(parse("uniform"))) == "uniform"
    once = filled(parse("ngram(order=3, smoothing=absolute)"))
    assert filled(once) == once
