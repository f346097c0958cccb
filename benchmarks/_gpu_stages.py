"""The stages of gpu.py, each a function of its name: (arguments, say); `say(name=figure)` writes a figure down at once.

A stage that finds something wrong says `failed=[...]`, one sentence each, and goes on.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from _gpu_texts import file_of, text_of, texts_of

Say = Callable[..., None]
NEEDED = (
    *("typer", "rich", "numpy", "torch", "tokenizers", "datasets", "safetensors", "scipy", "pydantic", "matplotlib"),
    "zstandard",
)
SMALL = "layers=2, width=32, context=16"
NETS = (f"transformer({SMALL}, heads=2)", "lstm(width=32)", "mingru(width=32)", "minlstm(width=32)")
NETS += ("feedforward(width=32)", "bigram_embedding(width=32)")
COUNTS = ("ngram(order=4)", "suffix(smoothing=pitman_yor)", "pairs(distance=3)", "cache(model=ngram(order=3))")
IN_A_TOKEN, IN_THE_MEAN = 1e-3, 1e-5  # nats, between a net's scores on a GPU and on a CPU
ENOUGH = 0.05  # nats, between trainings in bfloat16 and in float32 of the same seed


def check(args: argparse.Namespace, say: Say) -> None:
    """Machine, versions, what is missing."""
    missing = []
    for name in NEEDED:
        try:
            importlib.import_module(name)
        except ImportError:
            missing.append(name)
    say(python=sys.version.split()[0], missing=missing)
    if missing:
        return
    import torch

    from lmbench import commit, machine

    device = machine.resolve_device(args.device)
    say(device=device, machine=machine.machine(device), versions=machine.versions(), commit=commit.of_package().name)
    if device == "cuda":
        found = torch.cuda.get_device_properties(0)
        bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
        say(gpu=found.name, memory=found.total_memory, capability=[found.major, found.minor], bfloat16=bf16)


def contracts(args: argparse.Namespace, say: Say) -> None:
    """Each model on the device: sums to one, asked one by one as over a text, causal, the same twice, saved and loaded,
    and scored on a CPU to the same numbers."""
    import numpy as np

    from lmbench.model import models
    from lmbench.progress import Silent
    from lmbench.runtime import Runtime

    device, failed = _device(args), []
    budget = 20_000 if args.rehearse else 200_000
    train, valid, test = (text_of(seed, documents) for seed, documents in ((1, 60), (2, 6), (3, 6)))
    specs = (*NETS[:2], COUNTS[0]) if args.rehearse else (*NETS, *COUNTS)
    for spec in specs:
        try:
            runtime = Runtime(device=device, train_tokens=budget)
            model = models.make(spec, runtime=runtime).fit(train, valid, Silent())
            again = models.make(spec, runtime=runtime).fit(train, valid, Silent())
            scores = model.log_probs(test, Silent())
            ids = test.document(0)
            single = np.array([model.next_log_probs(ids[:at])[ids[at]] for at in range(len(ids))])
            every = np.array([model.next_log_probs(ids[:at]) for at in (0, 1, 5, 30)])
            changed = text_of(3, 6)
            changed.ids[-5:-1] = (changed.ids[-5:-1] + 1) % (len(changed.vocabulary) - 1)
            with tempfile.TemporaryDirectory() as folder:
                model.save(Path(folder))
                on_cpu = type(model).load(Path(folder), device="cpu").log_probs(test, Silent())
                on_gpu = type(model).load(Path(folder), device=device).log_probs(test, Silent())
            apart = {
                "sums_to_one": float(np.abs(np.logaddexp.reduce(every, axis=1)).max()),
                "one_by_one": float(np.abs(single - scores[: len(ids)]).max()),
                "causal": float(np.abs(model.log_probs(changed, Silent()) - scores)[:-5].max()),
                "trained_twice": float(np.abs(again.log_probs(test, Silent()) - scores).max()),
                "loaded": float(np.abs(on_gpu - scores).max()),
                "cpu_token": float(np.abs(on_cpu - scores).max()),
                "cpu_mean": float(abs(on_cpu.mean() - scores.mean())),
            }
            exact = model.card.dtype == "float64"
            limits = dict.fromkeys(apart, 1e-9 if exact else 1e-4) | {"loaded": 0.0}
            limits |= {} if exact else {"cpu_token": IN_A_TOKEN, "cpu_mean": IN_THE_MEAN}
            failed += [f"{spec}: {key} {apart[key]:.3g}" for key in apart if not apart[key] <= limits[key]]
            say(**{spec: apart | {"nats": -float(scores.mean()), "notes": model.card.notes}})
        except Exception as error:
            failed.append(f"{spec}: {type(error).__name__}: {str(error)[:300]}")
    say(failed=failed)


def counting(args: argparse.Namespace, say: Say) -> None:
    """N-gram models fitted on the device and on a CPU: the same tables to the bit, the same scores to 1e-12."""
    import numpy as np

    from lmbench import files
    from lmbench.model import models
    from lmbench.progress import Silent
    from lmbench.runtime import Runtime
    from lmbench.smoothing import smoothings

    device, failed = _device(args), []
    train, valid, test = (text_of(seed, documents) for seed, documents in ((1, 400), (2, 20), (3, 20)))
    names = smoothings.names[:2] if args.rehearse else smoothings.names
    for name in names:
        spec = f"ngram(order=5, smoothing={name})"
        try:
            tables, scores = [], []
            for where in (device, "cpu"):
                model = models.make(spec, runtime=Runtime(device=where)).fit(train, valid, Silent())
                scores.append(model.log_probs(test, Silent()))
                with tempfile.TemporaryDirectory() as folder:
                    model.save(Path(folder))
                    tables.append(files.read_tensors(Path(folder) / "ngrams.safetensors"))
            same = tables[0].keys() == tables[1].keys()
            bits = [key for key in tables[0] if same and not bool((tables[0][key] == tables[1][key]).all())]
            finite = np.isfinite(scores[1])
            apart = float(np.abs(scores[0] - scores[1])[finite].max())
            say(**{spec: {"scores_apart": apart, "tables_that_differ": bits}})
            if not same or bits or not apart <= 1e-12:
                failed.append(f"{spec}: tables {bits}, scores {apart:.3g}")
        except Exception as error:
            failed.append(f"{spec}: {type(error).__name__}: {str(error)[:300]}")
    say(failed=failed)


def training(args: argparse.Namespace, say: Say) -> None:
    """Paths of a training that only a GPU takes: each trained on the same tokens, and its loss beside float32's."""
    import torch

    device, failed = _device(args), []
    budget = 30_000 if args.rehearse else 2_000_000
    sizes = "layers=2, width=64, context=64, dropout=0"
    losses: dict[str, float] = {}
    ways = {
        "float32": f"transformer({sizes}, precision=float32)",
        "bfloat16": f"transformer({sizes}, precision=bfloat16)",
        "compiled": f"transformer({sizes}, precision=float32, compile=true)",
        "lstm": "lstm(width=64, layers=2)",
    }
    if args.rehearse and device == "cpu":
        del ways["compiled"]  # a C++ compiler is not everywhere
    for name, spec in ways.items():
        try:
            model = _trained(spec, device, budget)
            losses[name] = _loss(model)
            say(**{name: {"nats": losses[name], "tokens_per_second": model.card.training["tokens_per_second"],
                          "starting_seconds": model.card.training.get("starting_seconds"),
                          "notes": model.card.notes}})  # fmt: skip
        except Exception as error:
            failed.append(f"{name}: {type(error).__name__}: {str(error)[:300]}")
    failed += [
        f"{name}: {losses[name]:.4f} nats, float32 {losses['float32']:.4f}"
        for name in ("bfloat16", "compiled")
        if name in losses and "float32" in losses and not abs(losses[name] - losses["float32"]) <= ENOUGH
    ]
    if device == "cuda":
        try:
            # half a gigabyte: the batch does not fit, and is taken in parts
            total = torch.cuda.get_device_properties(0).total_memory
            torch.cuda.set_per_process_memory_fraction(min(1.0, 0.6e9 / total))
            model = _trained("transformer(layers=2, width=128, context=512, batch=131072, dropout=0)", device, budget)
            parts = any("parts" in note for note in model.card.notes)
            say(out_of_memory={"nats": _loss(model), "notes": model.card.notes})
            if not parts:
                failed.append("out of memory: no note that the batch was taken in parts")
            torch.cuda.set_per_process_memory_fraction(1.0)
        except Exception as error:
            failed.append(f"out of memory: {type(error).__name__}: {str(error)[:300]}")
    failed += _resumed(device, budget, say)
    say(failed=failed)


