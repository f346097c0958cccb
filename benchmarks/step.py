"""A step of training, taken apart: where its milliseconds go, and what share of the device's peak they are.

    python benchmarks/step.py [SPEC@VOCABULARY ...] [--before CHECKOUT] [--nanogpt PATH] [--json FILE]

For each net a step of its default size (or of SPEC) on random ids, each in a process of its own: medians of
milliseconds for the whole step as training takes it, and, with a wait for the device after each, for its parts. `other`
is what the whole step has beyond forward, backward, clipping and the optimisers; the next batch is read beside it. The
peak is the rate of a large product in float32 in the same process (on a GPU the data sheet's in bfloat16), and
`x arithmetic` the whole step over the time that its floating-point operations (`Net.costs`) take at the peak. `torch
muon` is the same net's optimiser step with `torch.optim.Muon` in the place of ours. CHECKOUT is another version of this
repository, whose steps are timed beside ours;
PATH one of github.com/karpathy/nanoGPT, of which model.py is trained with the transformer's own shape, batch and
vocabulary.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from _shared import run, write_figures
from rich.console import Console
from rich.table import Table

NETS = (
    *("transformer@66", "transformer@4096", "lstm@66", "lstm@4096", "mingru@66", "mingru@4096"),
    *("minlstm@4096", "feedforward@4096", "bigram_embedding@4096"),
)
WARM, PLAIN, APART = 5, 12, 6  # steps of each kind
PARTS = ("batch", "forward", "backward", "clip", "optimiser")
TEXT = 2_000_000  # tokens


def synchronise(device: str) -> None:
    import torch

    if device == "cuda":
        torch.cuda.synchronize()


def seconds(device: str, work: Callable[[], Any], times: int) -> float:
    """The median of so many calls."""
    taken = []
    for _ in range(times):
        synchronise(device)
        begun = time.perf_counter()
        work()
        synchronise(device)
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def peak_rate(device: str) -> float:
    """Floating-point operations a second: of a product of 2,048 x 2,048 matrices in float32, or a GPU's data sheet."""
    import torch

    if device == "cuda":
        from lmbench.training.utilisation import peak_flops

        return peak_flops(torch.cuda.get_device_name()) or float("nan")
    a, b = torch.randn(2, 2048, 2048)
    return 2 * 2048**3 / seconds(device, lambda: a @ b, 7)


class EnoughStepsError(Exception):
    """Enough steps were taken."""


def time_net(spec: str, vocabulary: int, device: str) -> dict[str, Any]:
    """Milliseconds of a step of the lmbench on the path, which may be another version's, and of its parts."""
    import numpy as np

    from lmbench.model import models
    from lmbench.progress import Silent
    from lmbench.runtime import Runtime
    from lmbench.tokens import Tokens, Vocabulary
    from lmbench.training.loop import Loop

    ids = np.random.default_rng(0).integers(0, vocabulary - 1, TEXT).astype(np.uint32)
    names = (*(str(index).encode() for index in range(vocabulary - 1)), b"")
    text = Tokens(ids, np.zeros(1, dtype=np.int64), Vocabulary(names, vocabulary - 1))
    found: dict[str, Any] = {}
    inner = Loop._step

    def step(loop: Loop, batch: Any, fraction: float) -> None:
        nonlocal begun
        number = loop.state.step
        if number == WARM:
            synchronise(device)
            begun = time.perf_counter()
        if number == WARM + PLAIN:
            synchronise(device)
            whole = (time.perf_counter() - begun) / PLAIN
            found.update(whole=whole, batch_tokens=batch.targets.numel(), flops_per_token=loop.flops_per_token)
            found.update(parameters=sum(p.numel() for p in loop.net.parameters()), options=model.options)
            found["parts"] = apart(loop, device)
            found["torch_muon"] = torch_muon(loop, device)
            found["launches"] = launches(device, lambda: inner(loop, batch, fraction))
            raise EnoughStepsError
        inner(loop, batch, fraction)

    begun = 0.0
    model = models.make(spec, runtime=Runtime(device=device, train_tokens=TEXT))
    Loop._step = step  # type: ignore[method-assign]
    try:
        model.fit(text, text.head(0), Silent())
    except EnoughStepsError:
        return found
    raise SystemExit(f"{spec}: its training ended before {WARM + PLAIN} steps")


