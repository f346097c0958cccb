"""Synthetic sources: what is drawn has the rate that is claimed."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from lmbench.corpus.builtin import builtins
from lmbench.corpus.builtin._drawn import Drawn
from lmbench.corpus.spool import Spools
from lmbench.errors import UsageError
from lmbench.progress import Silent

NAMES = ["iid", "periodic", "renewal", "hmm", "pcfg"]


def rate(spec: str) -> float:
    """The entropy rate of a source that knows it exactly."""
    found, precision = builtins.make(spec).entropy_rate()
    assert precision == 0.0
    return found


def test_exact_rates_by_hand() -> None:
    assert rate("iid(symbols=16)") == pytest.approx(4.0)
    # Zipf over 2 symbols: 2/3 and 1/3
    assert rate("iid(symbols=2, distribution=zipf)") == pytest.approx(0.9182958)
    assert rate("iid(symbols=1)") == 0.0
    assert rate("periodic") == 0.0
    # gaps 1 and 2 with weights 1 and 1/4: 4/5 and 1/5, mean 1.2, entropy 0.7219
    assert rate("renewal(exponent=2.0, longest=2)") == pytest.approx(0.7219281 / 1.2)


def test_hidden_markov_rate_between_its_bounds() -> None:
    # Of one state only (stay has no effect, the two emit alike): the entropy of an emission.
    source = builtins.make("hmm(states=2, symbols=3, stay=0.5)")
    source.emissions[1] = source.emissions[0]
    one = -(source.emissions[0] @ np.log2(source.emissions[0]))
    found, precision = source.entropy_rate()
    assert found == pytest.approx(one, abs=3 * precision)
    assert 0 < precision < 5e-3


def test_hidden_markov_rate_by_block_entropies() -> None:
    # F_n of a long sample falls to the rate from above, to within its own error.
    source = builtins.make("hmm(states=2, symbols=2, stay=0.7, seed=3)")
    drawn = source.sample(np.random.default_rng(5), 400_000)
    packed = sum(np.roll(drawn, -ahead) << ahead for ahead in range(9)) & 511
    blocks = [_entropy(packed & (2**n - 1)) for n in (8, 9)]
    assert blocks[1] - blocks[0] == pytest.approx(source.entropy_rate()[0], abs=0.003)


def _entropy(values: np.ndarray) -> float:
    share = np.bincount(values) / len(values)
    return -float(share[share > 0] @ np.log2(share[share > 0]))


def test_grammar_text_parses_back_and_has_the_rate() -> None:
    source = builtins.make("pcfg(seed=2)")
    size = 200_000
    drawn = source.sample(np.random.default_rng(1), size).tolist()
    rule_of = [{terminal: rule for rule, terminal in enumerate(row)} for row in source.terminals.tolist()]
    stack: list[int] = []
    bits, expanded = 0.0, Counter()
    for terminal in drawn:
        symbol = stack.pop() if stack else 0
        rule = rule_of[symbol][terminal]  # a KeyError where the text is not of the grammar
        bits -= math.log2(source.probabilities[symbol][rule])
        expanded[symbol] += 1
        stack += reversed(source.following[symbol][rule])
    assert bits / size == pytest.approx(source.entropy_rate()[0], rel=0.01)
    expected = source.expansions() / source.expansions().sum()
    assert [expanded[symbol] / size for symbol in range(source.nonterminals)] == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("seed", range(8))
def test_sentences_end(seed: int) -> None:
    source = builtins.make(f"pcfg(seed={seed}, nonterminals=3)")
    assert (source.probabilities @ np.array([0, 0, 1, 2]) <= 0.9 + 1e-12).all()
    assert (source.expansions() >= 0).all()


def test_renewal_gaps_follow_the_law() -> None:
    source = builtins.make("renewal(exponent=2.0, longest=3)")
    events = np.flatnonzero(source.sample(np.random.default_rng(0), 300_000))
    gaps = np.bincount(np.diff(events), minlength=4) / (len(events) - 1)
    assert gaps[1:] == pytest.approx(np.array([1, 1 / 4, 1 / 9]) / (1 + 1 / 4 + 1 / 9), abs=0.005)
    assert len(events) / 300_000 == pytest.approx(1 / source.mean, rel=0.01)


def test_periodic_has_its_period() -> None:
    drawn = builtins.make("periodic(period=5, symbols=9)").sample(np.random.default_rng(0), 100)
    assert (drawn[5:] == drawn[:-5]).all()


@pytest.mark.parametrize("name", NAMES)
def test_written_text_is_reproducible_and_of_the_size_asked_for(name: str, tmp_path: Path) -> None:
    texts = []
    for folder, seed in (("one", 4), ("same", 4), ("other", 5)):
        spools = Spools(tmp_path / folder)
        source = builtins.make(f"{name}(size=3000, seed={seed})")
        assert isinstance(source, Drawn)
        facts = source.write(spools, Silent())
        spools.close()
        texts.append((tmp_path / folder / "train" / "text").read_bytes())
        assert facts["truth_bits_per_character"] == source.entropy_rate()[0] >= 0.0
    assert len(texts[0]) == 3000
    assert texts[0] == texts[1] != texts[2]
    assert texts[0].isalnum()


@pytest.mark.parametrize("name", NAMES)
def test_key_holds_every_option(name: str) -> None:
    options = {option.name: option.default for option in builtins.describe(name).options}
    key = dict(builtins.make(name).key()[2:])
    assert options.keys() <= key.keys()
    assert builtins.make(f"{name}(seed=1)").key() != builtins.make(name).key()


@pytest.mark.parametrize(
    "spec",
    ["iid(size=0)", "iid(symbols=63)", "periodic(period=0)", "hmm(states=1)", "pcfg(symbols=3)", "renewal(longest=0)"],
)
def test_bad_options(spec: str) -> None:
    with pytest.raises(UsageError, match=f"^{spec.split('(')[0]}: "):
        builtins.make(spec)
