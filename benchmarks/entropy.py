"""The estimators of the entropy: seconds and peak memory of each, on a text and on its first parts.

    python benchmarks/entropy.py SOURCE [--estimator SPEC ...] [--growth] [--json FILE]

Seconds are wall clock of `estimate` alone, cores CPU seconds / wall seconds. Memory is the peak of a process of its
own for each estimator, less what that process holds once the text is read. `power` is the slope of log seconds
against log characters over the sizes of `--growth` (1/4, 1/2 and the whole): 1 is linear.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from lmbench import machine
from lmbench.entropy import estimators
from lmbench.errors import LmbenchError
from lmbench.pipeline import Plan
from lmbench.pipeline.entropy import panel_specs
from lmbench.pipeline.job import prepare
from lmbench.pipeline.rows import texts_in
from lmbench.progress import Silent
from lmbench.tokens import Tokens


@dataclass
class Figures:
    """One estimator on one size."""

    estimator: str
    characters: int
    seconds: float
    cores: float
    peak_mb: float
    bits_per_character: float | None
    refused: str


def measure(source: str, split: str, spec: str, share: float, out: multiprocessing.SimpleQueue[Figures]) -> None:
    """In a process of its own: read the text, then time one estimator on the first `share` of it."""
    estimator = estimators.make(spec)
    tokenizer = "bpe" if estimator.unit == "token" else "char"
    job = prepare(Plan(source, models=(), tokenizer=tokenizer, estimators=[spec], split=split, device="cpu"), Silent())
    train, test = texts_in(job, estimator.unit, Silent())
    if share < 1:
        train, test = first_part(train, share), first_part(test, share)
    with machine.PeakMemory() as before:
        characters = train.characters + test.characters
    bits, refused = None, ""
    with machine.PeakMemory() as memory:
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            bits = estimator.estimate(train, test, Silent())[0].bits_per_character
        except LmbenchError as error:
            refused = str(error)
        seconds = time.perf_counter() - wall
        cores = (time.process_time() - cpu) / max(seconds, 1e-9)
    peak = ((memory.bytes or 0) - (before.bytes or 0)) / 1e6
    out.put(Figures(spec, characters, seconds, cores, peak, bits, refused))


def first_part(tokens: Tokens, share: float) -> Tokens:
    """The first `share` of the tokens, ended as a document is."""
    ids = tokens.ids[: max(1, int(share * len(tokens)))].copy()
    ids[-1] = tokens.vocabulary.end_of_text
    return Tokens(ids, tokens.documents[tokens.documents < len(ids)], tokens.vocabulary)


def measured(source: str, split: str, spec: str, share: float) -> Figures:
    context = multiprocessing.get_context("spawn")
    queue: multiprocessing.SimpleQueue[Figures] = context.SimpleQueue()
    process = context.Process(target=measure, args=(source, split, spec, share, queue))
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"{spec}: the process ended with {process.exitcode}")
    return queue.get()


def power(rows: list[Figures]) -> float | None:
    """The least-squares slope of log seconds against log characters."""
    points = [(math.log(row.characters), math.log(max(row.seconds, 1e-4))) for row in rows]
    if len(points) < 2:
        return None
    x, y = (sum(values) / len(points) for values in zip(*points, strict=True))
    return sum((a - x) * (b - y) for a, b in points) / sum((a - x) ** 2 for a, _ in points)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("source", help="a corpus, a path or hf:owner/name")
    parser.add_argument("--estimator", action="append", default=[], help="a SPEC; repeat for more [the default panel]")
    parser.add_argument("--split", default="90/5/5")
    parser.add_argument("--growth", action="store_true", help="also on the first 1/2 and 1/4")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    args = parser.parse_args()
    specs = [str(spec) for spec in panel_specs(args.estimator, None)]
    shares = [1 / 4, 1 / 2, 1.0] if args.growth else [1.0]
    facts = machine.machine("cpu")
    table = Table(title=f"{args.source}; {facts['cpu']}, {facts['cores']} cores")
    for name in ("estimator", "characters", "seconds", "cores", "peak MB", "bytes/char", "bits/char", "power"):
        table.add_column(name, justify="left" if name == "estimator" else "right")
    everything: list[Figures] = []
    for spec in specs:
        rows = []
        for share in shares:
            rows.append(measured(args.source, args.split, spec, share))
            print(f"{spec}: {rows[-1].seconds:.1f} s, {rows[-1].peak_mb:,.0f} MB", file=sys.stderr, flush=True)
        everything += rows
        for row in rows:
            bits = "refused" if row.bits_per_character is None else f"{row.bits_per_character:.3f}"
            slope = power(rows) if row is rows[-1] else None
            table.add_row(
                spec, f"{row.characters:,}", f"{row.seconds:.2f}", f"{row.cores:.1f}", f"{row.peak_mb:,.0f}",
                f"{row.peak_mb * 1e6 / row.characters:.0f}", bits, "" if slope is None else f"{slope:.2f}",
            )  # fmt: skip
    whole = [row for row in everything if row.characters == max(other.characters for other in everything)]
    Console(width=140).print(table)
    print(f"all estimators on the whole text: {sum(row.seconds for row in whole):.1f} s")
    if args.json:
        content = {"source": args.source, "machine": facts, "rows": [asdict(row) for row in everything]}
        args.json.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
