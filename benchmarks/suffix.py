"""The suffix index and its models: time, memory, size and queries a second.

    python benchmarks/suffix.py SOURCE --tokenizer 'bpe(vocabulary=32000)' [--growth] [--json FILE]

Seconds are wall clock, cores CPU seconds / wall seconds. Queries are n-grams of 1 to 5 tokens
from random places of the test text, all in one call; distributions are those after random contexts of
the test text, one by one. Bytes a token are those on disk beside the tokens themselves.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from rich.console import Console
from rich.table import Table

from lmbench import machine
from lmbench.corpus import default_cache, open_source
from lmbench.corpus.split import split
from lmbench.counts.suffix_index import SuffixIndex
from lmbench.model.suffix import Suffix
from lmbench.progress import Silent
from lmbench.tokenizer._cache import encode_splits, trained
from lmbench.tokens import Tokens

QUERIES = 200_000
CONTEXTS = 200
Result = TypeVar("Result")


@dataclass
class Figures:
    """One row of the table."""

    tokens: int
    index_seconds: float
    index_cores: float
    peak_mb: float
    bytes_per_token: float
    load_seconds: float
    counts_per_second: float
    distributions_per_second: float
    fit_seconds: float
    score_tokens_per_second: float
    nats_per_token: float


def timed(work: Callable[[], Result]) -> tuple[Result, float, float]:
    """What `work` returns, its wall-clock seconds, and how many cores it kept busy."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    seconds = time.perf_counter() - wall
    return result, seconds, (time.process_time() - cpu) / seconds


def measured(train: Tokens, valid: Tokens, test: Tokens) -> Figures:
    index, index_seconds, index_cores = timed(lambda: SuffixIndex.build(train, Silent()))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with tempfile.TemporaryDirectory() as folder:
        index.save(Path(folder))
        size = sum(path.stat().st_size for path in Path(folder).iterdir() if path.name != "text.npy")
        index, load_seconds, _ = timed(lambda: SuffixIndex.load(Path(folder)))
        rng = np.random.default_rng(0)
        lengths = rng.integers(1, 6, QUERIES)
        starts = rng.integers(0, len(test) - 5, QUERIES)
        _, count_seconds, _ = timed(lambda: index.find(test.ids, starts, lengths))
    fitted, fit_seconds, _ = timed(lambda: Suffix(smoothing="pitman_yor").fit(train, valid, Silent()))
    scores, score_seconds, _ = timed(lambda: fitted.log_probs(test, Silent()))
    contexts = [test.ids[max(0, at - 50) : at] for at in rng.integers(1, len(test), CONTEXTS).tolist()]
    _, next_seconds, _ = timed(lambda: [fitted.next_log_probs(context) for context in contexts])
    return Figures(
        tokens=len(train),
        index_seconds=index_seconds,
        index_cores=index_cores,
        peak_mb=peak,
        bytes_per_token=size / len(train),
        load_seconds=load_seconds,
        counts_per_second=QUERIES / count_seconds,
        distributions_per_second=CONTEXTS / next_seconds,
        fit_seconds=fit_seconds,
        score_tokens_per_second=len(test) / score_seconds,
        nats_per_token=float(-scores.mean()),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("source", help="a corpus, a path or hf:owner/name")
    parser.add_argument("--tokenizer", default="bpe(vocabulary=32000)")
    parser.add_argument("--split", default="90/5/5")
    parser.add_argument("--growth", action="store_true", help="also on 1/2, 1/4 and 1/8 of the training tokens")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    args = parser.parse_args()
    cache = default_cache()
    corpus = open_source(args.source, cache=cache)
    splits = split(corpus.text, args.split, valid=corpus.valid, test=corpus.test)
    tokenizer = trained(args.tokenizer, splits.train, cache)
    train, valid, test = encode_splits(tokenizer, splits, cache)
    sizes = [len(train) >> shift for shift in ((3, 2, 1, 0) if args.growth else (0,))]
    rows = [measured(train.head(size), valid, test) for size in sizes]
    facts = machine.machine("cpu")
    table = Table(title=f"{args.source}, {args.tokenizer}, {len(test):,} test tokens; {facts}")
    for name in asdict(rows[0]):
        table.add_column(name.replace("_", " "), justify="right")
    for row in rows:
        values = asdict(row).values()
        table.add_row(*(f"{value:,}" if isinstance(value, int) else f"{value:,.4g}" for value in values))
    Console(width=200).print(table)
    if args.json:
        content = {
            "source": args.source,
            "tokenizer": args.tokenizer,
            "machine": facts,
            "rows": list(map(asdict, rows)),
        }
        args.json.write_text(json.dumps(content, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
