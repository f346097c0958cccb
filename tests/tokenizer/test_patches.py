"""Patches are cut where the model of bytes is uncertain, and lose nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lmbench.corpus.text import text_of
from lmbench.errors import LmbenchError, UsageError
from lmbench.model import models
from lmbench.pipeline import Plan, run
from lmbench.progress import Silent
from lmbench.tokenizer import tokenizers
from lmbench.tokenizer._cache import load_tokenizer
from lmbench.tokenizer.base import STATE
from lmbench.tokenizer.byte import Byte

TEXT = text_of(["the cat sat on the mat and the cat said né to the mat " * 30, "", "吾輩は猫である。" * 20])


@pytest.mark.parametrize("rule", ["global", "rise"])
def test_a_patch_begins_where_the_entropy_is_above_the_threshold(rule: str) -> None:
    patches = tokenizers.make(f"patches(model=ngram(order=3), threshold=0.7, rule={rule})").train(TEXT, Silent())
    tokens = Byte().encode(TEXT, None, Silent())
    size = max(1, len(tokens) // 20)
    model = models.make("ngram(order=3)").fit(tokens.head(len(tokens) - size), tokens.tail(size), Silent())
    model.refit(tokens, Silent())
    content = TEXT.document(0).encode()[:200]
    entropies = []
    for place in range(len(content)):
        probs = np.exp(model.next_log_probs(np.frombuffer(content[:place], dtype=np.uint8)))
        entropies.append(-float((probs * np.log2(probs)).sum()))
    held = [0.0, *np.diff(entropies)] if rule == "rise" else entropies
    expected = [0, *(place for place in range(1, len(content)) if held[place] > 0.7)]
    [pieces] = patches._pieces(
        (tokens := Byte().encode(text_of([content.decode()]), None, Silent())), patches._values(tokens, Silent())
    )
    starts = np.cumsum([0, *map(len, pieces[:-1])]).tolist()
    assert starts == expected
    assert len(pieces) > 10


def test_without_a_threshold_patches_have_the_size_asked_for() -> None:
    for size in (3.0, 6.0):
        patches = tokenizers.make(f"patches(model=ngram(order=3), size={size})").train(TEXT, Silent())
        tokens = Byte().encode(TEXT, None, Silent())
        pieces = [piece for each in patches._pieces(tokens, patches._values(tokens, Silent())) for piece in each]
        assert TEXT.bytes / len(pieces) == pytest.approx(size, rel=0.25)


def test_the_vocabulary_is_the_most_frequent_patches_and_all_bytes() -> None:
    small = tokenizers.make("patches(model=ngram(order=3), size=4, vocabulary=262)").train(TEXT, Silent())
    large = tokenizers.make("patches(model=ngram(order=3), size=4)").train(TEXT, Silent())
    assert len(small.vocabulary) == 262
    assert large.vocabulary.tokens[:261] == small.vocabulary.tokens[:261]
    assert len(set(large.vocabulary.tokens)) == len(large.vocabulary)
    assert small.vocabulary.tokens[:256] == tuple(bytes([value]) for value in range(256))


def test_a_run_with_patches_has_bits_per_byte_beside_bpe(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text(TEXT.document(0) * 2, encoding="utf-8")
    plan = Plan(source=str(path), tokenizer="patches(model=ngram(order=3), size=4)", models=["ngram(order=2)"],
                estimators=["zlib"], device="cpu", out=tmp_path / "results")  # fmt: skip
    [row] = run(plan).record.rows
    assert row.bits_per_byte is not None
    assert 0 < row.bits_per_byte < 2
    assert row.bytes == pytest.approx(len(TEXT.document(0).encode()) * 2 / 20, abs=200)


@pytest.mark.parametrize(
    ("spec", "line"),
    [("patches(model=ngramm)", "there is no model 'ngramm'"), ("patches(size=1)", "more than 1 byte"),
     ("patches(vocabulary=100)", "at least 257"), ("patches(model=arpa(path=x.arpa))", "tokens of its own"),
     ("patches(threshold=inf)", "threshold must be")],
)  # fmt: skip
def test_settings_that_mean_nothing(spec: str, line: str) -> None:
    with pytest.raises(UsageError, match=line):
        tokenizers.make(spec)


def test_a_model_that_is_no_distribution_or_remembers_is_refused() -> None:
    for model in ("cache(model=ngram(order=2))", "ngram(order=2, smoothing=stupid_backoff)"):
        with pytest.raises(UsageError, match="give another model, such as ngram"):
            tokenizers.make(f"patches(model={model})").train(TEXT, Silent())
    with pytest.raises(LmbenchError, match="too short"):
        tokenizers.make("patches").train(text_of(["ab"]), Silent())


def test_a_state_that_is_another_ones_is_refused(tmp_path: Path) -> None:
    patches = tokenizers.make("patches(model=ngram(order=2))").train(TEXT, Silent())
    patches.save(tmp_path)
    state = json.loads((tmp_path / STATE).read_text(encoding="ascii"))
    for change in ({"rule": "x"}, {"at": "x"}, {"patches": ["ab", "ab"]}, {"size": 0}, {"model": "pretrained(x)"}):
        (tmp_path / STATE).write_text(json.dumps(state | change), encoding="ascii")
        with pytest.raises(LmbenchError, match=r"tokenizer\.state\.json"):
            load_tokenizer(tmp_path)