def apart(loop: Any, device: str) -> dict[str, float]:
    """The median seconds of each part of a step, the device waited for after each."""
    import torch

    taken: dict[str, list[float]] = {name: [] for name in PARTS}

    def clocked(name: str, work: Callable[[], Any]) -> Any:
        synchronise(device)
        begun = time.perf_counter()
        result = work()
        synchronise(device)
        taken[name].append(time.perf_counter() - begun)
        return result

    for number in range(APART):
        batch = clocked("batch", lambda number=number: loop._read(1000 + number).to(device))
        loop.net.zero_grad(set_to_none=True)
        mixed = torch.autocast(device, loop.autocast) if loop.autocast is not None else nullcontext()
        with mixed:
            loss = clocked("forward", lambda batch=batch: loop.loss(batch.ids, batch.targets, batch.documents))
        clocked("backward", loss.backward)
        clocked("clip", lambda: torch.nn.utils.clip_grad_norm_(loop.net.parameters(), 1.0, foreach=True))
        clocked("optimiser", lambda: [optimiser.step() for optimiser in loop.optimisers])
    return {name: statistics.median(each) for name, each in taken.items()}


def torch_muon(loop: Any, device: str) -> float | None:
    """The seconds of a step of all optimisers with torch's Muon for the matrices; None for a net without Muon."""
    from torch.optim import Muon

    matrices = [p for p in loop.net.matrices() if p.requires_grad]
    if not loop.net.muon or not matrices:
        return None
    others = [each for each in loop.optimisers if type(each).__name__ != "Muon"]
    theirs = Muon(matrices, lr=1e-4, adjust_lr_fn="match_rms_adamw")
    return seconds(device, lambda: [optimiser.step() for optimiser in (theirs, *others)], APART)