def step(args: argparse.Namespace, say: Say) -> None:
    """benchmarks/step.py, net after net."""
    nets = ("transformer@66", "transformer@4096", "lstm@66", "mingru@4096", "transformer(preset=gpt2)@50304")
    if args.rehearse:
        nets = ("transformer(layers=1, width=16)@66",)
    for net in nets:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "step.json"
            command = [sys.executable, str(Path(__file__).with_name("step.py")), net, "--device", _device(args)]
            command += ["--json", str(out)] + (["--nanogpt", args.nanogpt] if args.nanogpt else [])
            figures, error = _process(command, out)
            say(**{net: {"error": error} if error else figures["steps"]})


def shakespeare(args: argparse.Namespace, say: Say) -> None:
    """Nets at budgets of seconds on the text by the character, exact over its last tenth."""
    text = file_of(args.text)
    runs = ((f"transformer({SMALL}, heads=2)", 1.0),) if args.rehearse else (
        ("transformer", 20.0), ("transformer", 78.0), ("lstm", 20.0), ("mingru", 20.0),
    )  # fmt: skip
    for model, seconds in runs:
        source = [str(text), "--split", "90/10", "--tokenizer", "char"]
        say(**{f"{model}, {seconds:g} s": _run(args, source, model, seconds)})


def mfu(args: argparse.Namespace, say: Say) -> None:
    """Floating-point operations of the model over those that the GPU can do (Chowdhery et al. 2022, appendix B)."""
    from neural import timed

    device = _device(args)
    shared = "batch=32768, precision=bfloat16"
    specs = [f"transformer(preset=gpt2, {shared})", f"transformer(preset=gpt2, {shared}, compile=true)"]
    specs += [f"transformer(layers=6, heads=6, width=384, context=256, batch=16384, dropout={d})" for d in (0, 0.2)]
    seconds, vocabulary = 20.0, 50_304
    if args.rehearse:
        specs, seconds, vocabulary = [f"transformer({SMALL}, heads=2)"], 1.0, 300
    if args.nanogpt and device == "cuda":
        say(nanogpt=_nanogpt_bench(args))
    for spec in specs:
        size = vocabulary if "gpt2" in spec or args.rehearse else 65
        try:
            say(**{spec: vars(timed(spec, size, seconds, device))})
        except SystemExit as error:
            say(**{spec: {"error": str(error)[-300:]}})


