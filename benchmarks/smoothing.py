"""Smoothed n-gram models beside nltk's of the same name: time and cross-entropy, on the same tokens in the same run.

    python benchmarks/smoothing.py SOURCE [--order 3] [--train-tokens 100000] [--test-tokens 200] [--json FILE]

Both sides fit the first `--train-tokens` of the training text and have its vocabulary. Cross-entropies are of the first
`--test-tokens` of the test text, few because nltk counts anew at every token that it scores; ours is timed on all
of it. One process, imports not counted. nltk's vocabulary has two ids more, of unknown words and of sentence
beginnings, and only Lidstone's rule leaves it no token of probability zero: cross-entropies are close and not equal,
and infinite where a token was never seen.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import nltk
import numpy as np
from _shared import write_figures
from nltk.lm import (
    AbsoluteDiscountingInterpolated,
    KneserNeyInterpolated,
    Lidstone,
    Vocabulary,
    WittenBellInterpolated,
)
from nltk.lm.preprocessing import padded_everygram_pipeline
from rich.console import Console
from rich.table import Table

from lmbench import machine
from lmbench.model import models
from lmbench.pipeline import Plan
from lmbench.pipeline.job import prepare
from lmbench.progress import Silent
from lmbench.runtime import Runtime
from lmbench.spec import parse
from lmbench.tokens import Tokens

PEERS: list[tuple[str, Any, dict[str, float]]] = [  # our smoothing, nltk's class and its arguments
    ("additive(alpha=0.1)", Lidstone, {"gamma": 0.1}),
    ("witten_bell", WittenBellInterpolated, {}),
    ("absolute(discount=0.75)", AbsoluteDiscountingInterpolated, {"discount": 0.75}),
    ("original_kneser_ney(discount=0.75)", KneserNeyInterpolated, {"discount": 0.75}),
]


@dataclass
class Row:
    """One smoothing by both."""

    smoothing: str
    fit_seconds: float
    nltk_fit_seconds: float
    tokens_per_second: float
    nltk_tokens_per_second: float
    nats_per_token: float
    nltk_nats_per_token: float


def sentences(tokens: Tokens) -> list[list[str]]:
    """The documents as nltk reads them, without their ends, which it adds itself."""
    bounds = [*tokens.documents.tolist(), len(tokens)]
    return [[str(token) for token in tokens.ids[start : stop - 1].tolist()] for start, stop in pairwise(bounds)]


def ours(spec: str, train: Tokens, test: Tokens, first: int) -> tuple[float, float, float]:
    """Seconds to fit, tokens scored a second, nats per token of the first tokens."""
    begun = time.perf_counter()
    model = models.make(parse(spec), runtime=Runtime()).fit(train, train.head(0), Silent())
    fitted = time.perf_counter()
    found = model.log_probs(test, Silent())
    return fitted - begun, len(test) / (time.perf_counter() - fitted), -float(np.mean(found[:first]))


def theirs(kind: Any, options: dict[str, float], order: int, train: Tokens, test: Tokens) -> tuple[float, float, float]:
    begun = time.perf_counter()
    vocabulary = Vocabulary([*map(str, range(len(train.vocabulary))), "<s>", "</s>"])
    model = kind(order=order, vocabulary=vocabulary, **options)
    model.fit(padded_everygram_pipeline(order, sentences(train))[0])
    fitted = time.perf_counter()
    total = 0.0
    for sentence in sentences(test):
        padded = ["<s>"] * (order - 1) + sentence + ["</s>"]
        for at in range(order - 1, len(padded)):
            total -= model.logscore(padded[at], padded[at - order + 1 : at]) * math.log(2)
    return fitted - begun, len(test) / (time.perf_counter() - fitted), total / len(test)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("source", help="a corpus, a path or hf:owner/name")
    parser.add_argument("--lines", action="store_true", help="each line is a document")
    parser.add_argument("--tokenizer", default="bpe(vocabulary=4096)")
    parser.add_argument("--order", type=int, default=3)
    parser.add_argument("--train-tokens", type=int, default=100_000)
    parser.add_argument("--test-tokens", type=int, default=200)
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    args = parser.parse_args()
    job = prepare(Plan(args.source, models=(), tokenizer=args.tokenizer, lines=args.lines, device="cpu"), Silent())
    train, first = job.train.head(args.train_tokens), job.test.head(args.test_tokens)
    rows = []
    for smoothing, kind, options in PEERS:
        mine = ours(f"ngram(order={args.order}, smoothing={smoothing})", train, job.test, len(first))
        peer = theirs(kind, options, args.order, train, first)
        rows.append(Row(smoothing, mine[0], peer[0], mine[1], peer[1], mine[2], peer[2]))
    facts = machine.machine("cpu")
    table = Table(title=f"order {args.order}, {len(train):,} training and {len(first):,} test tokens")
    for column in ("smoothing", "fit s", "nltk", "tokens/s", "nltk", "nats/token", "nltk"):
        table.add_column(column, justify="left" if column == "smoothing" else "right")
    for row in rows:
        table.add_row(
            row.smoothing, f"{row.fit_seconds:.2f}", f"{row.nltk_fit_seconds:.2f}", f"{row.tokens_per_second:,.0f}",
            f"{row.nltk_tokens_per_second:,.1f}", f"{row.nats_per_token:.4f}", f"{row.nltk_nats_per_token:.4f}",
        )  # fmt: skip
    Console(width=120).print(table)
    print(f"nltk {nltk.__version__}; {facts['cpu']}, {facts['cores']} cores")
    if args.json:
        write_figures(args.json, args, facts, nltk=nltk.__version__, rows=[asdict(row) for row in rows])


if __name__ == "__main__":
    main()
