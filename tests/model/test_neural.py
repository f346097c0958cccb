from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_texts import alphabet

from lmbench.errors import LmbenchError, UsageError
from lmbench.model import models
from lmbench.model._neural import Neural
from lmbench.net import nets
from lmbench.progress import Silent
from lmbench.runtime import Runtime
from lmbench.tokens import Tokens, Vocabulary, tokens_of
from lmbench.training.evaluation import window_start
from lmbench.training.shuffle import unigram_entropy

VOCABULARY = alphabet(3)
TRAIN = tokens_of([[0, 1, 2] * 40, [1, 1], [2, 0] * 9], VOCABULARY)
VALID = tokens_of([[0, 1, 2] * 10], VOCABULARY)
SMALL = {"layers": 1, "width": 16, "heads": 2, "context": 8, "steps": 20, "patience": 100}


def fitted(train: Tokens = TRAIN, valid: Tokens = VALID, runtime: Runtime | None = None, **options: Any) -> Neural:
    return Neural("transformer", runtime, **{**SMALL, **options}).fit(train, valid, Silent())


def test_every_net_is_a_model_with_the_shared_options_and_listing_them_imports_no_torch() -> None:
    assert set(nets.names) <= set(models.names)
    plugin = models.describe("transformer")
    options = {option.name: option for option in plugin.options}
    assert {"layers", "heads", "dropout", "learning_rate", "batch", "stride"} <= options.keys()
    assert not {"vocabulary", "net", "runtime"} & options.keys()
    assert all(option.help for option in plugin.options)
    listing = "import sys; from lmbench.model import models; list(models); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", listing], check=True)


def test_options_reach_net_and_training_alike() -> None:
    model = models.make(
        "transformer(layers=1, width=16, heads=2, learning_rate=0.5, stride=3)", runtime=Runtime(seed=4)
    )
    assert model.options == {"layers": 1, "width": 16, "heads": 2}
    assert model.training.learning_rate == 0.5
    assert model.training.stride == 3
    assert model.runtime.seed == 4
    with pytest.raises(UsageError, match="has no option 'learning_rat'; did you mean 'learning_rate'"):
        models.make("transformer(learning_rat=1)")


@pytest.mark.parametrize("stride", [None, 1, 3, 8])
def test_a_prediction_sees_the_window_of_its_place(stride: int | None) -> None:
    model = fitted(stride=stride)
    document = np.array([0, 1, 2] * 9 + [3])
    tokens = Tokens(document, np.zeros(1, np.int64), VOCABULARY)
    scores = model.log_probs(tokens)
    found = [model.next_log_probs(document[:at])[document[at]] for at in range(len(document))]
    assert scores == pytest.approx(np.array(found), abs=1e-5)
    assert model.card.stride == (stride or 4)
    assert model.card.context == 8
    for at in (9, 15, 26):  # and what lies before the window is not seen
        start = window_start(at, 8, model.stride)
        changed = document[:at].copy()
        changed[: start - 1] = 1
        assert model.next_log_probs(changed) == pytest.approx(model.next_log_probs(document[:at]), abs=1e-6)
        changed[start - 1 :] = 1
        assert model.next_log_probs(changed) != pytest.approx(model.next_log_probs(document[:at]), abs=1e-6)


@pytest.mark.parametrize("name", ["lstm", "mingru"])
def test_a_recurrent_net_is_asked_token_by_token_or_at_once_with_the_same_answer(name: str) -> None:
    options = {"layers": 1, "width": 8, "back": 8, "steps": 5}
    model = Neural(name, **options).fit(TRAIN, VALID, Silent())
    assert model.card.context is None
    assert model.card.stride is None
    document = np.array([0, 1, 2] * 60 + [3])  # several blocks long
    growing = [model.next_log_probs(document[:at]) for at in range(len(document))]
    scores = model.log_probs(Tokens(document, np.zeros(1, np.int64), VOCABULARY))
    assert scores == pytest.approx(np.array([g[t] for g, t in zip(growing, document, strict=True)]), abs=1e-5)
    for at in (150, 20, 64, 180):  # to the bit, whatever was asked before
        assert np.array_equal(model.next_log_probs(document[:at]), growing[at])
    other = document[:70].copy()
    other[60] = 1  # in the block that is held
    assert not np.array_equal(model.next_log_probs(other), growing[70])
    assert np.array_equal(model.next_log_probs(document[:70]), growing[70])


