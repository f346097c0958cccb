"""A pretrained model's bits per byte: ours beside lm-evaluation-harness, on the same model and text in the same run.

    python benchmarks/pretrained.py SOURCE [--model FOLDER] [--context 256] [--batch 1] [--json FILE]

Without `--model` a GPT-2 of 4 layers and width 256 is made, with a tokenizer of 4,096 types of its own, and trained on
the training text for `--train-seconds`. Both sides score the test text, document by document, in float32. The harness
(`loglikelihood_rolling`) cuts it into windows of the model's context that do not overlap; ours does the same with
stride=context, and lets windows overlap by half by default: no prediction but the first is made from less than half a
context. Seconds are of scoring alone. Ours predicts each document's end too.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from _shared import write_figures
from rich.console import Console
from rich.table import Table
from tokenizers import Tokenizer, decoders, pre_tokenizers, trainers
from tokenizers.models import BPE

from lmbench import machine
from lmbench.model.pretrained import Pretrained
from lmbench.pipeline import Plan
from lmbench.pipeline.job import Job, prepare
from lmbench.progress import Silent
from lmbench.runtime import Runtime
from lmbench.tokens import Tokens

END = "<|endoftext|>"


@dataclass
class Row:
    """One way to score the test text."""

    name: str
    seconds: float
    bytes_per_second: float
    bits_per_byte: float


def documents(tokens: Tokens) -> list[str]:
    bounds = [*tokens.documents.tolist(), len(tokens)]
    return [tokens.vocabulary.decode(tokens.ids[start:stop]).decode("utf-8") for start, stop in pairwise(bounds)]


def make(job: Job, context: int, seconds: float, folder: Path) -> Path:
    """A small GPT-2 trained on the training text; returns the folder that both sides load."""
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=4096, special_tokens=[END], initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(documents(job.train), trainer)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=END, eos_token=END).save_pretrained(folder)
    config = GPT2Config(
        vocab_size=4096, n_positions=context, n_embd=256, n_layer=4, n_head=4, bos_token_id=0, eos_token_id=0
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    runtime = Runtime(device=job.device, train_seconds=seconds)
    trained = Pretrained(str(folder), mode="scratch", runtime=runtime).fit(job.train, job.valid, Silent())
    (folder / "trained").mkdir()
    trained.save(folder / "trained")
    return folder / "trained" / "weights"


def ours(model: Path, job: Job, stride: int | None, name: str) -> Row:
    runtime = Runtime(device=job.device)
    fitted = Pretrained(str(model), stride=stride, runtime=runtime).fit(job.train, job.valid, Silent())
    begun = time.perf_counter()
    found = fitted.log_probs(job.test, Silent())
    return _row(name, time.perf_counter() - begun, float(found.sum()), job)


def harness(model: Path, job: Job, batch: int) -> Row:
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    lm: Any = HFLM(pretrained=str(model), device=job.device, dtype="float32", batch_size=batch)
    asked = [Instance("loglikelihood_rolling", {}, (text,), at) for at, text in enumerate(documents(job.test))]
    begun = time.perf_counter()
    found = lm.loglikelihood_rolling(asked, disable_tqdm=True)
    return _row(f"lm-evaluation-harness, batch {batch}", time.perf_counter() - begun, float(sum(found)), job)


def _row(name: str, seconds: float, nats: float, job: Job) -> Row:
    size = job.splits.test.bytes
    return Row(name, seconds, size / seconds, -nats / math.log(2) / size)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("source", help="a corpus, a path or hf:owner/name")
    parser.add_argument("--split", default=None)
    parser.add_argument("--model", type=Path, help="a folder with config.json, model.safetensors and tokenizer.json")
    parser.add_argument("--context", type=int, default=256, help="of the model that is made")
    parser.add_argument("--train-seconds", type=float, default=60.0, help="of the model that is made")
    parser.add_argument(
        "--batch", type=int, action="append", default=[], help="windows the harness takes at once [1, 16]"
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    args = parser.parse_args()
    torch.manual_seed(0)
    job = prepare(Plan(args.source, models=(), tokenizer="byte", split=args.split, device=args.device), Silent())
    with tempfile.TemporaryDirectory() as folder:
        model = args.model or make(job, args.context, args.train_seconds, Path(folder))
        context = json.loads((model / "config.json").read_text(encoding="utf-8")).get("n_positions", args.context)
        rows = [harness(model, job, batch) for batch in args.batch or (1, 16)]
        rows += [ours(model, job, context, "lmbench, stride = context"), ours(model, job, None, "lmbench")]
    facts = machine.machine(args.device)
    table = Table(title=f"{job.splits.test.bytes:,} bytes of test text, context {context}")
    for column in ("", "seconds", "bytes/s", "bits/byte"):
        table.add_column(column, justify="right" if column else "left")
    for row in rows:
        table.add_row(row.name, f"{row.seconds:.1f}", f"{row.bytes_per_second:,.0f}", f"{row.bits_per_byte:.4f}")
    Console(width=100).print(table)
    print(
        f"lm_eval {version('lm_eval')}, transformers {version('transformers')}; {facts['cpu']}, {facts['cores']} cores"
    )
    if args.json:
        write_figures(args.json, args, facts, rows=[asdict(row) for row in rows])


if __name__ == "__main__":
    main()
