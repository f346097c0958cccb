from __future__ import annotations

import math
import platform
import re
import sys
import sysconfig
import zipfile
from collections import Counter
from itertools import pairwise
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmbench.corpus import Corpus, open_source
from lmbench.corpus.builtin.markov import Markov, entropy_rate
from lmbench.corpus.builtin.python_help import cut_in_pieces
from lmbench.corpus.leakage import shared
from lmbench.corpus.split import split
from lmbench.corpus.text import Text
from lmbench.errors import LmbenchError, UsageError
from lmbench.model import models
from lmbench.progress import Silent
from lmbench.runtime import Runtime
from lmbench.spec import Spec, parse
from lmbench.tokenizer._cache import encode_splits, trained


@pytest.fixture(scope="module")
def help_corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return open_source("python-help", cache=tmp_path_factory.mktemp("help"))


def documents_of(text: Text) -> list[str]:
    return [text.document(at) for at in range(len(text.starts))]


def test_the_help_of_this_python_is_a_million_characters_that_repeat_nothing(help_corpus: Corpus) -> None:
    assert help_corpus.name == "python-help"
    assert help_corpus.card["licence"] == "PSF-2.0"
    assert help_corpus.text.characters > 1_000_000
    splits = split(help_corpus.text)
    assert min(len(splits.valid.starts), len(splits.test.starts)) > 100
    found = [*shared([splits.train], [splits.valid, splits.test], 100), *shared([splits.valid], [splits.test], 100)]
    assert not any(marks.any() for marks in found)  # `shared` is held against a search in test_leakage.py
    # "compound" holds the topics on the statements it is made of
    assert "compound" in topics
    assert help_corpus.card["notes"][-1].startswith(tuple("123456789"))
    for held in ("try", "with", "function"):
        assert f" {held}," in help_corpus.card["notes"][-1] + ","


def test_validation_and_test_of_the_default_text_are_alike(help_corpus: Corpus, tmp_path: Path) -> None:
    splits = split(help_corpus.text)
    tokenizer = trained(Spec("bpe"), splits.train, tmp_path, Silent())
    train, valid, test = encode_splits(tokenizer, splits, tmp_path, Silent())
    model = models.make(parse("ngram(order=5)"), runtime=Runtime("cpu", 0)).fit(train, valid, Silent())
    losses = [-model.log_probs(tokens, Silent()).mean() for tokens in (valid, test)]
    # of two random draws of this size the standard deviation is 0.1
    known = platform.python_version() in ("3.11.2", "3.11.7", "3.12.1", "3.13.0")
    assert abs(losses[0] - losses[1]) < (0.05 if known else 0.25)


def library_of(files: dict[str, str], folder: Path) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content.encode("latin-1"))
    return folder


HELP_FILES = {
    "b.py": '"""Module b."""\ndef f():\n    """Function f.\n\n    Indented.\n    """\nassert False, "imported"\n',
    "a.py": "# coding: latin-1\nclass A:\n    'Class é.'\n    if 1:\n        def g(self):\n            'Method g.'\n",
    "_private.py": '"""Private."""',
    "idlelib/run.py": '"""An application."""',
    "broken.py": '"""Template $name."""\nthis is $not python',
    "json/__init__.py": '"""Function f.\n\nIndented."""\n',  # again, and so left out
    "test/test_b.py": '"""A test."""',
}
HELP_DOCUMENTS = ["Class é.\n", "Method g.\n", "Module b.\n", "Function f.\n\nIndented.\n"]


def test_docstrings_are_read_from_source_in_its_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = library_of(HELP_FILES, tmp_path / "library")
    monkeypatch.setattr(sysconfig, "get_paths", lambda: {"stdlib": str(library)})
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)  # as in a Python without it
    corpus = open_source("python-help", cache=tmp_path / "cache")
    assert documents_of(corpus.text) == HELP_DOCUMENTS
    assert "no help topics" in corpus.card["notes"][-1]


def test_a_library_in_a_zip_is_read_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = library_of(HELP_FILES, tmp_path / "library")
    archive = tmp_path / f"python{sys.version_info.major}{sys.version_info.minor}.zip"
    with zipfile.ZipFile(archive, "w") as made:
        for name in reversed(HELP_FILES):
            made.write(library / name, name)
    monkeypatch.setattr(sysconfig, "get_paths", lambda: {"stdlib": str(tmp_path / "nowhere")})
    monkeypatch.setattr(sys, "path", [str(archive), *sys.path])
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    assert documents_of(open_source("python-help", cache=tmp_path / "cache").text) == HELP_DOCUMENTS
    assert len(open_source("python-stdlib", cache=tmp_path / "cache").text.starts) == len(HELP_FILES) - 1


def test_a_stripped_python_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysconfig, "get_paths", lambda: {"stdlib": str(tmp_path / "nowhere")})
    corpus = open_source("python-help", cache=tmp_path / "cache")
    assert "no source code" in corpus.card["notes"][-1]
    assert corpus.text.characters > 100_000
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(LmbenchError, match="neither its help topics"):
        open_source("python-help", cache=tmp_path / "another")


@pytest.mark.parametrize("name", ["python-docs", "python_docs"])
def test_the_corpus_that_is_no_more_names_its_successor(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="pass python-help"):
        open_source(name, cache=tmp_path)


@given(st.lists(st.sampled_from(["a" * 10, "bc" * 7, "\n", "\n\n", "\n\n\n", " "]), max_size=60))
def test_pieces_are_the_text_again_and_end_between_paragraphs(parts: list[str]) -> None:
    text = "".join(parts)
    pieces = cut_in_pieces(text, 40)
    assert "".join(pieces) == text
    for piece in pieces[:-1]:
        assert piece.endswith("\n\n")
    for piece in pieces:
        assert len(piece) <= 40 or not re.search(r"\n\n(?!\n|$)", piece)


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