def launches(device: str, step: Callable[[], None]) -> int:
    """Kernels a step launches on a GPU; operators it calls on a CPU."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device == "cuda" else [])]
    with profile(activities=kinds) as recorded:
        step()
        synchronise(device)
    events = recorded.key_averages()
    if device == "cuda":
        events = [e for e in events if e.device_type == torch.autograd.DeviceType.CUDA]
    return sum(event.count for event in events)


def time_nanogpt(path: Path, options: dict[str, Any], vocabulary: int, tokens: int, device: str) -> dict[str, Any]:
    """Milliseconds of a step of nanoGPT's model.py with its own optimiser; compiled on a GPU, as its train.py does."""
    import torch

    found = importlib.util.spec_from_file_location("nanogpt_model", path / "model.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules["nanogpt_model"] = module
    found.loader.exec_module(module)
    layers, width, context = (options[name] for name in ("layers", "width", "context"))
    sizes = {"n_layer": layers, "n_head": max(1, width // 64), "n_embd": width, "block_size": context}
    model = module.GPT(module.GPTConfig(**sizes, vocab_size=vocabulary, dropout=0.0, bias=False)).to(device)
    optimiser = model.configure_optimizers(0.1, 1e-3, (0.9, 0.99), device)
    trained = torch.compile(model) if device == "cuda" else model
    x = torch.randint(vocabulary, (tokens // context, context), device=device)

    def step() -> None:
        mixed = torch.autocast(device, torch.bfloat16) if device == "cuda" else nullcontext()
        with mixed:
            loss = trained(x, x)[1]
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    for _ in range(WARM):
        step()
    return {"whole": seconds(device, step, PLAIN), "parameters": sum(p.numel() for p in model.parameters())}


def child(request: dict[str, Any]) -> None:
    """One measurement, in this process; prints JSON."""
    if "nanogpt" in request:
        path = Path(request.pop("nanogpt"))
        print(json.dumps(time_nanogpt(path, **request)))
        return
    rate = peak_rate(request["device"])
    found = time_net(request["spec"], request["vocabulary"], request["device"])
    print(json.dumps(found | {"peak": max(rate, peak_rate(request["device"]))}))


def measured(request: dict[str, Any], checkout: Path | None = None) -> dict[str, Any]:
    """`child` in a process of its own, with the lmbench of `checkout`."""
    root = checkout or Path(__file__).resolve().parents[1]
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(root)
    try:
        output, _ = run([sys.executable, str(Path(__file__).resolve()), "--child", json.dumps(request)])
    finally:
        os.environ.pop("PYTHONPATH")
        if before is not None:
            os.environ["PYTHONPATH"] = before
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found


def row(name: str, found: dict[str, Any]) -> dict[str, Any]:
    """A row of the table: milliseconds, and the two ratios."""
    parts = {part: value * 1000 for part, value in found["parts"].items()}
    whole = found["whole"] * 1000
    arithmetic = found["flops_per_token"] * found["batch_tokens"] / found["peak"] * 1000
    return {
        "net": name,
        "parameters": found["parameters"],
        "batch_tokens": found["batch_tokens"],
        "whole": whole,
        **parts,
        "other": whole - sum(parts.values()) + parts["batch"],
        "arithmetic": arithmetic,
        "times_arithmetic": whole / arithmetic,
        "optimiser_share": parts["optimiser"] / whole,
        "torch_muon": None if found["torch_muon"] is None else found["torch_muon"] * 1000,
        "launches": found["launches"],
        "peak_gflops": found["peak"] / 1e9,
        "tokens_per_second": found["batch_tokens"] / found["whole"],
    }


def table(rows: list[dict[str, Any]]) -> Table:
    shown = Table(title="A step of training, milliseconds")
    shown.add_column("net@vocabulary")
    columns = ("whole", *PARTS, "other", "torch_muon")
    for column in (*columns, "optimiser", "x arithmetic", "launches", "tokens/s"):
        shown.add_column(column.replace("_", " "), justify="right")
    for each in rows:
        times = ["-" if each.get(column) is None else f"{each[column]:,.1f}" for column in columns]
        if "times_arithmetic" in each:
            shares = [f"{each['optimiser_share']:.1%}", f"{each['times_arithmetic']:.2f}", f"{each['launches']:,}"]
        else:
            shares = ["-"] * 3
        shown.add_row(each["net"], *times, *shares, f"{each['tokens_per_second']:,.0f}")
    return shown


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nets", nargs="*", metavar="SPEC@VOCABULARY", help=f"[{' '.join(NETS)}]")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--before", type=Path, help="another checkout of this repository")
    parser.add_argument("--nanogpt", type=Path, help="a checkout of github.com/karpathy/nanoGPT")
    parser.add_argument("--json", type=Path, help="write the figures here")
    return parser.parse_args()


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        child(json.loads(sys.argv[2]))
        return
    from lmbench import commit, machine

    args = arguments()
    device = machine.resolve_device(args.device)
    rows: list[dict[str, Any]] = []
    for name in args.nets or NETS:
        spec, _, vocabulary = name.rpartition("@")
        request = {"spec": spec, "vocabulary": int(vocabulary), "device": device}
        found = measured(request)
        rows.append(row(name, found))
        if args.before:
            rows.append(row(f"{name}, {args.before.name}", measured(request, args.before)))
        if args.nanogpt and spec.startswith("transformer"):
            shape = {"layers": 4, "width": 128, "context": 128} | found["options"]
            asked = {"nanogpt": str(args.nanogpt.resolve()), "options": shape, "vocabulary": int(vocabulary)}
            theirs = measured(asked | {"tokens": found["batch_tokens"], "device": device})
            speed = found["batch_tokens"] / theirs["whole"]
            rows.append({"net": f"nanoGPT, {name}", "whole": theirs["whole"] * 1000, "tokens_per_second": speed})
    described = machine.machine(device)
    console = Console(width=170)
    console.print(table(rows))
    peaks = [each["peak_gflops"] for each in rows if "peak_gflops" in each]
    console.print(f"peak: {min(peaks):,.0f} to {max(peaks):,.0f} GFLOP/s; machine: {described}")
    if args.json:
        known = {"versions": machine.versions(), "commit": commit.of_package().name}
        write_figures(args.json, args, described, **known, steps=rows)


if __name__ == "__main__":
    main()
