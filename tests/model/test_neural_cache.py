from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_texts import alphabet

from lmbench.errors import LmbenchError, UsageError
from lmbench.model import models, neural_cache
from lmbench.model.neural_cache import NeuralCache
from lmbench.progress import Silent
from lmbench.runtime import Runtime
from lmbench.tokens import Tokens, tokens_of
from lmbench.training import evaluation

VOCABULARY = alphabet(12, b"\n")
LSTM = "lstm(layers=1, width=24)"
TRANSFORMER = "transformer(layers=1, width=16, context=8, heads=2)"


def passages(seed: int, count: int) -> Tokens:
    """Lines of five letters; the thirty lines of a passage repeat three letters out of twelve."""
    rng = np.random.default_rng(seed)
    lines = []
    for _ in range(count):
        own = rng.permutation(12)[:3]
        lines += [rng.choice(own, 5).tolist() for _ in range(30)]
    return tokens_of(lines, VOCABULARY)


TRAIN, VALID, TEST = passages(1, 40), passages(2, 6), passages(3, 6)


def fitted(spec: str, valid: Tokens = VALID) -> NeuralCache:
    model: NeuralCache = models.make(spec, runtime=Runtime(train_tokens=8_000))
    return model.fit(TRAIN, valid, Silent())


def slowly(model: NeuralCache, tokens: Tokens) -> list[float]:
    """Equations 2 and 3 of the paper, one place after the other, with the net asked for one state at a time."""
    states, out = [], []
    scores = model.base.log_probs(tokens)
    for index in range(len(tokens.documents)):
        document = tokens.document(index)
        for at in range(len(document)):
            states.append(model.base.state_after(document[:at]).double().numpy())
            place = len(states) - 1
            low = 0 if model.across == "text" else place - at
            before = range(max(low, place - model.window), place)
            amounts = np.array([np.exp(model.theta * float(states[i] @ states[-1])) for i in before])
            same = np.array([tokens.ids[i] == tokens.ids[place] for i in before], dtype=bool)
            own = np.exp(scores[place])
            mixed = (
                (1 - model.weight) * own + model.weight * amounts[same].sum() / amounts.sum() if len(amounts) else own
            )
            out.append(float(np.log(mixed)))
    return out


@pytest.mark.parametrize("net", [LSTM, TRANSFORMER])
@pytest.mark.parametrize("across", ["text", "document"])
def test_log_probs_are_those_of_the_papers_equations(net: str, across: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is read together: stretches of 40 tokens, and 7 places at once."""
    model = fitted(f"neural_cache(model={net}, across={across}, window=30)")
    text = tokens_of([TEST.ids[:90].tolist(), [], [0, 1], [2] * 50], VOCABULARY)
    expected = slowly(model, text)
    assert model.log_probs(text, Silent()) == pytest.approx(expected, abs=1e-5)
    monkeypatch.setattr(neural_cache, "_QUERIES", 7)
    monkeypatch.setitem(evaluation._TOKENS, "cpu", 40)
    assert model.log_probs(text, Silent()) == pytest.approx(expected, abs=1e-5)


def test_states_alike_before_two_tokens_share() -> None:
    """theta = 0 forgets the states: half of the cache's weight for each of two tokens that were read once."""
    model = fitted(f"neural_cache(model={LSTM})")
    model.theta, model.weight = 0.0, 0.1
    own = np.exp(model.base.next_log_probs(np.array([0, 1])))
    expected = 0.9 * own + 0.05 * np.isin(np.arange(13), [0, 1])
    assert np.exp(model.next_log_probs(np.array([0, 1]))) == pytest.approx(expected, abs=1e-9)


def test_lines_of_one_passage_gain_by_each_other() -> None:
    text, document = (
        fitted(f"neural_cache(model={LSTM}, across={across}, window=100)") for across in ("auto", "document")
    )
    alone = -text.base.log_probs(TEST).mean()
    assert text.remembers
    assert -text.log_probs(TEST, Silent()).mean() < alone - 0.2
    assert -text.log_probs(TEST, Silent()).mean() < -document.log_probs(TEST, Silent()).mean() - 0.1
    assert text.card.adaptive
    assert text.card.training["theta"] == text.theta
    assert any("across=text" in note and "last 100 tokens" in note for note in text.card.notes)


def test_theta_and_weight_are_those_of_the_validation_text() -> None:
    model = fitted(f"neural_cache(model={LSTM})")
    best = -model.log_probs(VALID, Silent()).mean()
    kept = model.theta, model.weight
    for theta, weight in [(2 * kept[0], kept[1]), (kept[0] / 3, kept[1]), (kept[0], kept[1] / 2), (kept[0], 0.9)]:
        model.theta, model.weight = theta, weight
        assert -model.log_probs(VALID, Silent()).mean() > best - 1e-3


def test_without_validation_both_are_set() -> None:
    model = fitted(f"neural_cache(model={LSTM})", VALID.head(0))
    assert model.weight == 0.1
    assert any("no validation text" in note for note in model.card.notes)


def test_only_a_net_has_states() -> None:
    for spec in ("neural_cache(model=ngram)", "neural_cache(model=cache(model=lstm))"):
        with pytest.raises(UsageError, match="has no hidden states"):
            models.make(spec)
    with pytest.raises(UsageError, match="window"):
        models.make("neural_cache(model=lstm, window=0)")


def test_damage_is_named(tmp_path: Path) -> None:
    model = fitted(f"neural_cache(model={LSTM})")
    model.refit(TRAIN + VALID, Silent())
    assert any("not fitted anew" in note for note in model.card.notes)
    model.save(tmp_path)
    path = tmp_path / "neural_cache.json"
    path.write_text(path.read_text(encoding="utf-8").replace("theta", "beta"), encoding="utf-8")
    with pytest.raises(LmbenchError, match=r"neural_cache.json: not a whole saved neural cache"):
        NeuralCache.load(tmp_path)
