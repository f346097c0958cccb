"""Files that `lmbench compress` writes beside those of compressors, in bytes; prints a table, and checks every file.

    python benchmarks/compression.py ../shared/data/tinyshakespeare.txt --bytes 50000 \\
        --model 'ngram(order=5)' --model transformer --train-tokens 200000

A run fits the models on the training part of a text, and codes the first bytes of its test part. A model knows the
training text, which a compressor does not: each compressor has the test text alone, and beside that what it adds to
the training text, size(train + test) - size(train). `model` is what a decoder needs of the model beside the file;
`payload` is the .lmz without its header, which has checksums and versions.
`xz` and `zstd` are the programs of these names, PPMd and brotli the packages pyppmd and brotli (pip install
'lmbench[codec]'). A .lmz counts whole, with its header; so do the files of the compressors.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import brotli
import pyppmd
from _shared import write_figures
from rich.console import Console
from rich.table import Table

from lmbench import machine, pipeline
from lmbench.pipeline.compressing import Codec
from lmbench.pipeline.training_text import training_parts
from lmbench.progress import Silent
from lmbench.store import read_record

_MEMORY = 1 << 30  # bytes of PPMd's


@dataclass
class Size:
    """`alone`, `given`: bytes of the coded text, given nothing and given the training text; `model`: bytes on disk."""

    name: str
    alone: int | None
    given: int | None
    model: int | None = None
    payload_bits: int | None = None
    code_length: float | None = None


def program(*command: str) -> Callable[[bytes], int]:
    """The size of what a program writes on standard output; a compressor that does not decode its own is no peer."""

    def size(content: bytes) -> int:
        made = subprocess.run([*command, "-c"], input=content, capture_output=True, check=True).stdout
        back = subprocess.run([command[0], "-dc", "--long=31"] if command[0] == "zstd" else [command[0], "-dc"],
                              input=made, capture_output=True, check=True).stdout  # fmt: skip
        if back != content:
            raise SystemExit(f"{command[0]} does not give back what it was given")
        return len(made)

    return size


def ppmd(content: bytes) -> int:
    made = pyppmd.compress(content, max_order=6, mem_size=_MEMORY, variant="H")
    if pyppmd.Ppmd7Decoder(6, _MEMORY).decode(made, len(content)) != content:
        raise SystemExit("PPMd does not give back what it was given")
    return len(made)


def brotli_size(content: bytes) -> int:
    made = brotli.compress(content, quality=11, lgwin=24)
    if brotli.decompress(made) != content:
        raise SystemExit("brotli does not give back what it was given")
    return len(made)


PEERS: dict[str, Callable[[bytes], int]] = {
    "xz -9e": program("xz", "-9e"),
    "zstd --ultra -22": program("zstd", "--ultra", "-22", "-q"),
    "PPMd (order 6)": ppmd,
    "brotli (quality 11)": brotli_size,
}


def of_models(folder: Path, content: bytes) -> Iterator[Size]:
    """Each model that can code the text; every file is decompressed and compared."""
    for row in read_record(folder).rows:
        codec = Codec.open(folder, row)
        made, said = codec.compress(content, Silent())
        yield Size(row.model, None, len(made), row.bytes_on_disk, said.payload_bits, said.code_length)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("source", help="a corpus, a path or hf:owner/name")
    parser.add_argument("--model", action="append", help="a SPEC; repeat for more")
    parser.add_argument("--tokenizer", default="bpe")
    parser.add_argument("--split", default="90/5/5")
    parser.add_argument("--bytes", type=int, default=100_000, help="of the test text")
    parser.add_argument("--train-tokens", type=int, help="that each net is trained on")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        plan = pipeline.Plan(
            source=args.source, models=args.model or ["ngram(order=5)", "suffix(smoothing=pitman_yor)"],
            estimators=[], tokenizer=args.tokenizer, split=args.split, device="cpu", out=home,
            train_tokens=args.train_tokens,
        )  # fmt: skip
        done = pipeline.run(plan)
        for failure in done.record.failures:
            raise SystemExit(f"{failure.spec}: {failure.message}")
        test = pipeline.scored_tokens_of(done.folder, done.record.card).content().encode("utf-8")
        content = test[: args.bytes]
        train = training_parts(done.folder)[0].content().encode("utf-8")
        sizes = [Size(name, size(content), size(train + content) - size(train)) for name, size in PEERS.items()]
        sizes += of_models(done.folder, content)
    facts = machine.machine("cpu")
    title = f"{Path(args.source).name}: {len(content):,} bytes of test text, {len(train):,} of training text"
    table = Table(title=title)
    heads = (
        "",
        "alone",
        "bits/byte",
        "given training",
        "bits/byte",
        "payload",
        "bits/byte",
        "over code length",
        "model",
    )
    for name in heads:
        table.add_column(name, justify="right" if name else "left")
    for each in sorted(sizes, key=lambda each: each.given or 0):
        over = "" if each.code_length is None else f"{each.payload_bits - each.code_length:+.0f} bits"  # type: ignore[operator]
        table.add_row(
            each.name, *_both(each.alone, content), *_both(each.given, content),
            *_both(None if each.payload_bits is None else each.payload_bits // 8, content), over,
            "" if each.model is None else f"{each.model:,}",
        )  # fmt: skip
    Console(width=160).print(table)
    if args.json:
        digest = hashlib.sha256(content).hexdigest()
        write_figures(args.json, args, facts, text=digest, sizes=[asdict(each) for each in sizes])


def _both(size: int | None, content: bytes) -> tuple[str, str]:
    return ("", "") if size is None else (f"{size:,}", f"{8 * size / len(content):.3f}")


if __name__ == "__main__":
    main()
