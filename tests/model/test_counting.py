"""The weighed models of counts: what the suite of contracts asks of small texts, of one whose weights are learnt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_texts import byte_alphabet

from lmbench.errors import LmbenchError, UsageError
from lmbench.model import models
from lmbench.model.base import window_log_probs
from lmbench.model.counting import Counting
from lmbench.progress import Silent
from lmbench.tokens import Tokens, tokens_of

BYTES = byte_alphabet()


LEXICON = ["the", "cat", "sat", "on", "a", "mat", "and", "Tom", "ran", "home", "again", "né", "The", "said", "to", "it"]
FOLLOWS = np.random.default_rng(0).dirichlet(np.full(len(LEXICON), 0.3), (len(LEXICON), 2))


def speech(seed: int, size: int) -> Tokens:
    """Words of a small lexicon, each drawn given the one before and whether a sentence is young, in documents."""
    generator = np.random.default_rng(seed)
    documents, last = [], 0
    while sum(map(len, documents)) < size:
        said = []
        for place in range(60):
            last = int(generator.choice(len(LEXICON), p=FOLLOWS[last, int(place % 7 < 3)]))
            said.append(LEXICON[last] + ("." if generator.random() < 0.1 else ""))
        documents.append(list(" ".join(said).encode()))
    return tokens_of(documents, BYTES)


TRAIN, VALID, TEST = speech(1, 6000), speech(2, 2000), speech(3, 1500)


@pytest.fixture(
    scope="module",
    params=["counting(order=5)", "counting(order=4, combine=linear)", "counting(contexts=orders, order=4)"],
)
def model(request: pytest.FixtureRequest) -> Counting:
    made: Counting = models.make(request.param).fit(TRAIN, VALID, Silent())
    assert "validation_nats" in made.card.training, "its weights are learnt"
    assert not made.card.notes, made.card.notes
    return made


def test_it_is_a_distribution_and_agrees_with_itself(model: Counting) -> None:
    scores = model.log_probs(TEST, Silent())
    rows = np.concatenate(list(model.stretches(TEST)))
    assert np.logaddexp.reduce(rows, axis=1) == pytest.approx(0, abs=1e-9)
    assert rows[np.arange(len(TEST)), TEST.ids] == pytest.approx(scores, abs=1e-9)
    document = TEST.document(1)
    start = int(TEST.documents[1])
    for at in (0, 1, 7, 120, len(document) - 1):
        assert model.next_log_probs(document[:at]) == pytest.approx(rows[start + at], abs=1e-9)
    end = BYTES.end_of_text
    windows = np.array([[end, end, *document[:6]], [end, *document[:7]]])
    assert window_log_probs(model, windows) == pytest.approx(rows[start + np.array([6, 7])], abs=1e-9)


def test_it_is_causal_and_comes_back_from_disk(model: Counting, tmp_path: Path) -> None:
    scores = model.log_probs(TEST, Silent())
    ids = TEST.ids.copy()
    ids[700:-1] = ord("x")
    changed = model.log_probs(tokens_of([ids[:-1].tolist()], BYTES), Silent())
    first = int(TEST.documents[1]) - 1
    assert changed[:first] == pytest.approx(scores[:first], abs=1e-12)
    model.save(tmp_path)
    assert (Counting.load(tmp_path).log_probs(TEST, Silent()) == scores).all()


def test_it_is_better_than_each_of_its_orders(model: Counting) -> None:
    assert min(model.card.training["validation_nats"]) < model.card.training["single_nats"]


def test_the_same_seed_gives_the_same_weights() -> None:
    one, two = (
        models.make("counting(order=3, contexts=orders, places=2500)").fit(TRAIN, VALID, Silent()) for _ in range(2)
    )
    assert (one.log_probs(TEST, Silent()) == two.log_probs(TEST, Silent())).all()


@pytest.mark.parametrize("size", [1, 10, 300])
def test_short_texts_use_one_order_and_say_so(size: int) -> None:
    model = models.make("counting").fit(TRAIN.head(size), VALID, Silent())
    assert "alone is used" in model.card.notes[0]
    scores = model.log_probs(TEST, Silent())
    assert np.isfinite(scores).all()
    rows = np.concatenate(list(model.stretches(TEST)))
    assert np.logaddexp.reduce(rows, axis=1) == pytest.approx(0, abs=1e-9)


def test_without_validation_text() -> None:
    model = models.make("counting(order=3, contexts=orders)").fit(TRAIN, VALID.head(0), Silent())
    assert np.isfinite(model.log_probs(TEST, Silent())).all()


def test_settings_that_mean_nothing() -> None:
    for spec in ("counting(order=0)", "counting(hidden=0)", "counting(places=0)", "counting(order=99)"):
        with pytest.raises(UsageError, match="counting:"):
            models.make(spec)
    with pytest.raises(LmbenchError, match="no tokens"):
        models.make("counting").fit(TRAIN.head(0), VALID, Silent())


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    models.make("counting(order=3, contexts=orders)").fit(TRAIN.head(500), VALID, Silent()).save(tmp_path)
    path = tmp_path / "counts.safetensors"
    whole = load_file(path)
    for name, value in (("first.1", whole["first.1"].flip(0)), ("top.2.share", whole["top.2.share"] * 9)):
        save_file(whole | {name: value}, path)
        with pytest.raises(LmbenchError, match=r"counts\.safetensors: not a whole saved counting model"):
            Counting.load(tmp_path)
