"""The conventions of other programs, each against a slow copy of its definition."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from commands import lmbench
from small_texts import alphabet, text

from lmbench.corpus.text import text_of
from lmbench.errors import LmbenchError, UsageError
from lmbench.model import models
from lmbench.model._of_net import OfNet
from lmbench.model.base import Model
from lmbench.pipeline import Plan, Run, run
from lmbench.pipeline.exporting import texts_of
from lmbench.progress import Silent
from lmbench.runtime import Runtime
from lmbench.score.protocol import protocols
from lmbench.score.protocol.base import Measured, piece_log_probs
from lmbench.score.protocol.lm_eval import windows
from lmbench.tokenizer import tokenizers
from lmbench.tokens import tokens_of

NGRAM, NET = "ngram(order=3)", "transformer(layers=1, width=16, heads=1, context=8)"
LSTM = "lstm(layers=1, width=8, back=8)"


@pytest.fixture(
    scope="module", params=[NGRAM, NET, LSTM, "suffix(smoothing=pitman_yor)", f"mixture([{NGRAM}, {NET}], gate=none)"]
)
def model(request: pytest.FixtureRequest) -> Model:
    fitted: Model = models.make(request.param, runtime=Runtime(train_tokens=300))
    return fitted.fit(text(1, 120, 80), text(2, 40), Silent())


def measured(model: Model, *lengths: int) -> Measured:
    tokens = text(3, *lengths)
    return Measured("m", model, tokens, model.log_probs(tokens, Silent()), texts_of(tokens))


def found(spec: str, model: Model, *lengths: int) -> dict[str, float]:
    return {each.name: each.value for each in protocols.make(spec).measure(measured(model, *lengths), Silent()).figures}


def test_windows_are_those_of_the_harness() -> None:
    """Its own rule, written down as its documentation has it: max_length and one token of context."""
    for size in range(1, 14):
        for length in range(1, 9):
            ids = list(range(10, 10 + size))
            wanted, predicted = [], min(length, size)
            wanted.append(([0, *ids[: predicted - 1]], ids[:predicted]))
            while predicted < size:
                count = min(size - predicted, length)
                end = predicted + count
                wanted.append((ids[end - length - 1 : end - 1], ids[end - count : end]))
                predicted += count
            made = [(piece[:-1].tolist(), piece[len(piece) - count :].tolist()) for piece, count in windows(
                np.array(ids), 0, length
            )]  # fmt: skip
            assert made == wanted
            assert [token for _, predictions in made for token in predictions] == ids


def test_a_piece_is_read_by_itself(model: Model) -> None:
    """Of a piece that begins a document it is what the model predicts there; of another, whatever stood before."""
    tokens = text(3, 7)
    end = tokens.vocabulary.end_of_text
    whole = np.concatenate([[end], tokens.ids[:7]]).astype(np.int64)
    known = Measured("m", model, tokens, model.log_probs(tokens, Silent()), None)
    first, middle = piece_log_probs(known, [whole, whole[3:7]], Silent())
    assert first == pytest.approx(known.log_probs[:7], abs=1e-5)
    assert len(middle) == 3
    again = piece_log_probs(known, [np.concatenate([whole[3:7], whole[:2]])], Silent())[0]
    assert middle == pytest.approx(again[:3], abs=1e-5)


def test_a_window_shorter_than_the_context_loses_what_stood_before() -> None:
    """An n-gram of order 3 given one token is the one of order 2 in the same model: its back-off."""
    tokens = text(3, 30)
    fitted: Model = models.make(NGRAM, runtime=Runtime()).fit(text(1, 120, 80), text(2, 40), Silent())
    known = Measured("m", fitted, tokens, fitted.log_probs(tokens, Silent()), None)
    [[second]] = piece_log_probs(known, [tokens.ids[4:6].astype(np.int64)], Silent())
    [[_, third]] = piece_log_probs(known, [tokens.ids[4:7].astype(np.int64)], Silent())
    assert third == pytest.approx(known.log_probs[6])
    assert second != pytest.approx(known.log_probs[5])


def test_lm_eval_by_hand(model: Model) -> None:
    """Windows as long as the text give its exact sum without the ends; words and bytes are those of the harness."""
    size = 6
    known = measured(model, size, size)
    total = -sum(known.log_probs[start : start + size].sum() for start in (0, size + 1))
    texts = known.texts or []
    got = found("lm-eval(max_length=8)", model, size, size)
    assert got["word_perplexity"] == pytest.approx(
        math.exp(total / sum(len(re.split(r"\s+", t)) for t in texts)), rel=1e-5
    )
    assert got["bits_per_byte"] == pytest.approx(total / sum(map(len, texts)) / math.log(2), rel=1e-5)
    assert got["byte_perplexity"] == pytest.approx(2 ** got["bits_per_byte"])
    assert got["token_perplexity"] == pytest.approx(math.exp(total / (2 * size)), rel=1e-5)


def test_nanogpt_is_the_mean_over_its_crops(model: Model) -> None:
    known = measured(model, 30, 20)
    got = found("nanogpt(block_size=4, batch=3, iterations=5, seed=9)", model, 30, 20)["loss"]
    stream = np.concatenate([known.tokens.ids[:30], known.tokens.ids[31:51]]).astype(np.int64)
    starts = np.random.default_rng(9).integers(0, len(stream) - 4, 15)
    losses = [-piece_log_probs(known, [stream[at : at + 5]], Silent())[0].mean() for at in starts.tolist()]
    assert got == pytest.approx(float(np.mean(losses)), abs=1e-5)


def test_kenlm_with_and_without_unknown_words() -> None:
    """p = 1/2, an unknown word with 1/16, the end with 1/4: 2^(7/3) and 2^(3/2)."""
    words = alphabet(2, b"\n")
    words = type(words)(words.tokens, words.end_of_text, unknown=1, lossless=False)
    tokens = tokens_of([[0, 1]], words)
    known = Measured("m", None, tokens, np.log(np.array([1 / 2, 1 / 16, 1 / 4])), None)  # type: ignore[arg-type]
    got = {each.name: each.value for each in protocols.make("kenlm").measure(known, Silent()).figures}
    assert got["Perplexity including OOVs"] == pytest.approx(2 ** (7 / 3))
    assert got["Perplexity excluding OOVs"] == pytest.approx(2 ** (3 / 2))
    assert (got["OOVs"], got["Tokens"]) == (1, 3)


def test_what_cannot_be_measured_so_is_one_line(model: Model) -> None:
    with pytest.raises(LmbenchError, match="too few"):
        found("nanogpt(block_size=100)", model, 30)
    with pytest.raises(UsageError, match="no protocol 'nanogptt'"):
        protocols.make("nanogptt")

    class Dumb:
        card = model.card

    known = measured(model, 30)
    with pytest.raises(LmbenchError, match="cannot be asked about a window"):
        piece_log_probs(Measured("m", Dumb(), known.tokens, known.log_probs, None), [known.tokens.ids], Silent())  # type: ignore[arg-type]
    if isinstance(model, OfNet) and model.card.context:
        with pytest.raises(UsageError, match="reads at once"):
            found("lm-eval(max_length=9)", model, 30)


@pytest.fixture(scope="module")
def two(small_text: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    plan = Plan(
        source=str(small_text), tokenizer="byte", models=[NGRAM, NET], estimators=[], device="cpu", train_tokens=500,
        out=tmp_path_factory.mktemp("runs"),
    )  # fmt: skip
    return run(plan)


def test_score_prints_the_figure_the_exact_one_and_why(two: Run, tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text("the queen said the mat on a mat said " * 20, encoding="utf-8")
    shown = lmbench("score", two.folder, path, "--protocol", "lm-eval", "--model", "all", "-q")
    assert shown.exit_code == 0, shown.stderr
    for word in ("word_perplexity", "bits_per_byte", "overlap by one", "ends are not predicted"):
        assert word in shown.stdout
    lines = lmbench(
        "score", two.folder, path, "--protocol", "nanogpt(batch=2, iterations=3)", "--format", "jsonl", "-q"
    )
    [row] = map(json.loads, lines.stdout.splitlines())
    exact = lmbench("score", two.folder, path, "--format", "jsonl", "-q")
    assert row["exact"] == pytest.approx(json.loads(exact.stdout)["nats_per_token"])
    assert row["figure"] == "loss"
    assert lmbench("score", two.folder, path, "--protocol", "kenlm", "--per", "word").exit_code == 2


def test_texts_of_tokens_are_the_documents() -> None:
    documents = ["né 猫", "", "a\nb"]
    tokenizer = tokenizers.make("byte").train(text_of(documents), Silent())
    assert texts_of(tokenizer.encode(text_of(documents), None, Silent())) == documents


def test_a_text_that_is_impossible_is_infinite_and_no_warning() -> None:
    fitted: Model = models.make("ngram(order=3, smoothing=maximum_likelihood)", runtime=Runtime())
    fitted.fit(text(1, 40), text(2, 40), Silent())
    for spec, name in (("nanogpt(block_size=4)", "loss"), ("lm-eval", "bits_per_byte"), ("kenlm", "Tokens")):
        got = found(spec, fitted, 60)
        assert got[name] == (61 if name == "Tokens" else math.inf)
