"""N-gram models: build, size and speed, beside KenLM on the same tokens in the same run.

    python benchmarks/ngram.py SOURCE --tokenizer 'bpe(vocabulary=32000)' --order 5 \
        --lmplz PATH --build-binary PATH --query PATH [--test FILE] [--growth] [--json FILE]

Without the three paths it measures lmbench alone. Each side runs as processes of its own,
one after the other, three times, of which the median is shown; seconds are wall clock of whole
processes, imports and files included, unless a column says otherwise; cores are CPU seconds /
wall seconds; memory is the largest process's peak. "tokens/s" after "of which scoring" is, for
lmbench, of loading the model and scoring, without what Python and torch take to start;
"long" is a whole process that scores the training text, in which that start counts. Both sides
read the same tokens: lmbench an array of ids, KenLM the same ids as text, one document a line.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from _shared import measured, median, write_figures

if TYPE_CHECKING:  # what is measured should not wait for what only the table needs
    from rich.table import Table

    from lmbench.tokens import Tokens


@dataclass
class Side:
    """One row of the table."""

    name: str
    tokens: int
    ngrams: int
    build_seconds: float
    build_cores: float
    build_peak_mb: float
    bytes_per_ngram: float
    score_seconds: float
    score_tokens_per_second: float
    score_cores: float
    score_inner_seconds: float | None
    perplexity: float
    long_seconds: float


def kenlm(args: argparse.Namespace, work: Path, train: Tokens, test: Tokens) -> list[Side]:
    """lmplz, then build_binary and query for the probing and the quantised trie form."""
    for name, tokens in (("train", train), ("test", test)):
        with (work / f"{name}.txt").open("w", encoding="ascii") as file:
            for index in range(len(tokens.documents)):
                file.write(" ".join(f"w{token}" for token in tokens.document(index)[:-1].tolist()) + "\n")
    arpa = work / "model.arpa"
    command = [args.lmplz, "-o", str(args.order), "-S", args.kenlm_memory, "-T", str(work), "--discount_fallback"]
    lmplz = median(args.repeat, lambda: measured(command, work / "train.txt", arpa))
    header = arpa.open(encoding="utf-8", errors="replace")
    ngrams = sum(int(line.split("=")[1]) for line in (next(header) for _ in range(args.order + 1)) if "=" in line)
    sides = []
    for name, options in (("probing", []), ("trie, 8 bits", ["-q", "8", "-b", "8", "trie"])):
        binary = work / "model.binary"
        building = [args.build_binary, "-T", str(work), *options, str(arpa), str(binary)]
        built = median(args.repeat, lambda building=building: measured(building))
        querying = [args.query, "-v", "summary", str(binary)]
        query = median(args.repeat, lambda querying=querying: measured(querying, work / "test.txt"))
        long = median(args.repeat, lambda querying=querying: measured(querying, work / "train.txt"))
        found = re.search(r"Perplexity including OOVs:\s+([\d.e+]+)", query.output + query.said)
        seconds = lmplz.seconds + built.seconds
        sides.append(
            Side(
                name=f"KenLM, {name}",
                tokens=len(train),
                ngrams=ngrams,
                build_seconds=seconds,
                build_cores=(lmplz.cores * lmplz.seconds + built.cores * built.seconds) / seconds,
                build_peak_mb=max(lmplz.peak_mb, built.peak_mb),
                bytes_per_ngram=binary.stat().st_size / ngrams,
                score_seconds=query.seconds,
                score_tokens_per_second=len(test) / query.seconds,
                score_cores=query.cores,
                score_inner_seconds=None,
                perplexity=float(found.group(1)) if found else float("nan"),
                long_seconds=long.seconds,
            )
        )
        binary.unlink()
    arpa.unlink()
    return sides


def ours(args: argparse.Namespace, work: Path, train: Tokens, test: Tokens, storage: str) -> Side:
    """This program, in processes that run `build_one` and `score_one` below."""
    for name, tokens in (("train", train), ("test", test)):
        (work / name).mkdir(exist_ok=True)
        tokens.save(work / name)
    model = work / f"model-{storage}"
    model.mkdir(exist_ok=True)
    spec = f"ngram(order={args.order}, smoothing={args.smoothing}, storage={storage})"
    building = [sys.executable, __file__, "--build", spec, str(work / "train"), str(model), args.device]
    built = median(args.repeat, lambda: measured(building))
    scoring = [sys.executable, __file__, "--score", str(model), str(work / "test"), args.device]
    score = median(args.repeat, lambda: measured(scoring))
    inner = json.loads(score.output.splitlines()[0])
    reading = [sys.executable, __file__, "--score", str(model), str(work / "train"), args.device]
    long = median(args.repeat, lambda: measured(reading))
    card = json.loads((model / "card.json").read_text(encoding="utf-8"))
    size = sum(path.stat().st_size for path in model.iterdir())
    return Side(
        name=f"lmbench, {storage}",
        tokens=len(train),
        ngrams=card["stored_ngrams"],
        build_seconds=built.seconds,
        build_cores=built.cores,
        build_peak_mb=built.peak_mb,
        bytes_per_ngram=size / card["stored_ngrams"],
        score_seconds=score.seconds,
        score_tokens_per_second=len(test) / inner["seconds"],
        score_cores=score.cores,
        score_inner_seconds=inner["seconds"],
        perplexity=inner["perplexity"],
        long_seconds=long.seconds,
    )


def build_one(spec: str, train: str, folder: str, device: str) -> None:
    from lmbench.model import models
    from lmbench.progress import Silent
    from lmbench.runtime import Runtime
    from lmbench.spec import parse
    from lmbench.tokens import Tokens

    tokens = Tokens.load(Path(train))
    model = models.make(parse(spec), runtime=Runtime(device=device))
    model.fit(tokens, tokens.head(0), Silent()).save(Path(folder))


def score_one(folder: str, test: str, device: str) -> None:
    import numpy as np

    from lmbench.model.ngram import Ngram
    from lmbench.progress import Silent
    from lmbench.tokens import Tokens

    tokens = Tokens.load(Path(test))
    begun = time.perf_counter()
    model = Ngram.load(Path(folder), device)
    scores = model.log_probs(tokens, Silent())
    seconds = time.perf_counter() - begun
    print(json.dumps({"seconds": seconds, "perplexity": float(np.exp(-scores.mean()))}))


def table(sides: list[Side]) -> Table:
    from rich.table import Table

    shown = Table(title="N-gram models side by side")
    shown.add_column("")
    built = ("tokens", "n-grams", "build s", "cores", "peak MB", "bytes/n-gram")
    for column in (*built, "score s", "of which scoring", "tokens/s", "cores", "perplexity", "long s", "tokens/s"):
        shown.add_column(column, justify="right")
    for side in sides:
        inner = "-" if side.score_inner_seconds is None else f"{side.score_inner_seconds:.2f}"
        shown.add_row(
            side.name,
            f"{side.tokens:,}",
            f"{side.ngrams:,}",
            f"{side.build_seconds:.1f}",
            f"{side.build_cores:.1f}",
            f"{side.build_peak_mb:,.0f}",
            f"{side.bytes_per_ngram:.2f}",
            f"{side.score_seconds:.2f}",
            inner,
            f"{side.score_tokens_per_second:,.0f}",
            f"{side.score_cores:.1f}",
            f"{side.perplexity:.3f}",
            f"{side.long_seconds:.2f}",
            f"{side.tokens / side.long_seconds:,.0f}",
        )
    return shown


def main() -> None:
    if sys.argv[1:2] == ["--build"]:
        build_one(*sys.argv[2:])
        return
    if sys.argv[1:2] == ["--score"]:
        score_one(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("--test")
    parser.add_argument("--split", default="90/5/5")
    parser.add_argument("--lines", action="store_true")
    parser.add_argument("--tokenizer", default="bpe(vocabulary=32000)")
    parser.add_argument("--order", type=int, default=5)
    parser.add_argument("--smoothing", default="modified_kneser_ney(fallback=constant)")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--lmplz")
    parser.add_argument("--build-binary")
    parser.add_argument("--query")
    parser.add_argument("--kenlm-memory", default="60%", help="lmplz -S")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each process, of which the median is shown")
    parser.add_argument("--growth", action="store_true", help="also 1/8, 1/4 and 1/2 of the tokens")
    parser.add_argument("--json", type=Path, help="write the figures here")
    args = parser.parse_args()
    from lmbench.pipeline import Plan
    from lmbench.pipeline.job import prepare
    from lmbench.progress import Silent

    plan = Plan(
        args.source, models=(), tokenizer=args.tokenizer, test=args.test, split=args.split, lines=args.lines,
        device=args.device,
    )  # fmt: skip
    job = prepare(plan, Silent())
    train, test = job.train, job.test
    peer = bool(args.lmplz and args.build_binary and args.query)
    sides: list[Side] = []
    with tempfile.TemporaryDirectory() as folder:
        for part in (8, 4, 2, 1) if args.growth else (1,):
            piece = train.head(len(train) // part)
            forms = ("float64", "float32", "quantized") if part == 1 else ("float32",)
            sides += [ours(args, Path(folder), piece, test, storage) for storage in forms]
            if peer:
                sides += kenlm(args, Path(folder), piece, test)
    from rich.console import Console

    from lmbench import machine

    console = Console(width=185)
    console.print(table(sides))
    described = machine.machine(args.device)
    console.print(f"machine: {described}; order {args.order}, {args.tokenizer}, {len(test):,} test tokens")
    if peer:
        mine = next(side for side in sides if side.name == "lmbench, float32" and side.tokens == len(train))
        other = next(side for side in sides if side.name == "KenLM, probing" and side.tokens == len(train))
        scoring = mine.score_tokens_per_second / other.score_tokens_per_second
        console.print(
            f"build: {other.build_seconds / mine.build_seconds:.1f} times as fast as lmplz + build_binary; scoring "
            f"(ours without its imports): {scoring:.1f} times query's tokens/s; whole processes: "
            f"{other.score_seconds / mine.score_seconds:.2f} times on the test text, "
            f"{other.long_seconds / mine.long_seconds:.2f} times on the training text"
        )
    if args.json:
        write_figures(args.json, args, described, sides=[asdict(side) for side in sides])


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
