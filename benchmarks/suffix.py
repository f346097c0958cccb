"""The suffix index: time, memory, size and queries a second, beside infini-gram on the same tokens in the same run.

    python benchmarks/suffix.py SOURCE [--valid FILE] [--test FILE] --tokenizer 'bpe(vocabulary=32000)' \
        [--growth] [--infini-gram] [--json FILE]

Every figure comes from a process of its own. Seconds of indexing are wall clock of that whole process, Python's
imports, reading the ids and writing the index included; cores are its CPU seconds / wall seconds; memory is its peak
(of infini-gram, the largest of its processes). Bytes a token are those on disk beside the tokens themselves.
Queries are n-grams of 1 to 5 tokens from random places of the test text, the same for both sides: all in one
call ("in a batch") and one call each. Distributions are those of the next token after random contexts of the
test text, one call each; infini-gram's without smoothing. `--infini-gram` needs that package (PyPI).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from _shared import Usage, measured, write_figures
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from lmbench import machine
from lmbench.progress import Silent
from lmbench.tokens import Tokens

QUERIES = 200_000
SINGLE = 5_000
CONTEXTS = 200
_SEPARATOR = 0xFFFF  # infini-gram's end of document in 16 bits


@dataclass
class Side:
    """One row of the first table: an index, and what it answers. `found`: the sum of the first `SINGLE` counts."""

    name: str
    tokens: int
    index_seconds: float
    index_cores: float
    peak_mb: float
    bytes_per_token: float
    open_seconds: float
    counts_per_second: float | None
    single_counts_per_second: float
    distributions_per_second: float
    found: int


@dataclass
class Model:
    """One row of the second: a model fitted and scored on the test text; `nats_per_token` None where it is infinite."""

    name: str
    tokens: int
    fit_seconds: float
    peak_mb: float
    score_tokens_per_second: float
    distributions_per_second: float
    nats_per_token: float | None


def child(mode: str, *arguments: str | Path) -> tuple[dict[str, Any], Usage]:
    """Run this file on `arguments` in a process: what it prints (JSON), and what it took."""
    usage = measured([sys.executable, __file__, mode, *map(str, arguments)])
    last = usage.output.strip().splitlines()[-1:] or ["null"]
    return json.loads(last[0]), usage


def queries(test: Tokens) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(starts, lengths), [QUERIES] each, the same whenever they are drawn."""
    rng = np.random.default_rng(0)
    return rng.integers(0, len(test) - 5, QUERIES), rng.integers(1, 6, QUERIES)


def contexts(test: Tokens) -> list[NDArray[np.integer[Any]]]:
    """What precedes `CONTEXTS` random places in their documents, 50 tokens at most."""
    places = np.random.default_rng(1).integers(1, len(test), CONTEXTS)
    begins = test.documents[np.searchsorted(test.documents, places, "right") - 1]
    return [test.ids[max(begin, at - 50) : at] for begin, at in zip(begins.tolist(), places.tolist(), strict=True)]


def folder_bytes(folder: Path, tokens: str) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and path.name != tokens)


# what the processes do


def index_ours(train: str, out: str) -> None:
    from lmbench.counts.suffix_index import SuffixIndex

    SuffixIndex.build(Tokens.load(Path(train)), Silent()).save(Path(out))
    print("null")


def ask_ours(folder: str, test: str) -> None:
    from lmbench.counts.parallel import coarse_threads
    from lmbench.counts.suffix_index import SuffixIndex
    from lmbench.model._suffixes import distribution, maximum_likelihood

    text = Tokens.load(Path(test))
    begun = time.perf_counter()
    index = SuffixIndex.load(Path(folder))
    opened = time.perf_counter() - begun
    starts, lengths = queries(text)
    index.find(text.ids, starts[:1], lengths[:1])  # what is made on the first query is made here
    begun = time.perf_counter()
    low, high = index.find(text.ids, starts, lengths)
    batch = time.perf_counter() - begun
    begun = time.perf_counter()
    for start, length in zip(starts[:SINGLE].tolist(), lengths[:SINGLE].tolist(), strict=True):
        index.find(text.ids[start : start + length], np.zeros(1, dtype=np.int64), np.array([length]))
    single = time.perf_counter() - begun
    begun = time.perf_counter()
    with coarse_threads():
        for context in contexts(text):
            document = np.concatenate([[index.end_of_text], context.astype(np.int64)])
            distribution(index, document, maximum_likelihood, 16)
    after = time.perf_counter() - begun
    answers(int((high - low)[:SINGLE].sum()), opened, batch, single, after)


