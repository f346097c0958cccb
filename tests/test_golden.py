"""KenLM's own scores of the same tokens, to 1e-4 in log10 at every token (they agree to about 1e-6)."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest

from lmbench.model import models
from lmbench.progress import Silent
from lmbench.tokens import Tokens, Vocabulary, tokens_of


def lines(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]


def encoded(train: list[list[str]], test: list[list[str]]) -> tuple[Tokens, Tokens]:
    words = sorted({word for line in train for word in line})
    ids = {word: index for index, word in enumerate(words)}
    spelled = tuple(word.encode() for word in words)
    vocabulary = Vocabulary((*spelled, b"<unk>", b"\n"), len(words) + 1, len(words), lossless=False)
    number = [[[ids.get(word, len(words)) for word in line] for line in text] for text in (train, test)]
    return tokens_of(number[0], vocabulary), tokens_of(number[1], vocabulary)


@pytest.mark.parametrize(
    ("name", "spec"),
    [
        ("words3", "ngram(order=3)"),
        ("words5", "ngram(order=5)"),
        ("chars6", "ngram(order=6, smoothing=kneser_ney(fallback=constant))"),
    ],
)
def test_scores_of_lmplz_and_query_are_reproduced(shared: Path, name: str, spec: str) -> None:
    golden = shared / "golden"
    split = list if name.startswith("chars") else str.split
    train, test = encoded(
        [split(line) for line in lines(golden / "words.train.txt")],
        [split(line) for line in lines(golden / "words.test.txt")],
    )
    model = models.make(spec).fit(train, test.head(0), Silent())
    with (golden / f"{name}.scores.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    expected = np.array([float(row["log10_prob"]) for row in rows])
    found = model.log_probs(test, Silent()) / math.log(10)
    assert len(found) == len(expected)
    assert np.abs(found - expected).max() < 1e-5
    with (golden / "discounts.tsv").open(encoding="utf-8") as file:
        table = [row for row in csv.DictReader(file, delimiter="\t") if row["model"] == name]
    discounts = [[float(row[column]) for column in ("D1", "D2", "D3+")] for row in table]
    assert model.card.training["discounts"] == [pytest.approx(row, abs=1e-4) for row in discounts]
