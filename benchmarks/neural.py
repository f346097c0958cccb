"""The transformer beside nanoGPT: the same file, split, device and wall clock, in one run.

    python benchmarks/neural.py TEXT [--nanogpt PATH] [--books DIR] [--mfu] [--growth] [--json FILE]

Without --nanogpt it measures lmbench alone. PATH is a checkout of github.com/karpathy/nanoGPT; what is
run is a copy of its train.py, model.py, bench.py and prepare.py, unchanged, with the settings that it
gives for this text: those of its README for a computer without a GPU, or config/train_shakespeare_char.py.
Ours is `lmbench run TEXT --split 90/10 --tokenizer char`, given --share of the seconds that nanoGPT's
training took (all of them on a CPU, half on a GPU). Both clocks run from the first step to the last,
evaluations and compilation included, start of the process and preparation of the text excluded.

nanoGPT reports the mean over random crops of the test text, and keeps the checkpoint that is best on
them. `exact` is the mean over every character of the test text but the first, by a window that slides
over it: nanoGPT's by its own model.py from its checkpoint, half a context at a time, ours as the run
scored it.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import shutil
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from _nanogpt import Side, copied, train_nanogpt
from _shared import run, write_figures
from rich.console import Console
from rich.table import Table

from lmbench import commit, machine

SHARE = {"cpu": 1.0, "cuda": 0.5}
ALONE = {"cpu": 100.0, "cuda": 120.0}  # seconds of ours where nanoGPT sets none
WIDTHS = (128, 256, 512, 1024)
GROWTH_SECONDS = {"cpu": 20.0, "cuda": 10.0}
GPT2_VOCABULARY = 50_304


@dataclass
class Speed:
    """One row of a table of speeds. `utilisation` is None where the peak of the device is not known."""

    name: str
    parameters: int
    tokens_per_second: float
    step_seconds: float
    peak_mb: float | None
    utilisation: float | None


def lmbench_run(args: argparse.Namespace, work: Path, source: list[str], seconds: float, model: str) -> dict[str, Any]:
    """The record of one `lmbench run`, in a process of its own, with `log_probs` and `test` beside its row."""
    command = [sys.executable, "-m", "lmbench", "run", *source, "--model", model, "--estimator", "none"]
    command += ["--train-seconds", f"{seconds:.3f}", "--device", args.device, "--out", str(work / "runs"), "--json"]
    record: dict[str, Any] = json.loads(run(command)[0])
    if record["failures"]:
        raise SystemExit(f"{model}: {record['failures'][0]['message']}")
    return record


def ours(args: argparse.Namespace, work: Path, seconds: float, model: str) -> Side:
    source = [str(args.text), "--split", "90/10", "--tokenizer", "char"]
    record = lmbench_run(args, work, source, seconds, model)
    row = record["rows"][0]
    scores = np.load(next((work / "runs").glob(f"*/{row['folder']}/log_probs.npy")), allow_pickle=False)
    shutil.rmtree(work / "runs")
    if record["card"]["test"]["documents"] != 1:
        raise SystemExit(f"{args.text}: one document is wanted, without a boundary inside the test text")
    return Side(
        f"lmbench, {model}",
        row["parameters"],
        row["training"]["seconds"],
        row["training"]["tokens"],
        row["nats_per_token"],
        -float(scores[1:-1].mean()),  # without the first character and the end of text, which nanoGPT has not
        len(scores) - 2,
        row["context"] or 0,
        row["stride"] or 0,
    )


def books(args: argparse.Namespace, work: Path) -> dict[str, Any]:
    """Bits per byte on the test books, exact, of a net trained for --books-seconds."""
    files = [str(next(args.books.glob(f"{part}.*"))) for part in ("train", "valid", "test")]
    source = [files[0], "--valid", files[1], "--test", files[2], "--tokenizer", args.books_tokenizer]
    record = lmbench_run(args, work, source, args.books_seconds, args.books_model)
    row = record["rows"][0]
    shutil.rmtree(work / "runs")
    kept = ("model", "parameters", "bits_per_byte", "ci95_bits_per_byte", "nats_per_token", "tokens", "bytes")
    return {name: row[name] for name in (*kept, "fit_seconds", "score_seconds", "context", "stride")} | {
        "tokenizer": args.books_tokenizer,
        "trained_tokens": row["training"]["tokens"],
        "epochs": row["training"]["epochs"],
        "flop_utilisation": row["training"].get("flop_utilisation"),
    }


def time_one(spec: str, vocabulary: str, seconds: str, device: str) -> None:
    """Train on random ids for so long and print a Speed as JSON: what is timed does not depend on the text."""
    from lmbench.model import models
    from lmbench.progress import Silent
    from lmbench.runtime import Runtime
    from lmbench.tokens import Tokens, Vocabulary

    size = int(vocabulary)
    ids = np.random.default_rng(0).integers(0, size - 1, 1_000_000).astype(np.uint32)
    names = (*(str(index).encode() for index in range(size - 1)), b"")
    tokens = Tokens(ids, np.zeros(1, dtype=np.int64), Vocabulary(names, size - 1))
    model = models.make(spec, runtime=Runtime(device=device, train_seconds=float(seconds)))
    with machine.PeakMemory(device) as memory:
        model.fit(tokens, tokens.head(0), Silent())
    cost = model.card.training
    speed = cost["tokens_per_second"]
    if speed is None:
        if model.training.compile:
            raise SystemExit(f"{spec}: {seconds} s with the compiling were too few to time a step")
        speed, spec = cost["tokens"] / cost["seconds"], f"{spec}, its first steps included"
    peak = None if memory.bytes is None else memory.bytes / 1e6
    print(
        json.dumps(
            asdict(Speed(spec, cost["parameters"], speed, cost["batch"] / speed, peak, cost["flop_utilisation"]))
        )
    )


def timed(spec: str, vocabulary: int, seconds: float, device: str) -> Speed:
    """`time_one` in a process of its own, so that the peak is its own too."""
    own = [sys.executable, str(Path(__file__).resolve()), "--time", spec, str(vocabulary), str(seconds), device]
    return Speed(**json.loads(run(own)[0].splitlines()[-1]))


def utilisation(args: argparse.Namespace, work: Path) -> list[Speed]:
    """Model FLOP utilisation at the size of GPT-2 small in bfloat16: ours, and nanoGPT's bench.py on the same GPU."""
    import torch

    from lmbench.training.utilisation import peak_flops

    if args.device != "cuda":
        raise SystemExit("--mfu is a share of what a GPU can do, and torch sees none here; leave it out")
    shared = f"batch={args.mfu_batch * 1024}, precision=bfloat16, compile=true"
    specs = [f"transformer(preset=gpt2, {shared})"]
    specs += [f"transformer(layers=12, heads=12, width=768, context=1024, {shared})"]
    found = [timed(spec, GPT2_VOCABULARY, args.mfu_seconds, args.device) for spec in specs]
    if args.nanogpt:
        peer = work / "nanoGPT" if (work / "nanoGPT").exists() else copied(args.nanogpt, work)
        output, _ = run([sys.executable, "bench.py", "--real_data=False", f"--batch_size={args.mfu_batch}"], peer)
        said = re.search(r"time per iteration: ([\d.]+)ms, MFU: ([\d.]+)%", output)
        size = re.search(r"number of parameters: ([\d.]+)M", output)
        assert said is not None
        assert size is not None
        seconds, peak = float(said.group(1)) / 1000, peak_flops(torch.cuda.get_device_name())
        # its figure is a share of an A100's 312 TFLOP/s, whatever the GPU
        share = None if peak is None else float(said.group(2)) / 100 * 312e12 / peak
        speed = args.mfu_batch * 1024 / seconds
        found.append(Speed("nanoGPT bench.py", int(float(size.group(1)) * 1e6), speed, seconds, None, share))
    return found


