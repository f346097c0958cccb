"""What a GPU does with this program, stage by stage, each with a time limit of its own.

    python benchmarks/gpu.py [--text FILE] [--books DIR] [--nanogpt PATH] [--seconds N] [--stages NAMES] [--json FILE]
    python benchmarks/gpu.py --rehearse

Runs from a checkout on PYTHONPATH with no network; the stage `check` names the packages that are missing and stops
there. The stages, in their order:

    check         machine, versions, packages
    contracts     nets and count models on the GPU keep the contract of lmbench/model/base.py; scores are those of a CPU
    counting      tables, probabilities and scores of n-gram models equal to a CPU's
    training      bfloat16 beside float32, the same run twice, out of memory, compiled, resumed on the other device
    step          benchmarks/step.py: where the milliseconds of a step go, beside nanoGPT's step
    shakespeare   FILE by the character, 90/10, our nets at several budgets of seconds, scored exactly
    mfu           GPT-2 small's shape in bfloat16, ours and nanoGPT's bench.py
    speed         counting and scoring DIR's training text on the GPU and on this machine's CPU
    books         a transformer on DIR, bits per byte of the test text, exact
    nanogpt       nanoGPT's own settings on FILE: its seconds and its loss, exact too

FILE is tinyshakespeare; DIR holds train, valid and test of a larger text (.jsonl.xz and others); PATH is a checkout of
github.com/karpathy/nanoGPT. A stage whose input is not given is left out, and so are stages that do not fit into what
is left of --seconds. Every figure is written to --json as soon as it is known. --rehearse takes every stage through
small sizes on whatever device there is. The exit status is 1 where a check failed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any

FIGURE = "FIGURE "
STAGES = {  # the most seconds that each may take
    "check": 60.0,
    "contracts": 120.0,
    "counting": 90.0,
    "training": 120.0,
    "step": 150.0,
    "shakespeare": 200.0,
    "mfu": 120.0,
    "speed": 120.0,
    "books": 660.0,
    "nanogpt": 260.0,
}
NEEDS = {"shakespeare": ("text",), "speed": ("books",), "books": ("books",), "nanogpt": ("text", "nanogpt")}
WORTH = 0.25  # of its limit, that must be left for a stage to be begun


def run_stage(name: str, args: argparse.Namespace, seconds: float, keep: Any) -> dict[str, Any]:
    """One stage in a process of its own; `keep(figures)` after each figure. Returns all of them.

    A stage that fails or takes longer has what it printed until then, and `error` or `timed_out`.
    """
    figures: dict[str, Any] = {}
    own = [sys.executable, str(Path(__file__).resolve()), "--child", name, json.dumps(asked(args, seconds))]
    begun = time.perf_counter()
    process = subprocess.Popen(
        own, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"},
    )  # fmt: skip
    said: list[str] = []
    readers = [
        threading.Thread(target=_read, args=(process.stdout, figures, said, keep), daemon=True),
        threading.Thread(target=_read, args=(process.stderr, figures, said, keep), daemon=True),
    ]
    for reader in readers:
        reader.start()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        figures["timed_out"] = round(seconds)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    for reader in readers:
        reader.join(5)
    if process.returncode and "timed_out" not in figures:
        figures["error"] = "\n".join(said[-15:])
    figures["stage_seconds"] = round(time.perf_counter() - begun, 1)
    keep(figures)
    return figures


def _read(stream: IO[str] | None, figures: dict[str, Any], said: list[str], keep: Any) -> None:
    assert stream is not None
    for line in stream:
        if line.startswith(FIGURE):
            figures.update(json.loads(line.removeprefix(FIGURE)))
            keep(figures)
        else:
            said.append(line.rstrip())


def asked(args: argparse.Namespace, seconds: float) -> dict[str, Any]:
    """What a stage is told, as JSON values."""
    values = {name: str(value.resolve()) if isinstance(value, Path) else value for name, value in vars(args).items()}
    return values | {"limit": seconds}


def write(path: Path | None, content: dict[str, Any]) -> None:
    """Replace the file at once, so that an interruption leaves the last whole one."""
    if path is None:
        return
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(content, indent=2, default=str) + "\n", encoding="utf-8")
    part.replace(path)


def shown(name: str, figures: dict[str, Any]) -> None:
    print(f"== {name}")
    for key, value in figures.items():
        print(f"   {key}: {value if isinstance(value, str | int | float | bool) else json.dumps(value, default=str)}")
    sys.stdout.flush()


def child(name: str, values: dict[str, Any]) -> None:
    """One stage, in this process."""
    import _gpu_stages

    def say(**figures: Any) -> None:
        print(FIGURE + json.dumps(figures, default=str), flush=True)

    getattr(_gpu_stages, name)(argparse.Namespace(**values), say)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path, help="one file of text (tinyshakespeare)")
    parser.add_argument("--books", type=Path, help="a folder with train, valid and test of a larger text")
    parser.add_argument("--nanogpt", type=Path, help="a checkout of github.com/karpathy/nanoGPT")
    parser.add_argument("--lmplz", type=Path, help="KenLM's lmplz, for the stage speed")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--seconds", type=float, default=480.0, help="for all stages together")
    parser.add_argument("--books-seconds", type=float, help="of training on the books [what is left, 600 at most]")
    parser.add_argument("--stages", default=",".join(STAGES), help="which, with commas [all]")
    parser.add_argument("--rehearse", action="store_true", help="every stage small, on whatever device there is")
    parser.add_argument("--json", type=Path, help="write the figures here, after each")
    args = parser.parse_args()
    unknown = set(args.stages.split(",")) - set(STAGES)
    if unknown:
        parser.error(f"there is no stage {', '.join(sorted(unknown))}; choose from {', '.join(STAGES)}")
    return args


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], json.loads(sys.argv[3]))
        return
    args = arguments()
    begun, failed = time.monotonic(), []
    content: dict[str, Any] = {"arguments": {k: str(v) for k, v in vars(args).items() if v is not None}, "stages": {}}
    for name in args.stages.split(","):
        left = args.seconds - (time.monotonic() - begun)
        limit = min(STAGES[name], left)
        missing = [each for each in NEEDS.get(name, ()) if getattr(args, each) is None and not args.rehearse]
        if name == "nanogpt" and args.nanogpt is None:
            missing = ["nanogpt"]
        if missing or limit < WORTH * STAGES[name]:
            why = f"--{missing[0]} was not given" if missing else f"{left:.0f} s were left"
            content["stages"][name] = {"left_out": why}
        else:

            def keep(figures: dict[str, Any], name: str = name) -> None:
                content["stages"][name] = figures
                write(args.json, content)

            run_stage(name, args, limit, keep)
        figures = content["stages"][name]
        shown(name, figures)
        if "error" in figures or "timed_out" in figures or figures.get("failed"):
            failed.append(name)
        if name == "check" and figures.get("missing"):
            raise SystemExit(f"missing packages: {', '.join(figures['missing'])}; bring wheels of them")
    write(args.json, content)
    if failed:
        raise SystemExit(f"not as it should be: {', '.join(failed)}")


if __name__ == "__main__":
    main()
