"""The unknown token as several types, as lmplz has it with --vocab_pad."""

from __future__ import annotations

import lzma
import math
from pathlib import Path

import numpy as np
import pytest

from lmbench.corpus import open_source
from lmbench.corpus.text import text_of
from lmbench.model import models
from lmbench.progress import Silent
from lmbench.score.measure import with_unknown
from lmbench.smoothing import smoothings
from lmbench.tokenizer import tokenizers
from lmbench.tokens import Vocabulary, tokens_of

VOCABULARY = Vocabulary((b"<unk>", b"a", b"b", b""), 3, unknown=0, lossless=False, unknown_types=7)


def test_by_hand() -> None:
    """ "aab" and the end, D = 1/2, ten types: p(a) = (2 - D)/4 + 3D/4 / 10, and an unknown one 3D/4 / 10."""
    tokens = tokens_of([[1, 1, 2]], VOCABULARY)
    model = models.make("ngram(order=1, smoothing=absolute(discount=0.5))").fit(tokens, tokens, Silent())
    following = np.exp(model.next_log_probs(np.zeros(0, np.int64)))
    assert following[1] == pytest.approx(1.5 / 4 + 0.375 / 10)
    assert following[0] == pytest.approx(0.375 * 7 / 10)
    unknown = tokens_of([[0]], VOCABULARY)
    cost = with_unknown(model.log_probs(unknown, Silent()), unknown)
    assert cost[0] == pytest.approx(math.log(0.375 / 10))


def test_additive_and_good_turing_by_hand() -> None:
    tokens = tokens_of([[1, 1, 2]], VOCABULARY)
    for smoothing, expected in (("additive(alpha=0.5)", 3.5 / (4 + 5)), ("good_turing(cutoffs=srilm)", 1 / 5)):
        model = models.make(f"ngram(order=1, smoothing={smoothing})").fit(tokens, tokens, Silent())
        assert math.exp(model.next_log_probs(np.zeros(0, np.int64))[0]) == pytest.approx(expected)


@pytest.mark.parametrize("name", [name for name in smoothings.names if smoothings.load(name).normalised])
def test_every_context_sums_to_one(name: str) -> None:
    tokens = tokens_of([[1, 1, 2, 1], [2, 0, 1, 1, 2, 2]], VOCABULARY)
    model = models.make(f"ngram(order=3, smoothing={name})").fit(tokens, tokens, Silent())
    for context in ([], [1], [1, 1], [0], [0, 0]):
        total = np.logaddexp.reduce(model.next_log_probs(np.array(context, dtype=np.int64)))
        assert total == pytest.approx(0, abs=1e-9)


def test_as_lmplz_pads_its_vocabulary(shared: Path, tmp_path: Path) -> None:
    """lmplz's own unigrams without padding give those with it: p(<unk>) = g/V and p(w) = d(w) + g/V, V to V - 1 + N."""
    train = open_source(str(shared / "golden" / "words.train.txt"), lines=True, cache=tmp_path).text
    more = 100_000
    word = tokenizers.make(f"word(unknown_types={more})").train(train, Silent())
    tokens = word.encode(train, None, Silent())
    model = models.make("ngram(order=3)").fit(tokens, tokens, Silent())
    with lzma.open(shared / "golden" / "words3.arpa.xz", "rt", encoding="utf-8") as arpa:
        size = next(int(line.split("=")[1]) for line in arpa if line.startswith("ngram 1=")) - 1  # without <s>
        next(line for line in arpa if line.startswith("\\1-grams"))
        rows = [next(arpa).split("\t") for _ in range(size + 1)]
    theirs = {columns[1].strip(): 10 ** float(columns[0]) for columns in rows}
    padded = theirs["<unk>"] * size / (size - 1 + more)
    ours = np.exp(model.model.log_probs[0][:].numpy())
    found = with_unknown(np.log(ours[[0]]), word.encode(text_of(["never-seen"]), None, Silent()).head(1))
    assert math.exp(found[0]) == pytest.approx(padded, rel=1e-5)
    for name in ("the", "king", "thou"):
        index = word.encode_text(name)[0]
        assert ours[index] == pytest.approx(theirs[name] - theirs["<unk>"] + padded, rel=1e-4)
