from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from small_texts import alphabet

from lmbench.errors import LmbenchError, UsageError
from lmbench.generation.sample import draw_texts
from lmbench.model import models
from lmbench.model.cache import Cache
from lmbench.pipeline import Plan, run
from lmbench.progress import Silent
from lmbench.tokens import Tokens, Vocabulary, tokens_of

VOCABULARY, LINES = alphabet(3), alphabet(3, b"\n")


def fitted(spec: str, train: Tokens, valid: Tokens) -> Cache:
    model: Cache = models.make(spec)
    return model.fit(train, valid, Silent())


def bursty(seed: int, documents: int) -> Tokens:
    """Each document is drawn from two of the three letters, nine to one."""
    rng = np.random.default_rng(seed)
    made = [rng.choice(rng.permutation(3)[:2], 80, p=[0.9, 0.1]).tolist() for _ in range(documents)]
    return tokens_of(made, VOCABULARY)


def test_probabilities_by_hand() -> None:
    """After "a b a", without validation the caches weigh 0.1: p(b) = 0.9 * 1/4 + 0.1 * 1/3 with unigrams alone."""
    train, nothing = tokens_of([[0]], VOCABULARY), tokens_of([], VOCABULARY)
    model = fitted("cache(model=uniform, half_lives=none, window=10, order=1)", train, nothing)
    probs = np.exp(model.next_log_probs(np.array([0, 1, 0])))
    assert probs == pytest.approx(np.array([0.225 + 0.2 / 3, 0.225 + 0.1 / 3, 0.225, 0.225]))
    assert any("no validation text" in note for note in model.card.notes)
    fading = fitted("cache(model=uniform, half_lives=[1], order=1)", train, nothing)
    probs = np.exp(fading.next_log_probs(np.array([0, 1, 0])))
    assert probs == pytest.approx(np.array([0.225 + 0.1 * 5 / 7, 0.225 + 0.1 * 2 / 7, 0.225, 0.225]))


def test_with_no_earlier_text_the_first_of_two_documents_is_as_alone() -> None:
    """Two lines "a b", "a": across=text the second begins with the count of a, b and the end of the first."""
    nothing = tokens_of([], LINES)
    model = fitted("cache(model=uniform, half_lives=none, window=10, order=1)", tokens_of([[0]], LINES), nothing)
    assert model.card.remembers
    assert "across=text" in model.card.notes[0]
    probs = np.exp(model.next_log_probs_after(np.array([0, 1, 3]), np.array([], dtype=np.int64)))
    assert probs == pytest.approx(np.array([0.225 + 0.1 / 3, 0.225 + 0.1 / 3, 0.225, 0.225 + 0.1 / 3]))
    scores = model.log_probs(tokens_of([[0, 1], [0]], LINES), Silent())
    assert np.exp(scores) == pytest.approx([0.25, 0.225, 0.225, 0.225 + 0.1 / 3, 0.225 + 0.1 / 4])


@pytest.mark.parametrize(("vocabulary", "across"), [(LINES, "text"), (VOCABULARY, "document")])
def test_where_each_document_is_a_line_the_cache_reaches_over_it(vocabulary: Vocabulary, across: str) -> None:
    model = fitted("cache(model=uniform)", tokens_of([[0]], vocabulary), tokens_of([[0]], vocabulary))
    assert model.across == across
    assert model.card.training["across"] == across


def test_lines_of_one_passage_gain_by_each_other() -> None:
    """Twenty lines in a row share their two letters: what earlier lines said is worth more than the line's own."""
    rng = np.random.default_rng(4)

    def passages(count: int) -> Tokens:
        lines = []
        for _ in range(count):
            pair = rng.permutation(3)[:2]
            lines += [rng.choice(pair, 6).tolist() for _ in range(20)]
        return tokens_of(lines, LINES)

    train, valid, test = passages(20), passages(10), passages(10)
    nats = {
        across: -fitted(f"cache(model=ngram(order=2), across={across})", train, valid).log_probs(test, Silent()).mean()
        for across in ("text", "document")
    }
    assert nats["text"] < nats["document"] - 0.05


