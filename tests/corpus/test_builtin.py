from __future__ import annotations

import math
import sysconfig
from collections import Counter
from itertools import pairwise
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np
import pytest

from lmbench.corpus import open_source
from lmbench.corpus.builtin.markov import Markov, entropy_rate
from lmbench.errors import UsageError


def test_the_language_reference_has_its_topics_as_documents(tmp_path: Path) -> None:
    corpus = open_source("python-docs", cache=tmp_path)
    assert corpus.name == "python-docs"
    assert [corpus.text.document(index) for index in range(3)] == [topics[name] for name in sorted(topics)[:3]]
    assert len(corpus.text.starts) == sum(bool(text) for text in topics.values())
    assert corpus.card["licence"] == "PSF-2.0"


def test_the_standard_library_leaves_its_tests_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = tmp_path / "library"
    files = {"b.py": "b = 1\n", "a.py": "# coding: latin-1\ns = 'é'\n", "test/test_b.py": "no", "json/c.py": "c"}
    files |= {"site-packages/d.py": "no", "notes.txt": "no"}
    for name, content in files.items():
        (library / name).parent.mkdir(parents=True, exist_ok=True)
        (library / name).write_bytes(content.encode("latin-1"))
    monkeypatch.setattr(sysconfig, "get_paths", lambda: {"stdlib": str(library)})
    text = open_source("python-stdlib", cache=tmp_path / "cache").text
    assert [text.document(index) for index in range(len(text.starts))] == [files["a.py"], files["b.py"], "c"]


def test_entropy_rate_of_a_chain_worked_by_hand() -> None:
    # Two states: from 0 stay with 3/4, from 1 leave with certainty. pi = (4/5, 1/5),
    # H = 4/5 * h(1/4) with h the binary entropy.
    source = Markov(order=1, symbols=2, branching=2)
    successors = np.array([[0, 1], [0, 1]])
    probabilities = np.array([[0.75, 0.25], [1.0 - 1e-300, 1e-300]])
    stationary = source.stationary(successors, probabilities)
    np.testing.assert_allclose(stationary, [0.8, 0.2], atol=1e-12)
    binary = -(0.75 * math.log2(0.75) + 0.25 * math.log2(0.25))
    assert entropy_rate(stationary, probabilities) == pytest.approx(0.8 * binary, abs=1e-12)


@pytest.mark.parametrize(("order", "symbols", "branching"), [(1, 2, 2), (2, 4, 3), (3, 5, 2)])
def test_the_stationary_distribution_solves_its_equation(order: int, symbols: int, branching: int) -> None:
    source = Markov(order, symbols, branching=branching)
    successors, probabilities = source.table(np.random.default_rng(1))
    contexts = symbols**order
    matrix = np.zeros((contexts, contexts))
    for context, row in enumerate(successors):
        assert len(set(row.tolist())) == branching
        for symbol, probability in zip(row, probabilities[context], strict=True):
            matrix[context, (context * symbols + symbol) % contexts] += probability
    values, vectors = np.linalg.eig(matrix.T)
    assert np.sum(np.abs(values - 1) < 1e-9) == 1  # one stationary distribution only
    expected = np.real(vectors[:, np.argmin(np.abs(values - 1))])
    np.testing.assert_allclose(source.stationary(successors, probabilities), expected / expected.sum(), atol=1e-10)


def test_the_sample_has_the_entropy_that_the_card_says(tmp_path: Path) -> None:
    corpus = open_source("markov(order=2, symbols=4, size=200_000, seed=3)", cache=tmp_path)
    sample = corpus.text.document(0)
    assert len(sample) == corpus.text.bytes == 200_000
    triples = Counter(zip(sample, sample[1:], sample[2:], strict=False))
    pairs = Counter(pairwise(sample))
    plug_in = -sum(n * math.log2(n / pairs[a, b]) for (a, b, _), n in triples.items()) / (len(sample) - 2)
    assert plug_in == pytest.approx(corpus.card["truth_bits_per_character"], abs=0.01)


def test_the_manifest_names_the_truth_and_the_seed_decides(tmp_path: Path) -> None:
    first = open_source("markov(size=1000)", cache=tmp_path)
    again = open_source("markov(size=1000)", cache=tmp_path / "elsewhere")
    other = open_source("markov(size=1000, seed=1)", cache=tmp_path)
    assert first.card == again.card
    assert first.card["hash"] != other.card["hash"]
    assert 0 < first.card["truth_bits_per_character"] < math.log2(3)


@pytest.mark.parametrize("spec", ["markov(order=0)", "markov(symbols=1)", "markov(branching=9)", "markov(order=20)"])
def test_impossible_sources(spec: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="markov"):
        open_source(spec, cache=tmp_path)
