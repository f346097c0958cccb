"""nanoGPT as it is: a copy of its programs run on a text, and its checkpoint scored exactly by its own model.py.

    python benchmarks/_nanogpt.py FOLDER DEVICE

scores the checkpoint in FOLDER and prints JSON; `neural.py` calls it in a process of its own.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _shared import run

CPU = [
    *("--device=cpu", "--compile=False", "--eval_iters=20", "--log_interval=1", "--block_size=64", "--batch_size=12"),
    *("--n_layer=4", "--n_head=4", "--n_embd=128", "--max_iters=2000", "--lr_decay_iters=2000", "--dropout=0.0"),
]


@dataclass
class Side:
    """One row of the table on the text. `reported`: what the program itself says; nats per character."""

    name: str
    parameters: int
    train_seconds: float
    trained_tokens: int
    reported: float
    exact: float
    characters: int
    context: int
    stride: int


def copied(nanogpt: Path, work: Path) -> Path:
    """Its programs in a folder of their own, so that the checkout stays as it is."""
    peer = work / "nanoGPT"
    (peer / "data" / "shakespeare_char").mkdir(parents=True)
    for name in ("train.py", "model.py", "bench.py", "configurator.py", "data/shakespeare_char/prepare.py"):
        if not (nanogpt / name).is_file():
            raise SystemExit(f"{nanogpt} has no {name}: pass a checkout of github.com/karpathy/nanoGPT")
        shutil.copyfile(nanogpt / name, peer / name)
    shutil.copytree(nanogpt / "config", peer / "config")
    return peer


def train_nanogpt(args: argparse.Namespace, peer: Path) -> Side:
    """Its prepare.py and train.py, then its checkpoint scored exactly."""
    data = peer / "data" / "shakespeare_char"
    shutil.copyfile(args.text, data / "input.txt")
    # prepare.py imports requests to fetch a text that it finds already there
    (data / "requests.py").write_text("", encoding="utf-8")
    run([sys.executable, "prepare.py"], data)
    options = CPU if args.device == "cpu" else [f"--device={args.device}"]
    if args.iterations:
        few = str(args.iterations)
        options = [*options, f"--max_iters={few}", f"--lr_decay_iters={few}", f"--eval_interval={few}"]
        options += [f"--warmup_iters={args.iterations // 10}"]
    command = [sys.executable, "train.py", "config/train_shakespeare_char.py", *options]
    # the last line before its loop begins, and those of its steps and evaluations
    before = "compiling the model" if args.device == "cuda" else "using fused AdamW"
    output, seconds = run(command, peer, before, ("iter ", "step "))
    losses = [float(loss) for loss in re.findall(r"^step \d+: .*val loss ([\d.]+)", output, re.MULTILINE)]
    tokens = re.search(r"tokens per iteration will be: ([\d,]+)", output)
    steps = re.findall(r"^iter (\d+):", output, re.MULTILINE)
    assert tokens is not None
    own = [sys.executable, str(Path(__file__).resolve()), str(peer), args.device]
    scored = json.loads(run(own)[0].splitlines()[-1])
    return Side(
        "nanoGPT",
        scored["parameters"],
        seconds,
        (int(steps[-1]) + 1) * int(tokens.group(1).replace(",", "")),
        min(losses[1:]),  # the first is of the untrained net, and is not kept
        scored["exact"],
        scored["characters"],
        scored["context"],
        scored["stride"],
    )


def score_nanogpt(folder: str, device: str) -> None:
    """Every character of val.bin but the first, once, by nanoGPT's own model; prints JSON."""
    import torch

    peer = Path(folder)
    found = importlib.util.spec_from_file_location("nanogpt_model", peer / "model.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules["nanogpt_model"] = module
    found.loader.exec_module(module)
    checkpoint = torch.load(peer / "out-shakespeare-char" / "ckpt.pt", map_location=device, weights_only=True)
    sizes = checkpoint["model_args"]
    model = module.GPT(module.GPTConfig(**sizes))
    weights = {name.removeprefix("_orig_mod."): tensor for name, tensor in checkpoint["model"].items()}
    model.load_state_dict(weights)
    model.to(device).eval()
    ids = np.fromfile(peer / "data" / "shakespeare_char" / "val.bin", dtype=np.uint16).astype(np.int64)
    context = sizes["block_size"]
    stride = context // 2
    total, count, at = 0.0, 0, 0
    with torch.inference_mode():
        while count < len(ids) - 1:  # the window that begins at `at` predicts the `context` places after it
            end = min(at + context, len(ids) - 1)
            x = torch.from_numpy(ids[None, at:end]).to(device)
            y = torch.from_numpy(ids[at + 1 : end + 1]).to(device)
            logits = model(x, y[None])[0][0].double()
            losses = torch.nn.functional.cross_entropy(logits, y, reduction="none")
            new = losses[count - at :]
            total, count, at = total + float(new.sum()), count + len(new), at + stride
    said = {"exact": total / count, "characters": count, "context": context, "stride": stride}
    print(json.dumps(said | {"parameters": sum(p.numel() for p in model.parameters())}))


if __name__ == "__main__":
    score_nanogpt(*sys.argv[1:])
