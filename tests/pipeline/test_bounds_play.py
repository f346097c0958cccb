"""Shannon's game played by the models of a run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from lmbench import store
from lmbench.errors import UsageError
from lmbench.model.base import window_log_probs
from lmbench.pipeline import Plan, Run, load_model, run
from lmbench.pipeline.bounds import CONTEXTS, drawn, guesses_tokens, play, reachable
from lmbench.score.shannon import Ranks, bounds
from lmbench.tokens import Tokens, Vocabulary, tokens_of

MODELS = [
    "ngram(order=4)",
    "ngram(order=3, smoothing=additive)",
    "suffix",
    "uniform",
    "transformer(layers=1, width=16, heads=1, context=12, steps=6)",
    "lstm(layers=1, width=8, steps=4)",
]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run on a source of order 2, whose entropy rate is known."""
    plan = Plan(
        source="markov(order=2, symbols=5, size=40000, seed=3)",
        tokenizer="char",
        split="80/20",
        models=MODELS,
        estimators=[],
        device="cpu",
        out=tmp_path_factory.mktemp("results"),
    )
    return run(plan)


def test_an_order_3_model_of_an_order_2_source_brackets_its_rate(played: Run) -> None:
    [truth] = [item.bits_per_character for item in played.record.entropy if item.kind == "true rate"]
    assert truth is not None
    [made] = play(played.folder, played.record, played.record.rows[:1], [0, 1, 2, 3, 8], 3000)
    by_context = {point.context: point for point in made.points}
    assert list(by_context) == [0, 1, 2, 3, 8]
    for context in (2, 3, 8):
        point = by_context[context]
        assert point.lower < truth < point.upper
        assert point.cross_entropy == pytest.approx(truth, abs=0.08)
    assert by_context[0].upper > by_context[1].upper > by_context[2].upper
    assert by_context[0].cross_entropy > by_context[2].cross_entropy + 0.1  # type: ignore[operator]
    assert by_context[8].model_copy(update={"context": 3}) == by_context[3]
    assert made.notes == [
        "with no context: the token frequencies of the training text",
        "with fewer than 3 tokens of context: the same model of a lower order, counted anew",
    ]


def test_every_kind_of_model_plays_on_the_same_tokens(played: Run) -> None:
    made = play(played.folder, played.record, played.record.rows, [0, 1, 5, 20], 60)
    assert [item.model for item in made] == [row.model for row in played.record.rows]
    assert len({(point.lower, point.upper) for item in made for point in item.points if point.context == 0}) == 1
    size = made[0].alphabet
    for item in made:
        assert [point.context for point in item.points] == [0, 1, 5, 20]
        assert item.positions == 60
        for point in item.points:
            assert 0 <= point.lower <= point.upper <= np.log2(size) + 1e-9
    uniform = next(item for item in made if item.model == "uniform")
    assert uniform.points[1].upper == pytest.approx(np.log2(size))


def test_ranks_are_those_of_asking_one_position_after_the_other(played: Run) -> None:
    tokens = Tokens.load(played.folder / "test")
    places = drawn(tokens, 7, 200, played.record.card.seed)
    model = load_model(played.folder, played.record.rows[0])
    before, ties, nats = [], [], []
    for place in places.tolist():
        scores = model.next_log_probs(tokens.ids[place - 3 : place])
        own = scores[tokens.ids[place]]
        before.append(int((scores > own + 1e-9).sum()))
        ties.append(int((np.abs(scores - own) <= 1e-9).sum()))
        nats.append(-own)
    expected = bounds(Ranks(np.array(before), np.array(ties), len(tokens.vocabulary)), played.record.card.seed)
    [made] = play(played.folder, played.record, played.record.rows[:1], [7], 200)
    assert made.points[0].upper == pytest.approx(expected.upper)
    assert made.points[0].lower == pytest.approx(expected.lower)
    assert made.points[0].cross_entropy == pytest.approx(np.mean(nats) / np.log(2))
    assert set(ties) == {1}
    assert made.points[0].shares[:8] == pytest.approx([before.count(rank) / 200 for rank in range(8)])
    assert sum(made.points[0].shares) == pytest.approx(1)
    assert len(made.points[0].shares) == len(made.groups)


