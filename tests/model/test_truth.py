"""Models on a source whose entropy rate is known: the right one comes down to it, and none goes below."""

from __future__ import annotations

import numpy as np
import pytest
from small_texts import alphabet

from lmbench.corpus.builtin.markov import Markov, entropy_rate
from lmbench.model import models
from lmbench.progress import Silent
from lmbench.runtime import Runtime
from lmbench.score.measure import measure
from lmbench.tokens import Tokens

SYMBOLS, TRAIN, TEST = 6, 60_000, 20_000
VOCABULARY = alphabet(SYMBOLS)
TRUTH_SLACK = 1e-3  # bits: a model may know this test text better than its source does, by chance


class Source:
    """An order-2 chain; `surprisal`, the mean of -log2 p of the test text under the source itself."""

    def __init__(self) -> None:
        source = Markov(order=2, symbols=SYMBOLS, size=TRAIN + TEST + 5000, branching=3)
        random = np.random.default_rng(11)
        successors, probabilities = source.table(random)
        stationary = source.stationary(successors, probabilities)
        self.rate = entropy_rate(stationary, probabilities)
        drawn = b"".join(source._sample(random, successors, probabilities, stationary, Silent()))
        ids = np.frombuffer(drawn, dtype=np.uint8) - 97
        parts = np.split(ids, [TRAIN, TRAIN + 5000])
        self.train, self.valid, self.test = (tokens(part) for part in parts)
        table = np.zeros((SYMBOLS**2, SYMBOLS))
        np.put_along_axis(table, successors, probabilities, axis=1)
        test = parts[2].astype(np.int64)
        self.surprisal = float(-np.log2(table[test[:-2] * SYMBOLS + test[1:-1], test[2:]]).mean())


def tokens(ids: np.ndarray) -> Tokens:
    return Tokens(np.append(ids, SYMBOLS).astype(np.uint8), np.zeros(1, dtype=np.int64), VOCABULARY)


@pytest.fixture(scope="module")
def source() -> Source:
    return Source()


def bits(source: Source, spec: str) -> tuple[float, tuple[float, float]]:
    model = models.make(spec, runtime=Runtime("cpu", 0)).fit(source.train, source.valid, Silent())
    score = measure(model.log_probs(source.test, Silent()), source.test, distribution=True)
    assert score.bits_per_token is not None
    assert score.ci95_nats_per_token is not None
    low, high = (bound / np.log(2) for bound in score.ci95_nats_per_token)
    return score.bits_per_token, (low, high)


def test_an_ngram_of_order_3_comes_down_to_the_rate(source: Source) -> None:
    value, (low, high) = bits(source, "ngram(order=3)")
    assert low < source.rate < high
    assert value == pytest.approx(source.surprisal, abs=0.01)
    shorter, _ = bits(source, "ngram(order=2)")
    assert shorter > source.rate + 0.1  # one symbol of context is not enough: the test can fail


@pytest.mark.parametrize(
    "spec",
    ["ngram(order=2)", "ngram(order=3)", "ngram(order=3, smoothing=witten_bell)", "ngram(order=5)",
     "suffix(smoothing=pitman_yor)", "pairs", "uniform"],
)  # fmt: skip
def test_no_model_goes_below_the_rate(source: Source, spec: str) -> None:
    # On these very symbols nothing beats the source's own probabilities by more than chance.
    value, (_, high) = bits(source, spec)
    assert high > source.rate
    assert value > source.surprisal - TRUTH_SLACK