def speed(args: argparse.Namespace, say: Say) -> None:
    """Order 5 over the training text and scores of the test text: the GPU, and the CPU of the same machine."""
    from lmbench.corpus import open_source
    from lmbench.corpus.split import split
    from lmbench.machine import synchronise
    from lmbench.model import models
    from lmbench.progress import Silent
    from lmbench.runtime import Runtime
    from lmbench.tokenizer._cache import encode_splits, trained

    device = _device(args)
    with texts_of(args) as (train_path, valid_path, test_path), tempfile.TemporaryDirectory() as cache:
        options: dict[str, Any] = {"cache": Path(cache), "progress": Silent()}
        texts = [open_source(str(path), **options).text for path in (train_path, valid_path, test_path)]
        splits = split(texts[0], valid=texts[1], test=texts[2])
        tokenizer = trained("bpe(vocabulary=4096)", splits.train, Path(cache))
        train, valid, test = encode_splits(tokenizer, splits, Path(cache))
        say(tokens=len(train), test_tokens=len(test))
        for where in dict.fromkeys((device, "cpu")):
            fits, scores = [], []
            for _ in range(2 if args.rehearse else 3):
                begun = time.perf_counter()
                model = models.make("ngram(order=5)", runtime=Runtime(device=where)).fit(train, valid, Silent())
                synchronise(where)
                fits.append(time.perf_counter() - begun)
                begun = time.perf_counter()
                nats = -float(model.log_probs(test, Silent()).mean())
                scores.append(time.perf_counter() - begun)
            say(**{where: {"fit_seconds": fits, "score_seconds": scores, "nats": nats}})


def books(args: argparse.Namespace, say: Say) -> None:
    """Bits per byte on the test text, exact."""
    seconds = args.books_seconds or max(20.0, min(600.0, args.limit - 60.0))
    with texts_of(args) as (train, valid, test):
        source = [str(train), "--valid", str(valid), "--test", str(test), "--tokenizer", "bpe(vocabulary=4096)"]
        model = "transformer"
        if args.rehearse:
            source[-1], model, seconds = "char", f"transformer({SMALL}, heads=2)", 1.0
        say(**{f"{model}, {seconds:g} s": _run(args, source, model, seconds)})