def test_a_net_reads_its_window_and_nothing_before(played: Run) -> None:
    row = next(row for row in played.record.rows if row.model.startswith("transformer"))
    model = load_model(played.folder, row)
    windows = np.random.default_rng(0).integers(0, 5, (6, 30))
    found = window_log_probs(model, windows)
    assert np.allclose(np.exp(found).sum(axis=1), 1, atol=1e-5)
    assert np.allclose(found, window_log_probs(model, windows[:, -12:]), atol=1e-6)
    assert not np.allclose(found, window_log_probs(model, windows[:, -11:]), atol=1e-4)
    alone = np.concatenate([window_log_probs(model, window[None]) for window in windows])
    assert np.allclose(found, alone, atol=1e-5)
    with torch.inference_mode():
        hidden = model.net.hidden(torch.from_numpy(windows[:1, -12:]))  # type: ignore[attr-defined]
        oracle = model.net.logits(hidden)[0, -1].log_softmax(0)  # type: ignore[attr-defined]
    assert np.allclose(found[0], oracle.numpy(), atol=1e-5)


def test_a_recurrent_net_reads_all_of_its_window(played: Run) -> None:
    row = next(row for row in played.record.rows if row.model.startswith("lstm"))
    model = load_model(played.folder, row)
    windows = np.random.default_rng(0).integers(0, 5, (3, 20))
    found = window_log_probs(model, windows)
    assert np.allclose(np.exp(found).sum(axis=1), 1, atol=1e-5)
    assert found.shape == (3, len(Tokens.load(played.folder / "test").vocabulary))


def test_a_model_with_tokens_of_its_own_has_nothing_to_rank(played: Run) -> None:
    row = played.record.rows[0]
    own = row.model_copy(update={"nats_per_token": None, "bits_per_token": None})
    impossible = own.model_copy(update={"bits_per_byte": None})
    assert [guesses_tokens(each) for each in (row, own, impossible)] == [True, False, True]


def lines(count: int, length: int) -> Tokens:
    return tokens_of([[0] * length] * count, Vocabulary((b"a", b"\n"), 1))


def test_contexts_go_as_far_as_half_of_the_tokens_reach() -> None:
    assert reachable(lines(50, 9)) == [0, 1, 2, 3, 4, 5]
    assert reachable(lines(50, 0)) == [0]
    assert reachable(lines(1, 1000)) == list(CONTEXTS)


def test_positions_have_their_context_within_their_document() -> None:
    tokens = lines(50, 9)
    places = drawn(tokens, 6, 30, 0)
    assert len(set(places.tolist())) == 30
    assert (places % 10 >= 6).all()
    assert np.array_equal(places, drawn(tokens, 6, 30, 0))
    assert len(drawn(tokens, 9, 1000, 0)) == 50
    with pytest.raises(UsageError, match="shorter --contexts"):
        drawn(tokens, 10, 5, 0)


def test_what_needs_the_training_text_is_left_out_where_it_is_gone(
    played: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LMBENCH_CACHE", str(tmp_path / "cache"))
    record = played.record
    gone = record.model_copy(update={"plan": {**record.plan, "source": "-", "cache": str(tmp_path)}})
    content = json.loads((played.folder / store.RECORD).read_text(encoding="utf-8"))
    content["plan"] |= {"source": "-", "cache": str(tmp_path)}
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("tokenizer", "test", "models"):
        shutil.copytree(played.folder / name, folder / name)
    (folder / store.RECORD).write_text(json.dumps(content), encoding="utf-8")
    [made] = play(folder, gone, gone.rows[:1], [0, 2, 3], 50)
    assert [point.context for point in made.points] == [3]
    assert len(made.notes) == 3
    assert "here 50" in made.notes[2]
    assert "not at 0 tokens of context" in made.notes[0]