def test_the_card_says_what_training_cost() -> None:
    model = fitted(batch=64)
    training = model.card.training
    assert training["steps"] == 20
    assert training["tokens"] == 20 * 64
    assert training["flops"] == training["flops_per_token"] * training["tokens"]
    assert model.card.parameters == training["parameters"] == sum(p.numel() for p in model.net.parameters())
    assert training["curve"][-1]["tokens"] == training["tokens"]
    assert training["best_validation"] < np.log(4)
    json.dumps(training, allow_nan=False)


def test_budgets_of_the_run_are_kept() -> None:
    few = fitted(steps=None, runtime=Runtime(train_tokens=1_000))
    assert 1_000 <= few.card.training["tokens"] < 1_300
    short = fitted(steps=None, runtime=Runtime(train_seconds=0.2))
    assert 0.2 <= short.card.training["seconds"] < 3


def test_a_budget_of_operations_is_kept_and_sizes_the_net_as_its_tokens_would() -> None:
    probe = fitted(steps=1).card.training["flops_per_token"]
    of_flops = fitted(steps=None, runtime=Runtime(train_flops=5_000 * probe))
    assert of_flops.card.training["flops"] == pytest.approx(5_000 * probe, rel=0.06)
    of_tokens = fitted(steps=None, runtime=Runtime(train_tokens=5_000))
    assert of_flops.options["dropout"] == of_tokens.options["dropout"] == 0.3  # read more than thirty times
    assert of_flops.card.training["tokens"] == of_tokens.card.training["tokens"]


def test_how_fast_the_output_layer_learns_is_chosen_for_the_budget_and_said() -> None:
    once, often = (fitted(steps=None, runtime=Runtime(train_tokens=n)).card.training for n in (len(TRAIN), 5_000))
    assert once["head_rate"] == pytest.approx(0.7)
    assert often["head_rate"] == pytest.approx(0.7 * (len(TRAIN) / 5_000) ** 0.5)
    assert fitted(head_rate=2.0).card.training["head_rate"] == 2.0
    lstm = Neural("lstm", Runtime(train_tokens=5_000), layers=1, width=8).fit(TRAIN, VALID, Silent())
    assert lstm.card.training["head_rate"] == 3.0


def test_files_stay_within_the_bytes_that_are_allowed(tmp_path: Path) -> None:
    given = {"layers": 2, "heads": 2, "context": 8, "steps": 60, "patience": 100}
    model = Neural("transformer", Runtime(stored_bytes=60_000), **given).fit(TRAIN, VALID, Silent())
    model.measure_training_loss(TRAIN)
    model.save(tmp_path)
    assert 25_000 < sum(path.stat().st_size for path in tmp_path.iterdir()) <= 60_000
    assert Neural.load(tmp_path).options["width"] == model.options["width"] > 8


@pytest.mark.parametrize("name", ["transformer", "lstm"])
def test_training_loss_is_measured_as_the_test_text_is(name: str) -> None:
    size = {"heads": 2, "context": 8} if name == "transformer" else {"back": 8}
    model = Neural(name, layers=1, width=16, steps=30, patience=100, **size).fit(TRAIN, VALID, Silent())
    model.measure_training_loss(TRAIN)
    loss = model.card.training["training_loss"]
    assert loss["tokens"] == len(TRAIN)
    assert loss["nats_per_token"] == pytest.approx(-model.log_probs(TRAIN).mean(), abs=1e-9)
    assert loss["unigram_entropy"] == pytest.approx(unigram_entropy(TRAIN))


