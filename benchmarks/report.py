"""How long a report takes of a large run: 20 rows and 5 MB of test text.

    python benchmarks/report.py [TEXT] [--rows 20] [--test-bytes 5000000] [--train-bytes 2000000] [--json FILE]

Without TEXT words are drawn by Zipf's law, in documents of some thousand. The run itself, n-grams of several orders and
smoothings, is made first and is not timed. Timed are whole processes, the median of `--repeat`: the page
(`lmbench report RUN --html`), the report on a terminal, and the other forms. Each model is asked about the passage for
a share of the page's own seconds; what is left over is not waited for.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from _shared import measured, median, write_figures
from rich.console import Console
from rich.table import Table

from lmbench import machine
from lmbench.pipeline import Plan, run

SMOOTHINGS = ("modified_kneser_ney", "witten_bell", "absolute", "original_kneser_ney", "additive")
WORDS, DOCUMENT = 30_000, 4_000  # types, and words in a document


@dataclass
class Timed:
    """One command: seconds of the whole process, and the bytes that it wrote."""

    command: str
    seconds: float
    bytes: int


def drawn(path: Path, size: int, seed: int) -> Path:
    """A text of about `size` bytes: words of letters, whose frequencies follow Zipf's law."""
    rng = np.random.default_rng(seed)
    letters = np.random.default_rng(0).integers(97, 123, (WORDS, 9)).astype(np.uint8)
    types = [bytes(row[: 2 + place % 8]).decode() for place, row in enumerate(letters)]
    weights = 1 / np.arange(1, WORDS + 1)
    path.mkdir()
    written = 0
    while written < size:
        chosen = rng.choice(WORDS, DOCUMENT, p=weights / weights.sum())
        content = " ".join(types[index] for index in chosen.tolist()) + "\n"
        (path / f"{written:09}.txt").write_text(content, encoding="ascii")
        written += len(content)
    return path


def cut(text: Path, home: Path, train: int, test: int) -> dict[str, str]:
    """The beginning of TEXT as training, validation and test text."""
    data = text.read_bytes()
    parts, at = {}, 0
    for name, size in (("train", train), ("valid", test // 20), ("test", test)):
        piece = data[at : at + size]
        parts[name] = str(home / f"{name}.txt")
        Path(parts[name]).write_text(piece.decode("utf-8", errors="ignore"), encoding="utf-8")
        at += size
    return parts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path, nargs="?", help="a file of text")
    parser.add_argument("--rows", type=int, default=20)
    parser.add_argument("--train-bytes", type=int, default=2_000_000)
    parser.add_argument("--test-bytes", type=int, default=5_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures here")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        if args.text:
            parts = cut(args.text, work, args.train_bytes, args.test_bytes)
        else:
            sizes = {"train": args.train_bytes, "valid": args.test_bytes // 20, "test": args.test_bytes}
            parts = {name: str(drawn(work / name, size, seed)) for seed, (name, size) in enumerate(sizes.items())}
        orders = -(-args.rows // len(SMOOTHINGS))
        models = [f"ngram(order={order}, smoothing={name})" for order in range(1, orders + 1) for name in SMOOTHINGS]
        plan = Plan(
            source=parts["train"], valid=parts["valid"], test=parts["test"], models=models[: args.rows],
            estimators=["zlib"], device="cpu", out=work / "runs",
        )  # fmt: skip
        done = run(plan)
        own = [sys.executable, "-m", "lmbench", "report", str(done.folder)]
        ways = {"--html": [*own, "--html", str(work / "page.html")], "": own}
        ways |= {
            f"--format {form}": [*own, "--format", form] for form in ("markdown", "latex", "csv", "json", "lm-eval")
        }
        found = []
        for name, command in ways.items():
            usage = median(args.repeat, lambda command=command: measured(command))
            size = (work / "page.html").stat().st_size if name == "--html" else len(usage.output.encode())
            found.append(Timed(f"lmbench report {name}".strip(), usage.seconds, size))
        card = done.record.card
    table = Table(title=f"{len(done.record.rows)} rows, {card.test.bytes:,} bytes of test text")
    for column in ("command", "seconds", "bytes"):
        table.add_column(column, justify="left" if column == "command" else "right")
    for each in found:
        table.add_row(each.command, f"{each.seconds:.2f}", f"{each.bytes:,}")
    Console(width=120).print(table)
    facts = machine.machine("cpu")
    print(f"{card.test.tokens:,} test tokens; {facts['cpu']}, {facts['cores']} cores")
    if args.json:
        write_figures(
            args.json, args, facts, rows=len(done.record.rows), test_bytes=card.test.bytes,
            test_tokens=card.test.tokens, commands=[asdict(each) for each in found],
        )  # fmt: skip


if __name__ == "__main__":
    main()