def test_what_is_sampled_is_remembered_over_the_ends_of_lines() -> None:
    model = fitted("cache(model=uniform)", tokens_of([[0]], LINES), tokens_of([[0, 0, 0, 0]] * 20, LINES))
    drawn: list[int] = []
    differs = False
    for each in draw_texts(model, np.array([0]), 30, 3, seed=1):
        text = np.array([0, *drawn])
        begin = len(text) - next((n for n, token in enumerate(reversed(drawn)) if token == 3), len(text))
        told = model.next_log_probs_after(text[:begin], text[begin:])
        assert each.nats[0] == pytest.approx(-told[each.ids[0]], abs=1e-12)
        differs = differs or abs(model.next_log_probs(text[begin:])[each.ids[0]] - told[each.ids[0]]) > 0.01
        drawn.append(int(each.ids[0]))
    assert drawn.count(3) > 1
    assert differs


@pytest.mark.parametrize("tokenizer", ["word", "char"])
def test_lines_that_repeat_their_words(tokenizer: str, shared: Path, tmp_path: Path) -> None:
    path = shared / "cases" / "cache-lines.txt"
    plan = Plan(
        str(path), ["ngram(order=3)", "cache(model=ngram(order=3))"], tokenizer, [], lines=True, out=tmp_path,
        cache=tmp_path / "cache",
    )  # fmt: skip
    rows = {row.model: row.nats_per_token or 0.0 for row in run(plan).record.rows}
    assert rows["cache(model=ngram(order=3))"] < rows["ngram(order=3)"] - 0.02


def test_the_cache_learns_what_a_document_is_about() -> None:
    test = bursty(3, 20)
    model = fitted("cache(model=ngram(order=2), order=1)", bursty(1, 40), bursty(2, 20))
    alone = -model.base.log_probs(test, Silent()).mean()
    assert -model.log_probs(test, Silent()).mean() < alone - 0.1
    assert model.card.adaptive
    assert model.card.stored_ngrams == model.base.card.stored_ngrams


def test_where_there_is_nothing_to_remember_the_cache_keeps_out_of_the_way() -> None:
    rng = np.random.default_rng(5)
    train, valid, test = (tokens_of([rng.integers(0, 3, 3000).tolist()], VOCABULARY) for _ in range(3))
    model = fitted("cache(model=ngram(order=1))", train, valid)
    alone = -model.base.log_probs(test, Silent()).mean()
    assert -model.log_probs(test, Silent()).mean() < alone + 0.01


def test_documents_do_not_remember_each_other() -> None:
    model = fitted("cache(model=ngram(order=2), across=document, window=50)", bursty(1, 20), bursty(2, 10))
    test = bursty(3, 4)
    last = test.document(3)
    alone = model.log_probs(Tokens(last, np.zeros(1, dtype=np.int64), VOCABULARY), Silent())
    assert model.log_probs(test, Silent())[-len(last) :] == pytest.approx(alone, abs=1e-12)


def test_counting_anew_keeps_the_weights(tmp_path: Path) -> None:
    train, valid = bursty(1, 20), bursty(2, 10)
    model = fitted("cache(model=ngram(order=3))", train, valid)
    gate, stored = model.gate.copy(), model.card.stored_ngrams or 0
    model.refit(train + valid, Silent())
    assert np.array_equal(model.gate, gate)
    assert (model.card.stored_ngrams or 0) > stored
    model.save(tmp_path)
    again = Cache.load(tmp_path)
    assert np.array_equal(again.log_probs(valid, Silent()), model.log_probs(valid, Silent()))


def test_a_score_cannot_be_interpolated() -> None:
    with pytest.raises(LmbenchError, match="is a score and no distribution"):
        fitted("cache(model=ngram(order=2, smoothing=stupid_backoff))", bursty(1, 2), bursty(2, 2))


WRONG = ["window=0", "order=0", "order=33", "model=nothing", "across=line"]
WRONG += ["half_lives=[]", "half_lives=none", "half_lives=[0]"]


@pytest.mark.parametrize("options", WRONG)
def test_values_that_mean_nothing(options: str) -> None:
    with pytest.raises(UsageError):
        models.make(f"cache({options})")


def test_damage_is_named(tmp_path: Path) -> None:
    model = fitted("cache(model=uniform)", bursty(1, 2), bursty(2, 2))
    model.save(tmp_path)
    (tmp_path / "cache.json").write_text('{"model": "uniform", "window": 3}', encoding="utf-8")
    with pytest.raises(LmbenchError, match=r"cache.json: not a whole saved cache"):
        Cache.load(tmp_path)
    assert math.isfinite(model.next_log_probs(np.zeros(0, dtype=np.int64))[0])