def growth(args: argparse.Namespace) -> list[Speed]:
    seconds = args.seconds or GROWTH_SECONDS[args.device]
    return [
        timed(f"transformer(layers=4, width={width}, context=256, dropout=0)", 4_096, seconds, args.device)
        for width in WIDTHS
    ]


def sides_table(sides: list[Side]) -> Table:
    shown = Table(title="Side by side, nats per character of the test text")
    shown.add_column("")
    for column in ("parameters", "trained s", "trained tokens", "as it reports", "exact", "context", "stride"):
        shown.add_column(column, justify="right")
    for side in sides:
        figures = (f"{side.train_seconds:.1f}", f"{side.trained_tokens:,}", f"{side.reported:.4f}", f"{side.exact:.4f}")
        shown.add_row(side.name, f"{side.parameters:,}", *figures, str(side.context), str(side.stride))
    return shown


def speeds_table(title: str, speeds: list[Speed]) -> Table:
    shown = Table(title=title)
    shown.add_column("")
    for column in ("parameters", "tokens/s", "ms a step", "peak MB", "FLOP utilisation"):
        shown.add_column(column, justify="right")
    for speed in speeds:
        shown.add_row(
            speed.name,
            f"{speed.parameters:,}",
            f"{speed.tokens_per_second:,.0f}",
            f"{speed.step_seconds * 1000:,.1f}",
            "-" if speed.peak_mb is None else f"{speed.peak_mb:,.0f}",
            "-" if speed.utilisation is None else f"{speed.utilisation:.1%}",
        )
    return shown


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path, nargs="?", help="one file of text (tinyshakespeare); none: leave it out")
    parser.add_argument("--nanogpt", type=Path, help="a checkout of github.com/karpathy/nanoGPT")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--model", action="append", help="a net of ours; repeat for more [transformer]")
    parser.add_argument("--share", type=float, help="of nanoGPT's seconds for ours [1 on a CPU, 0.5 on a GPU]")
    parser.add_argument("--seconds", type=float, help="of training for ours, whatever nanoGPT took")
    parser.add_argument("--iterations", type=int, help="of nanoGPT's training, for a trial [its own settings]")
    parser.add_argument("--books", type=Path, help="a folder with train, valid and test of a larger text")
    parser.add_argument("--books-seconds", type=float, default=590.0, help="of training on it")
    parser.add_argument("--books-tokenizer", default="bpe(vocabulary=16384)")
    parser.add_argument("--books-model", default="transformer")
    parser.add_argument("--mfu", action="store_true", help="model FLOP utilisation at GPT-2 small's size; a GPU")
    parser.add_argument("--mfu-batch", type=int, default=64, help="rows of 1,024 tokens in a step, of either side")
    parser.add_argument("--mfu-seconds", type=float, default=180.0, help="of ours, compiling included")
    parser.add_argument("--growth", action="store_true", help=f"speed and memory at the widths {WIDTHS}")
    parser.add_argument("--json", type=Path, help="write the figures here")
    return parser.parse_args()


