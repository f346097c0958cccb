"""What we write, KenLM reads, and gives our scores."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from arpa_texts import file_of, fitted, written

from lmbench.counts.arpa.names import UNKNOWN, names, spelling_for
from lmbench.progress import Silent
from lmbench.tokens import Tokens, Vocabulary, tokens_of

kenlm = pytest.importorskip("kenlm", reason="the kenlm module is not installed: pip install kenlm")

WORDS = Vocabulary((*(b"w%d" % index for index in range(30)), b"<unk>", b"\n"), 31, 30, lossless=False)
BYTES = Vocabulary((*(bytes([index]) for index in range(30)), b""), 30)
AGAIN = Vocabulary((*(bytes([97 + index % 10]) for index in range(28)), b"<s>", b"<UNK>", b"\n"), 30)


def random_text(vocabulary: Vocabulary, seed: int, documents: int) -> Tokens:
    """Documents of Zipf-distributed tokens, of length 0 and more."""
    rng = np.random.default_rng(seed)
    drawn = [np.minimum(rng.zipf(1.5, length) - 1, 29).tolist() for length in rng.integers(0, 20, documents)]
    return tokens_of(drawn, vocabulary)


@pytest.mark.parametrize("vocabulary", [WORDS, BYTES, AGAIN], ids=["words", "bytes", "like-spelled"])
@pytest.mark.parametrize(
    ("order", "smoothing"), [(2, "modified_kneser_ney"), (3, "witten_bell"), (5, "modified_kneser_ney"), (4, "katz")]
)
def test_kenlm_gives_our_scores(tmp_path: Path, vocabulary: Vocabulary, order: int, smoothing: str) -> None:
    model = fitted(random_text(vocabulary, 1, 60), order, smoothing)
    path = file_of(written(model, vocabulary), tmp_path)
    spelled = names(vocabulary, spelling_for(vocabulary))
    test = random_text(vocabulary, 2, 20)
    peer = kenlm.Model(str(path), kenlm.Config())
    expected = []
    for index in range(len(test.documents)):
        line = [spelled[token] or UNKNOWN for token in test.document(index)[:-1].tolist()]
        expected += [score for score, _, _ in peer.full_scores(" ".join(line))]
    found = model.score(test.ids, Silent()) / math.log(10)
    assert len(found) == len(expected)
    assert found == pytest.approx(expected, abs=1e-5)


def test_kenlm_gives_the_scores_of_its_own_tool(shared: Path, tmp_path: Path) -> None:
    """lmplz's file, read and written anew, still gives what `query` gave for it."""
    from lmbench.counts.arpa import read_arpa

    golden = shared / "golden"
    arpa = read_arpa(golden / "words3.arpa.xz")
    peer = kenlm.Model(str(file_of(written(arpa.model, arpa.vocabulary), tmp_path)), kenlm.Config())
    lines = (golden / "words.test.txt").read_text(encoding="utf-8").split("\n")
    found = [score for line in lines if line.strip() for score, _, _ in peer.full_scores(" ".join(line.split()))]
    rows = (golden / "words3.scores.tsv").read_text(encoding="utf-8").splitlines()[1:]
    assert found == pytest.approx([float(row.split("\t")[3]) for row in rows], abs=1e-5)