def nanogpt(args: argparse.Namespace, say: Say) -> None:
    """Its train.py with its own settings for this text and device, its checkpoint scored exactly by its model.py."""
    from _nanogpt import copied, train_nanogpt

    given = argparse.Namespace(device=_device(args), iterations=20 if args.rehearse else None, text=file_of(args.text))
    with tempfile.TemporaryDirectory() as folder:
        say(nanogpt=vars(train_nanogpt(given, copied(Path(args.nanogpt), Path(folder)))))


def _device(args: argparse.Namespace) -> str:
    from lmbench import machine

    return machine.resolve_device(args.device)


def _trained(spec: str, device: str, tokens: int, **options: Any) -> Any:
    from lmbench.model import models
    from lmbench.progress import Silent
    from lmbench.runtime import Runtime

    runtime = Runtime(device=device, train_tokens=tokens, **options)
    return models.make(spec, runtime=runtime).fit(text_of(1, 400), text_of(2, 20), Silent())


def _loss(model: Any) -> float:
    from lmbench.progress import Silent

    return -float(model.log_probs(text_of(3, 20), Silent()).mean())


def _resumed(device: str, tokens: int, say: Say) -> list[str]:
    """A training that is broken off on the device and gone on with on a CPU, or there again where it is one."""
    from lmbench.training.loop import Loop

    spec = "transformer(layers=1, width=32, context=32, batch=512)"
    tokens = min(tokens, 60_000)
    inner = Loop._step

    def broken(loop: Any, batch: Any, fraction: float) -> None:
        inner(loop, batch, fraction)
        if loop.state.step == 20:
            raise KeyboardInterrupt

    try:
        with tempfile.TemporaryDirectory() as folder:
            Loop._step = broken  # type: ignore[method-assign]
            try:
                _trained(spec, device, tokens, checkpoints=Path(folder))
            except KeyboardInterrupt:
                say(broken_off_after=20)
            finally:
                Loop._step = inner  # type: ignore[method-assign]
            model = _trained(spec, "cpu", tokens, checkpoints=Path(folder), resume=True)
        say(resumed={"nats": _loss(model), "unbroken": _loss(_trained(spec, "cpu", tokens))})
    except Exception as error:
        return [f"resumed on a CPU: {type(error).__name__}: {str(error)[:300]}"]
    return []


def _process(command: list[str], out: Path) -> tuple[dict[str, Any], str]:
    """(the JSON that a benchmark writes, "") or ({}, what went wrong)."""
    from _shared import run

    try:
        run(command)
        return json.loads(out.readtext_of(encoding="utf-8")), ""
    except SystemExit as error:
        return {}, str(error)[-500:]


def _run(args: argparse.Namespace, source: list[str], model: str, seconds: float) -> dict[str, Any]:
    """What `lmbench run` says of one model, in a process of its own."""
    from neural import lmbench_run

    given = argparse.Namespace(device=_device(args))
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        try:
            row = lmbench_run(given, Path(folder), source, seconds, model)["rows"][0]
        except SystemExit as error:
            return {"error": str(error)[-500:]}
    trained = row["training"]
    kept = ("tokens", "tokens_per_second", "epochs", "flop_utilisation", "starting_seconds", "options")
    figures = {name: row[name] for name in ("parameters", "nats_per_token", "bits_per_byte", "fit_seconds")}
    figures |= {name: row[name] for name in ("score_seconds", "notes")}
    figures["process_seconds"] = time.perf_counter() - begun
    return figures | {f"training_{name}": trained.get(name) for name in kept}


def _nanogpt_bench(args: argparse.Namespace) -> dict[str, Any]:
    """nanoGPT's bench.py, compiled, at GPT-2 small's size."""
    import re

    from _nanogpt import copied
    from _shared import run

    with tempfile.TemporaryDirectory() as folder:
        peer = copied(Path(args.nanogpt), Path(folder))
        try:
            said, _ = run([sys.executable, "bench.py", "--real_data=False", "--batch_size=32"], peer)
        except SystemExit as error:
            return {"error": str(error)[-300:]}
    found = re.search(r"time per iteration: ([\d.]+)ms", said)
    milliseconds = float(found.group(1)) if found else math.nan
    return {"ms_a_step": milliseconds, "tokens_per_second": 32 * 1024 / milliseconds * 1000}
