"""The prequential code is the sum of what models fitted on the prefixes give, and sees nothing of what comes."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from lmbench.errors import LmbenchError
from lmbench.model.base import Model, ModelCard
from lmbench.model.ngram import Ngram
from lmbench.progress import Silent
from lmbench.runtime import Runtime
from lmbench.score.prequential import FIRST, block_bounds, learner, prequential_code
from lmbench.spec import parse
from lmbench.tokens import Tokens, Vocabulary, tokens_of

TWO = Vocabulary((b"0", b"1"), 1)


def ids_of(text: str, *, documents: tuple[int, ...] = (0,)) -> Tokens:
    return Tokens(np.array([int(c) for c in text], dtype=np.uint8), np.array(documents, dtype=np.int64), TWO)


class Frequencies:
    """p(w) = (count + 1/2) / (n + 1) of everything known, whatever the context; keeps what it was asked."""

    card = ModelCard()

    def __init__(self, past: Tokens) -> None:
        self.share = (past.ids == 1).sum() + 0.5
        self.share /= len(past) + 1

    def log_probs(self, tokens: Tokens, progress: object) -> NDArray[np.float64]:
        return np.log(np.where(tokens.ids == 1, self.share, 1 - self.share))


def learn(train: Tokens, valid: Tokens, past: Tokens, share: float) -> Model:
    return Frequencies(past)  # type: ignore[return-value]


def test_a_text_of_four_tokens_by_hand() -> None:
    """01 at one bit each; then one of two was a 1, so that 1 and 0 have (1 + 1/2) / (2 + 1) = 1/2."""
    code = prequential_code(learn, ids_of("0110"), np.array([0, 2, 4]), Silent())
    assert code.nats / math.log(2) == pytest.approx([2.0, 2.0])
    code = prequential_code(learn, ids_of("0010"), np.array([0, 2, 4]), Silent())
    # no 1 in two: p(1) = (1/2) / 3 = 1/6
    assert code.nats / math.log(2) == pytest.approx([2.0, math.log2(6) + math.log2(6 / 5)])


@pytest.mark.parametrize(("remembers", "asked"), [(False, [4, 3]), (True, [4, 6])])
def test_a_model_is_told_as_much_of_the_text_as_it_remembers(remembers: bool, asked: list[int]) -> None:
    """Documents 010 | 110 in blocks of two: from the beginning of the document, or from that of the text."""
    told = []

    class Listening(Frequencies):
        card = ModelCard(adaptive=True, remembers=remembers)

        def log_probs(self, tokens: Tokens, progress: object) -> NDArray[np.float64]:
            told.append(len(tokens))
            return super().log_probs(tokens, progress)

    def attentive(train: Tokens, valid: Tokens, past: Tokens, share: float) -> Model:
        return Listening(past)  # type: ignore[return-value]

    text = ids_of("010110", documents=(0, 3))
    prequential_code(attentive, text, np.array([0, 2, 4, 6]), Silent())
    assert told == asked


def test_blocks_double_up_to_the_whole() -> None:
    assert block_bounds(1000).tolist() == [0, 125, 250, 500, 1000]
    assert block_bounds(50).tolist() == [0, 50]
    assert block_bounds(1).tolist() == [0, 1]
    for length in (64, 127, 128, 5_000, 1_115_394):
        bounds = block_bounds(length)
        assert bounds[0] == 0
        assert bounds[-1] == length
        assert FIRST <= bounds[1] <= 2 * FIRST
        assert (np.diff(bounds) > 0).all()


@pytest.mark.parametrize("blocks", [1, 2, 7, 30])
def test_as_many_blocks_as_asked_for(blocks: int) -> None:
    assert len(block_bounds(100_000, blocks)) == blocks + 1


@pytest.fixture(scope="module")
def text() -> Tokens:
    vocabulary = Vocabulary((b"a", b"b", b"c", b""), 3)
    generator = np.random.default_rng(3)
    documents = [generator.choice(3, size=size, p=[0.6, 0.3, 0.1]).tolist() for size in (300, 20, 200)]
    return tokens_of(documents, vocabulary)


def ngram(train: Tokens, valid: Tokens, past: Tokens, share: float) -> Model:
    model = Ngram(order=3).fit(train, valid, Silent())
    model.refit(past, Silent())
    return model


def test_it_is_the_sum_of_what_models_of_the_prefixes_give(text: Tokens) -> None:
    bounds = block_bounds(len(text))
    code = prequential_code(ngram, text, bounds, Silent())
    expected = [bounds[1] * math.log(4)]
    for start, stop in pairwise(bounds[1:].tolist()):
        past = text.head(start)
        model = ngram(past.head(start - start // 10), past.tail(start // 10), past, 0.0)
        # from the beginning of the text, so that contexts reach back into what is known
        expected.append(-float(model.log_probs(text.head(stop), Silent())[start:].sum()))
    assert code.nats == pytest.approx(expected)
    assert code.nats.sum() == pytest.approx(-code.log_probs.sum())


@pytest.mark.parametrize("order", [1, 2])
def test_one_half_more_for_every_count_is_krichevsky_and_trofimovs_code(order: int) -> None:
    """Their closed form (1981), for each context of n symbols n_1 .. n_V:

    log2 Gamma(n + V/2) / Gamma(V/2) - sum_i log2 Gamma(n_i + 1/2) / Gamma(1/2)

    The blocks are of one token each but for the first, of two, which a uniform code of log2 V takes.
    """
    word = "abracadabra"
    vocabulary = Vocabulary((b"a", b"b", b"c", b"d", b"r", b""), 5)
    text = tokens_of([["abcdr".index(letter) for letter in word * 3]], vocabulary)
    learn = learner(parse(f"ngram(order={order}, smoothing=additive(alpha=0.5))"), Runtime(), Silent())
    code = prequential_code(learn, text, np.array([0, *range(2, len(text) + 1)]), Silent())

    types = len(vocabulary)
    ids = text.ids.tolist()
    counts: dict[tuple[int, ...], list[int]] = {}
    for place, symbol in enumerate(ids):
        context = tuple(ids[place - order + 1 : place]) if order > 1 and place else ()
        counts.setdefault(context, [0] * types)[symbol] += 1
    nats = 0.0
    for found in counts.values():
        nats += math.lgamma(sum(found) + types / 2) - math.lgamma(types / 2)
        nats -= sum(math.lgamma(count + 0.5) - math.lgamma(0.5) for count in found)
    # what it would have given the first two: a and b, with nothing known of either in its context but, at order 1, a
    first = math.log(types) + (math.log((1 + types / 2) / 0.5) if order == 1 else math.log(types))
    assert code.log_probs.sum() == pytest.approx(-(nats - first + 2 * math.log(types)))


def test_it_sees_nothing_of_what_comes(text: Tokens) -> None:
    bounds = block_bounds(len(text))
    code = prequential_code(ngram, text, bounds, Silent())
    other = replace(text, ids=np.concatenate([text.ids[:400], (text.ids[400:] + 1) % 3]).astype(text.ids.dtype))
    changed = prequential_code(ngram, other, bounds, Silent())
    assert changed.log_probs[:400] == pytest.approx(code.log_probs[:400])
    assert not np.allclose(changed.log_probs[400:], code.log_probs[400:])


def test_a_budget_is_shared_in_proportion_to_what_is_known(text: Tokens) -> None:
    shares = []

    def told(train: Tokens, valid: Tokens, past: Tokens, share: float) -> Model:
        shares.append(share)
        assert len(train) + len(valid) == len(past)
        return ngram(train, valid, past, share)

    prequential_code(told, text, block_bounds(len(text)), Silent())
    assert sum(shares) == pytest.approx(1)
    assert shares == sorted(shares)


def test_a_learner_divides_the_budget_and_refuses_what_no_block_cuts(
    text: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Runtime] = []

    class Own(Ngram):
        def fit(self, train: Tokens, valid: Tokens, progress: object) -> Own:
            self.card = ModelCard(own_tokens=True)
            return self

    def make(spec: object, runtime: Runtime) -> Model:
        told.append(runtime)
        return Own(order=2)

    monkeypatch.setattr("lmbench.score.prequential.models.make", make)
    learn = learner(parse("own"), Runtime(seed=3, train_seconds=8.0, train_tokens=3), Silent())
    with pytest.raises(LmbenchError, match="own predicts tokens of its own, which no block cuts"):
        learn(text, text, text, 0.25)
    assert told == [Runtime(seed=3, train_seconds=2.0, train_tokens=1)]


def test_what_has_no_code_is_refused() -> None:
    impossible = Frequencies(ids_of("00"))
    impossible.share = 0.0
    bounds = np.array([0, 2, 4])
    with (
        pytest.warns(RuntimeWarning, match="divide"),
        pytest.raises(LmbenchError, match="token 3 has probability zero"),
    ):
        prequential_code(lambda *_: impossible, ids_of("0101"), bounds, Silent())  # type: ignore[arg-type, return-value]
    score = Frequencies(ids_of("01"))
    score.card = ModelCard(distribution=False)
    with pytest.raises(LmbenchError, match="no distribution"):
        prequential_code(lambda *_: score, ids_of("0101"), bounds, Silent())  # type: ignore[arg-type, return-value]
    with pytest.raises(LmbenchError, match="no tokens"):
        prequential_code(learn, ids_of(""), block_bounds(0), Silent())