def answers(found: int, opened: float, batch: float | None, single: float, after: float) -> None:
    figures = {
        "found": found,
        "open_seconds": opened,
        "counts_per_second": batch and QUERIES / batch,
        "single_counts_per_second": SINGLE / single,
        "distributions_per_second": CONTEXTS / after,
    }
    print(json.dumps(figures))


def index_infini_gram(train: str, out: str) -> None:
    """Its own indexing, from the step after tokenization on."""
    tokens = Tokens.load(Path(train))
    folder = Path(out).resolve()
    end = tokens.vocabulary.end_of_text
    texts = [tokens.document(at) for at in range(len(tokens.documents))]
    documents = [np.append(_SEPARATOR, text[text != end]) for text in texts]
    np.concatenate(documents).astype("<u2").tofile(folder / "tokenized.0")
    offsets = np.cumsum([0] + [2 * len(document) for document in documents[:-1]])
    offsets.astype("<u8").tofile(folder / "offset.0")
    memory = (machine.machine("cpu")["memory_bytes"] or 4 << 30) >> 30
    command = [sys.executable, "-m", "infini_gram.indexing", "--data_dir", str(folder), "--save_dir", str(folder)]
    cores = str(os.cpu_count() or 1)
    options = ["--token_dtype", "u16", "--cpus", cores, "--mem", str(max(1, memory // 2)), "--ulimit", "4096"]
    done = subprocess.run([*command, *options], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"infini_gram.indexing failed: {(done.stdout + done.stderr)[-2000:]}")
    print("null")


def ask_infini_gram(folder: str, test: str) -> None:
    from infini_gram.engine import InfiniGramEngine  # type: ignore[import-not-found]

    text = Tokens.load(Path(test))
    end = text.vocabulary.end_of_text
    ids = np.where(text.ids == end, _SEPARATOR, text.ids.astype(np.int64))
    begun = time.perf_counter()
    engine = InfiniGramEngine(str(folder), eos_token_id=end, vocab_size=len(text.vocabulary), token_dtype="u16")
    opened = time.perf_counter() - begun
    starts, lengths = queries(text)
    places = zip(starts[:SINGLE].tolist(), lengths[:SINGLE].tolist(), strict=True)
    ngrams = [ids[start : start + length].tolist() for start, length in places]
    begun = time.perf_counter()
    found = [engine.count(ngram)["count"] for ngram in ngrams]
    single = time.perf_counter() - begun
    prompts = [[_SEPARATOR, *context.tolist()] for context in contexts(text)]
    begun = time.perf_counter()
    for prompt in prompts:
        engine.infgram_ntd(prompt_ids=prompt)
    after = time.perf_counter() - begun
    answers(sum(found), opened, None, single, after)


def fit_and_score(spec: str, train: str, valid: str, test: str) -> None:
    from lmbench.model import models
    from lmbench.spec import parse

    splits = [Tokens.load(Path(folder)) for folder in (train, valid, test)]
    begun = time.perf_counter()
    model = models.make(parse(spec)).fit(splits[0], splits[1], Silent())
    fitted = time.perf_counter() - begun
    begun = time.perf_counter()
    nats = -float(model.log_probs(splits[2], Silent()).mean())
    scored = time.perf_counter() - begun
    begun = time.perf_counter()
    for context in contexts(splits[2]):
        model.next_log_probs(context)
    after = time.perf_counter() - begun
    figures = {
        "fit_seconds": fitted,
        "score_tokens_per_second": len(splits[2]) / scored,
        "distributions_per_second": CONTEXTS / after,
        "nats_per_token": nats if np.isfinite(nats) else None,
    }
    print(json.dumps(figures))


MODES = {work.__name__: work for work in (index_ours, ask_ours, index_infini_gram, ask_infini_gram, fit_and_score)}


# what this process does


def side(name: str, kind: str, work: Path, size: int, text: str) -> Side:
    """Index the `train` of `work`, and ask the index; `text`: the file that holds the tokens themselves."""
    with tempfile.TemporaryDirectory(dir=work) as folder:
        _, used = child(f"index_{kind}", work / "train", folder)
        found, _ = child(f"ask_{kind}", folder, work / "test")
        kept = folder_bytes(Path(folder), text) / size
        return Side(name, size, used.seconds, used.cores, used.peak_mb, kept, **found)


def table(title: str, rows: list[Any]) -> Table:
    shown = Table(title=title)
    for name in asdict(rows[0]):
        shown.add_column(name.replace("_", " "), justify="left" if name == "name" else "right")
    for row in rows:
        shown.add_row(*(shown_as(value) for value in asdict(row).values()))
    return shown


def shown_as(value: str | float | None) -> str:
    if value is None or isinstance(value, str):
        return value or "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.0f}" if value >= 1000 else f"{value:,.4g}"


def main() -> None:
    if sys.argv[1:2] and sys.argv[1] in MODES:
        MODES[sys.argv[1]](*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="a corpus, a path or hf:owner/name")
    parser.add_argument("--valid", help="the validation text, where it is a file of its own")
    parser.add_argument("--test", help="the test text, where it is a file of its own")
    parser.add_argument("--split", default="90/5/5")
    parser.add_argument("--lines", action="store_true", help="each line is a document")
    parser.add_argument("--tokenizer", default="bpe(vocabulary=32000)")
    parser.add_argument("--growth", action="store_true", help="also 1/8, 1/4 and 1/2 of the training tokens")
    parser.add_argument("--infini-gram", action="store_true", help="also infini-gram, from PyPI")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    args = parser.parse_args()
    from lmbench.pipeline import Plan  # not at the top: the processes that are measured do without
    from lmbench.pipeline.job import prepare

    plan = Plan(
        args.source, models=(), tokenizer=args.tokenizer, valid=args.valid, test=args.test, split=args.split,
        lines=args.lines, device="cpu",
    )  # fmt: skip
    job = prepare(plan, Silent())
    train, valid, test = job.train, job.valid, job.test
    if args.infini_gram and len(train.vocabulary) > _SEPARATOR:
        raise SystemExit("--infini-gram: this benchmark hands it ids of 16 bits; take a smaller vocabulary")
    sides: list[Side] = []
    fitted: list[Model] = []
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for name, tokens in (("train", train), ("valid", valid), ("test", test)):
            (work / name).mkdir()
            tokens.save(work / name)
        for part in (8, 4, 2, 1) if args.growth else (1,):
            piece = train.head(len(train) // part)
            piece.save(work / "train")
            sides.append(side("lmbench", "ours", work, len(piece), "text.npy"))
            if args.infini_gram:
                sides.append(side("infini-gram", "infini_gram", work, len(piece), "tokenized.0"))
            for spec in ("suffix", "suffix(smoothing=pitman_yor)"):
                found, used = child("fit_and_score", spec, work / "train", work / "valid", work / "test")
                fitted.append(Model(spec, len(piece), peak_mb=used.peak_mb, **found))
    described = machine.machine("cpu")
    console = Console(width=180)
    console.print(table("Indexes", sides))
    console.print(table("Models on them", fitted))
    console.print(f"machine: {described}; {args.tokenizer}, {len(test):,} test tokens; {QUERIES:,} queries in a batch")
    if args.json:
        rows = {"indexes": [asdict(row) for row in sides], "models": [asdict(row) for row in fitted]}
        write_figures(args.json, args, described, **rows)


if __name__ == "__main__":
    main()