def main() -> None:
    if sys.argv[1:2] == ["--time"]:
        time_one(*sys.argv[2:])
        return
    args = arguments()
    args.device = machine.resolve_device(args.device)
    console = Console(width=160)
    described = machine.machine(args.device)
    content: dict[str, Any] = {"versions": machine.versions(), "commit": commit.of_package().name}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        if args.text:
            peers = [train_nanogpt(args, copied(args.nanogpt, work))] if args.nanogpt else []
            share = SHARE[args.device] if args.share is None else args.share
            seconds = peers[0].train_seconds * share if peers else ALONE[args.device]
            seconds = args.seconds or seconds
            sides = peers + [ours(args, work, seconds, model) for model in args.model or ["transformer"]]
            if len({side.characters for side in sides}) > 1:
                raise SystemExit(f"not the same test text: {[side.characters for side in sides]} characters")
            console.print(sides_table(sides))
            console.print(f"exact: {sides[0].characters:,} characters, each once, all but the first of the test text")
            content["text"] = [asdict(side) for side in sides]
            keep(args, described, content)
        if args.books:
            content["books"] = found = books(args, work)
            console.print(
                f"{args.books.name}: {found['bits_per_byte']:.4f} bits/byte, exact over {found['bytes']:,} bytes, "
                f"after {found['fit_seconds']:.0f} s ({found['epochs']:.2f} epochs, "
                f"{found['parameters']:,} parameters, {found['tokenizer']}); scored in {found['score_seconds']:.0f} s"
            )
            keep(args, described, content)
        if args.mfu:
            found_speeds = utilisation(args, work)
            console.print(speeds_table("GPT-2 small's size in bfloat16", found_speeds))
            content["mfu"] = [asdict(speed) for speed in found_speeds]
            keep(args, described, content)
        if args.growth:
            found_speeds = growth(args)
            console.print(speeds_table("Growth with the width", found_speeds))
            content["growth"] = [asdict(speed) for speed in found_speeds]
            keep(args, described, content)
    console.print(f"machine: {described}")


def keep(args: argparse.Namespace, described: dict[str, Any], content: dict[str, Any]) -> None:
    """Write what has been measured so far, so that an interruption loses only what was not begun."""
    if args.json:
        write_figures(args.json, args, described, **content)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