def test_what_is_learnt_of_a_text_without_order_is_learnt_by_heart() -> None:
    options = {"width": 64, "steps": 150, "batch": 144, "dropout": 0.0, "weight_decay": 0.0, "shuffled": True}
    model = fitted(**options)
    model.measure_training_loss(TRAIN)
    loss = model.card.training["training_loss"]
    assert loss["unigram_entropy"] == pytest.approx(unigram_entropy(TRAIN))
    assert loss["nats_per_token"] < 0.5 * loss["unigram_entropy"]
    assert -model.log_probs(TRAIN).mean() > 1.5 * loss["unigram_entropy"]  # the text in its order is news to it
    assert model.card.control
    assert model.card.training["best_validation"] is None  # nothing stopped it early
    assert not fitted().card.control


def test_it_learns_what_there_is_to_learn() -> None:
    model = fitted(steps=150, learning_rate=0.02)
    assert -model.log_probs(VALID).mean() < 0.25  # a b c a b c ...


@pytest.mark.parametrize(
    "train", [[[]], [[], []], [[0]], [[0] * 50]], ids=["one token", "two ends", "two tokens", "one symbol"]
)
def test_next_to_nothing_to_learn_from(train: list[list[int]]) -> None:
    tokens = tokens_of(train, VOCABULARY)
    for valid in (VALID, VALID.head(0)):
        model = fitted(tokens, valid)
        assert np.isfinite(model.log_probs(VALID)).all()
        if len(tokens) < 8:
            assert f"context 8 shortened to {len(tokens)}" in model.card.notes[0]


def test_a_vocabulary_of_two() -> None:
    two = Vocabulary((b"a", b""), 1)
    model = fitted(tokens_of([[0] * 30], two), tokens_of([[0]], two))
    assert np.logaddexp.reduce(model.next_log_probs(np.array([0]))) == pytest.approx(0, abs=1e-5)


def test_no_text_to_train_on_and_a_text_of_another_vocabulary() -> None:
    with pytest.raises(LmbenchError, match="no tokens"):
        fitted(TRAIN.head(0))
    other = Vocabulary((b"a", b""), 1)
    with pytest.raises(LmbenchError, match="vocabulary of 4, asked about one of 2"):
        fitted().log_probs(tokens_of([[0]], other))


def test_a_gpu_that_is_not_there() -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(LmbenchError, match=r"no GPU.*--device cpu"):
        Neural("transformer", Runtime(device="cuda"))


@pytest.mark.parametrize("name", ["config.json", "card.json", "model.safetensors"])
@pytest.mark.parametrize("damage", [b"", b"{}", None])
def test_a_saved_net_that_is_not_whole_is_named(tmp_path: Path, name: str, damage: bytes | None) -> None:
    if name == "card.json" and damage == b"{}":
        pytest.skip("a card may be empty")
    fitted().save(tmp_path)
    path = tmp_path / name
    path.unlink() if damage is None else path.write_bytes(damage)
    with pytest.raises(LmbenchError, match=name.replace(".", r"\.")):
        Neural.load(tmp_path)


def test_weights_of_another_size_are_refused(tmp_path: Path) -> None:
    fitted().save(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    fitted(width=32).save(other)
    (other / "model.safetensors").replace(tmp_path / "model.safetensors")
    with pytest.raises(LmbenchError, match=r"config\.json: .*its options are not those of its weights"):
        Neural.load(tmp_path)


@pytest.mark.parametrize(
    "options",
    [
        {"batch": 0},
        {"learning_rate": -1.0},
        {"head_rate": -1.0},
        {"label_noise": 1.5},
        {"stride": 0},
        {"clip": 0.0},
        {"dropout": 1.0},
    ],
)
def test_training_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(options))):
        fitted(**options)
