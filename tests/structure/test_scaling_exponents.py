"""The exponents that predict how loss falls with data, and the whole measurement of one text."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from lmbench.entropy._symbols import symbols_of
from lmbench.progress import Silent
from lmbench.record import finite
from lmbench.report.structure import lines_of, page
from lmbench.spec import parse
from lmbench.structure.dependence import dependence
from lmbench.structure.measure import structure
from lmbench.structure.pairs import sequence_of
from lmbench.structure.scaling import Exponent, correlation_exponent, decay_exponent, loss_exponent, prediction
from lmbench.tokens import Tokens, Vocabulary

FOUR = Vocabulary((b"a", b"b", b"c", b"d", b""), 4)


def tokens(ids: np.ndarray) -> Tokens:
    return Tokens(np.append(ids, 4).astype(np.uint8), np.zeros(1, dtype=np.int64), FOUR)


def known(value: float | None, interval: tuple[float, float] | None) -> Exponent:
    return Exponent(value, interval, 0.0, "", [], [])


@pytest.fixture(scope="module")
def text() -> Tokens:
    """Spans whose lengths have a heavy tail, one symbol each but for one place in ten."""
    rng = np.random.default_rng(8)
    lengths = np.minimum((rng.random(6000) ** (-1 / 1.5)).astype(np.int64), 5000)
    ids = np.repeat(rng.integers(0, 4, len(lengths)), lengths)
    noise = rng.random(len(ids)) < 0.1
    return tokens(np.where(noise, rng.integers(0, 4, len(ids)), ids))


def test_the_papers_own_numbers() -> None:
    """TinyStories of arXiv 2602.07488v1: gamma 0.34 and beta 0.88 predict 0.19."""
    value, interval = prediction(known(0.34, (0.30, 0.40)), known(0.88, (0.80, 1.0)))
    assert value == pytest.approx(0.34 / 1.76)
    assert interval == pytest.approx((0.30 / 2.0, 0.40 / 1.6))


def test_nothing_is_predicted_from_what_is_not_known() -> None:
    assert prediction(known(None, None), known(0.9, None)) == (None, None)
    assert prediction(known(0.3, None), known(-0.1, None)) == (None, None)
    assert prediction(known(-0.2, None), known(0.9, None)) == (None, None)
    assert prediction(known(0.3, None), known(0.9, None)) == (pytest.approx(1 / 6), None)


def test_beta_is_the_decay_of_the_norm(text: Tokens) -> None:
    found = dependence(sequence_of(symbols_of(text)), Silent())
    beta = correlation_exponent(found)
    assert found.correlation.decay is not None
    assert beta.value == found.correlation.decay.exponent
    assert beta.value == pytest.approx(0.5, abs=0.25)


def test_gamma_of_a_chain_of_order_one_has_nothing_to_fall() -> None:
    rng = np.random.default_rng(11)
    chain = tokens(np.cumsum(1 + (rng.random(30_000) < 0.25)) % 4)
    gamma = decay_exponent(symbols_of(chain), chain, Silent())
    assert gamma.values[0] == pytest.approx(0.75 * math.log2(4 / 3) + 0.5, abs=0.02)
    assert gamma.values[-1] == pytest.approx(gamma.values[0], abs=0.03)


def test_loss_of_a_model_that_learns_nothing_does_not_fall(text: Tokens) -> None:
    found = loss_exponent(text, parse("uniform"), Silent())
    assert found.values == pytest.approx([math.log2(5) * len(text) / (len(text) - 1)] * len(found.values))
    learnt = loss_exponent(text, parse("ngram(order=3)"), Silent())
    assert max(learnt.values) < found.values[0]


def test_the_whole_of_it_as_json_as_a_table_and_as_a_page(text: Tokens) -> None:
    found = structure(text, "char", text, "char", parse("ngram(order=3)"), Silent())
    content = json.loads(json.dumps(finite(found.json()), allow_nan=False))
    assert content["scaling"]["model"] == "ngram(order=3)"
    assert content["dependence"]["information"]["decay"]["better"] == "power law"
    assert content["zipf"] is None
    assert "50 types" in content["refused"]["zipf"]
    lines = {name: value for name, value, _, _ in lines_of(found)}
    assert lines["beta: |C(d)| ~ d^-beta"] == f"{content['scaling']['beta']['value']:.3f}"
    assert lines["Zipf: frequency ~ rank^-z"] == "–"
    assert page(found, "a <b> text", "lead").count("<svg") == 1
    assert "a &lt;b&gt; text" in page(found, "a <b> text", "lead")
    again = structure(text, "char", text, "char", parse("ngram(order=3)"), Silent())
    assert again.json() == found.json()
