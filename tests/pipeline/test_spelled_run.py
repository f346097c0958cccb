"""Runs whose words are spelled stand on one axis with characters; runs that lose text say how much."""

from __future__ import annotations

import math

import pytest

from lmbench import store
from lmbench.pipeline.job import Plan
from lmbench.pipeline.training_text import training_parts
from lmbench.pipeline.work import Run, run
from lmbench.report.lines import columns_of, lines_of
from lmbench.score.measure import BITS
from lmbench.score.paired import paired_difference_per_byte
from lmbench.tokens import Tokens

TEXT = "the cat sat on the mat.\nThe dog  sat on the cat.\n" * 20 + "a zebra ran\non a quay.\n\tthe end " * 3


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    folder = tmp_path_factory.mktemp("spelled")
    path = folder / "text.txt"
    path.write_text(TEXT, encoding="utf-8")

    def made(tokenizer: str) -> Run:
        plan = Plan(
            str(path), models=["ngram(order=2)", "uniform"], tokenizer=tokenizer, estimators=(), split="60/20/20",
            device="cpu", out=folder / "out", cache=folder / "cache",
        )  # fmt: skip
        return run(plan)

    return {name: made(name) for name in ("word", "word(unknown=spell)", "char")}


def test_spelled_words_have_the_figures_of_a_text(runs: dict[str, Run]) -> None:
    record, folder = runs["word(unknown=spell)"].record, runs["word(unknown=spell)"].folder
    test = record.card.test
    assert record.card.lossless
    tokens = Tokens.load(folder / "test")
    assert tokens.bytes == test.bytes == runs["char"].record.card.test.bytes
    assert tokens.content() in TEXT
    for row in record.rows:
        nats = -math.fsum(store.read_log_probs(folder, row))
        assert row.bits_per_byte == pytest.approx(nats * BITS / test.bytes)
        assert row.word_perplexity == pytest.approx(math.exp(nats / len(tokens.content().split())))
        assert row.unknown_share is not None
    ngram, uniform = record.rows
    beside = tokens.unknown_log_probs
    assert beside is not None
    known = math.log(len(tokens.vocabulary)) * len(tokens)
    assert uniform.nats_per_token == pytest.approx((known - beside.sum()) / len(tokens))
    assert ngram.nats_per_token is not None
    assert ngram.nats_per_token < (uniform.nats_per_token or 0)


def test_they_are_compared_with_characters_byte_by_byte(runs: dict[str, Run]) -> None:
    sides = []
    for name in ("word(unknown=spell)", "char"):
        folder, row = runs[name].folder, runs[name].record.rows[0]
        sides.append((store.read_log_probs(folder, row), Tokens.load(folder / "test")))
    found = paired_difference_per_byte(*sides)
    one, other = (runs[name].record.rows[0].bits_per_byte or 0.0 for name in ("word(unknown=spell)", "char"))
    assert found.value == pytest.approx(one - other)


def test_the_share_of_unknown_tokens_stands_beside_what_loses_them(runs: dict[str, Run]) -> None:
    headers = {name: [column.header for column in columns_of(lines_of(run.record))] for name, run in runs.items()}
    assert "unknown" in headers["word"]
    assert "per word" not in headers["word"]
    for name in ("word(unknown=spell)", "char"):
        assert "unknown" not in headers[name]
        assert "per word" in headers[name]
    row = runs["word"].record.rows[0]
    tokens = Tokens.load(runs["word"].folder / "test")
    assert row.unknown_share == pytest.approx((tokens.ids == 0).mean())
    assert row.word_perplexity is None


def test_its_training_text_is_found_again(runs: dict[str, Run]) -> None:
    train, valid = training_parts(runs["word(unknown=spell)"].folder)
    assert train.hash == runs["word(unknown=spell)"].record.card.train.tokens_hash
    assert valid.content() in TEXT
