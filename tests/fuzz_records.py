"""Damage a run in every way and open it by every command: one clear line each, nothing outside, no more memory.

`python tests/fuzz_records.py --count 2000` makes a small run with every kind of model and tries so many mutations in
one process; `tests/test_fuzz_records.py` tries a few hundred. What is looked at, for each mutation and command:

- exit code 0 (what was changed is still a run), 1 or 2, and no exception but SystemExit; a failure is one line;
- an audit hook sees every file opened, folder listed and process or connection begun: all lie in the run's folder,
  in Python's own, in the cache or beside the output (libraries that open files outside of Python are not seen: they
  get paths only that were opened by Python before, see `lmbench.files`);
- peak resident memory, read from the kernel for each mutation, against that of the same command on the intact run, and
  a limit on address space one gigabyte above what is in use, so that an allocation that is never touched fails too.
"""

from __future__ import annotations

import argparse
import functools
import getpass
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import lmbench

from lmbench import store
from lmbench.machine import PeakMemory
from lmbench.pipeline import Plan, entropy, pages, run
from lmbench.progress import Silent
from lmbench.training import checkpoint, loop

_NET = "layers=1, width=8"
_NGRAMS = [
    "ngram(order=3)", "ngram(order=2, smoothing=witten_bell, storage=quantized)",
    "ngram(order=2, smoothing=additive, storage=float32)", "ngram(order=2, smoothing=good_turing)",
    "ngram(order=2, smoothing=jelinek_mercer)", "ngram(order=2, smoothing=stupid_backoff)",
    "ngram(order=2, smoothing=absolute, storage=quantized)", "ngram(order=2, smoothing=pitman_yor)",
]  # fmt: skip
_OTHERS = [
    "uniform", "suffix(smoothing=pitman_yor)", "suffix", "pairs(distance=2)", "pairs(distance=2, combine=mixture)",
    "cache(model=ngram(order=2), order=2)", f"cache(model=neural_cache(model=lstm({_NET})), window=20)",
    "bigram_embedding(width=4)", f"lstm({_NET}, back=16)", f"mingru({_NET})",
    f"transformer({_NET}, heads=1, context=16)", "feedforward(context=2, width=8)",
    "mixture([ngram(order=2), mixture([bigram_embedding(width=4), suffix])], gate=linear)",
    "mixture([ngram(order=2), uniform], buckets=match, gate=none)",
]  # fmt: skip
MODELS = [*_NGRAMS, *_OTHERS]
SOME = [_NGRAMS[0], _NGRAMS[1], "uniform", "suffix(smoothing=pitman_yor)", f"lstm({_NET}, back=16)", _OTHERS[-2]]
STOPPED = ["uniform", _NGRAMS[0], f"mixture([ngram(order=2), lstm({_NET}, back=16)])"]
KINDS = {  # name of a base run: its tokenizer, its models, and whether it was stopped in the middle of training
    "char": ("char", MODELS, False), "word": ("word(vocabulary=5)", SOME, False),
    "spell": ("word(vocabulary=5, unknown=spell)", SOME, False), "bpe": ("bpe(vocabulary=270)", SOME, False),
    "byte": ("byte", SOME[:3], False), "some": ("char", SOME, False), "stopped": ("char", STOPPED, True),
}  # fmt: skip
FORMS = ("csv", "json", "latex", "lm-eval")
BAIT = "outside"
HEADROOM = 1 << 30  # bytes of address space that a damaged run may take beyond what the process has
PATIENCE = 120  # seconds
_WEIGHTS = {"models": 6.0, "record.json": 2.5, "checkpoints": 3.0}  # of the parts of a run; of others 1
HOSTILE: list[Any] = [
    None, True, False, -1, 0, 1,
    2**31, 2**63, 10**40, -(10**40), 0.5, -0.0, 1e308, -1e308, "", "x",
    "\u001b[31m", "\ud800",
    "../../outside",
    "/etc/passwd", "/", ".", "a" * 5000, [], {}, [[]], [None], {"a": 1}, [1, 2, 3],
    "ngram(order=99999999)",
    "pretrained('/etc')", "arpa('/etc/passwd')", "transformer(width=1000000000)", "hf:a/b", "-", "cuda", "\0",
]  # fmt: skip


@dataclass
class Tally:
    """What came of the mutations."""

    kinds: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    worst: float = 0.0  # peak memory over that of the intact run
    worst_of: str = ""


class _Stop(Silent):
    """Ctrl-C after the first steps of a training, when its first checkpoint is written."""

    def __init__(self, home: Path) -> None:
        self.home = home

    @contextmanager
    def task(self, description: str, total: float | None = None) -> Iterator[Any]:
        yield self

    def advance(self, steps: float = 1) -> None:
        if any(self.home.rglob(checkpoint.NAME)):
            raise KeyboardInterrupt

    def show(self, note: str) -> None:
        pass


def make_run(home: Path, name: str) -> Path:
    """The small run `name` of `KINDS` in HOME/runs, with two games in it, and without the hashes of its files: whoever
    changes a file can change its hash too, and then what is in it has to be looked at."""
    with undrawn():
        folder = _made(home, name)
    path = folder / store.RECORD
    content = json.loads(path.read_text(encoding="utf-8"))
    for part in (content["card"], *content["rows"]):
        part["files"] = {}
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False), encoding="utf-8")
    return folder


def _made(home: Path, name: str) -> Path:
    tokenizer, models, stopped = KINDS[name]
    rng = np.random.default_rng(5)
    words = np.array(["the", "queen", "said", "né", "猫", "on", "a", "mat"])
    text = home / "text.txt"
    lines = [" ".join(words[rng.integers(0, 8, 6)]) for _ in range(60)]
    text.write_text("\n".join(lines) + "\n", encoding="utf-8")
    plan = Plan(
        source=str(text), tokenizer=tokenizer, models=models, estimators=["zlib", "block(order=2, unit=token)"],
        split="80/10/10", lines=True, device="cpu", train_tokens=200, out=home / "runs",
    )  # fmt: skip
    if stopped:
        with pytest.MonkeyPatch.context() as patch, suppress(KeyboardInterrupt):
            patch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
            run(plan, _Stop(home))
        return next((home / "runs").iterdir())
    if name == "char":  # with a model from an ARPA file, which the first model of a run before gives
        first = run(replace(plan, models=models[:1], estimators=[], out=home / "first")).folder
        _sound("export", "arpa", first, models[0], home / "letters.arpa")
        plan = replace(plan, models=[*models, f"arpa('{home / 'letters.arpa'}')"])
    folder = run(plan).folder
    if tokenizer in ("char", "byte"):
        own = ["--length", "4", "--context", "2", "--out", folder / "games", "--device", "cpu"]
        _sound("guess", "--model", f"{folder}:{models[0]}", *own)
        _sound("guess", text, "--player", "ada", "--seed", "1", *own, stdin="t\n?\n")
    return folder


def _sound(*command: str | Path, stdin: str | None = None) -> None:
    result = lmbench(*command, stdin=stdin)
    if result.exit_code:
        raise RuntimeError(f"{command}: {result.stderr}")


class Watch:
    """The audit hook: what was opened, while it is on, outside of `allowed`."""

    def __init__(self) -> None:
        self.allowed: tuple[str, ...] = ()
        self.on = False
        self.seen: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        own = event == "subprocess.Popen" and arguments[0] == "git"  # which asks for the commit of the program itself
        if event in ("subprocess.Popen", "os.system", "socket.connect", "socket.getaddrinfo") and not own:
            self.seen.append(f"{event} {arguments!r:.200}")
        named = event in ("open", "os.listdir", "os.scandir", "os.mkdir", "os.remove", "os.rename", "os.rmdir")
        if named or event in ("os.link", "os.symlink", "os.truncate", "os.utime", "shutil.rmtree"):
            for name in arguments[:2] if event in ("os.rename", "os.link") else arguments[:1]:
                if isinstance(name, str | bytes | os.PathLike):
                    self._look(event, os.fsdecode(name))

    def _look(self, event: str, name: str) -> None:
        self.on = False
        try:
            path = os.path.realpath(name)
        except (OSError, ValueError):
            return
        finally:
            self.on = True
        if not path.startswith(self.allowed):
            self.seen.append(f"{event} {path}")


@functools.cache
def watch() -> Watch:
    """The one of this process: an audit hook stays for good."""
    return Watch()


def allowed_places(*own: Path) -> tuple[str, ...]:
    import matplotlib as mpl

    package = Path(store.__file__).parents[1]
    places = [*own, sys.prefix, sys.base_prefix, package, "/usr", "/proc", "/sys", "/dev", os.environ["LMBENCH_CACHE"]]
    places.append(f"{tempfile.gettempdir()}/torchinductor_{getpass.getuser()}")  # torch's own, made at its import
    places += [mpl.get_cachedir(), mpl.get_configdir(), Path(np.__file__).parents[1], "/var/cache/fontconfig"]
    return tuple(os.path.realpath(place) for place in places)


def _part(path: Path, folder: Path) -> str:
    return path.relative_to(folder).parts[0]


def mutate(folder: Path, rng: np.random.Generator) -> tuple[str, Path, str]:
    """Damage one file of a run: the kind of mutation, the file, and what was done."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".html", ".png"))
    counts = Counter(_part(path, folder) for path in files)
    weights = np.array([_WEIGHTS.get(part := _part(path, folder), 1.0) / counts[part] for path in files])
    path = files[int(rng.choice(len(files), p=weights / weights.sum()))]
    makers: dict[str, Callable[[Path, np.random.Generator], str]] = {
        "bits": _bits, "truncated": _truncated, "swapped": _swapped, "link": _link, "missing": _missing,
    }  # fmt: skip
    if path.suffix == ".json":
        makers |= {"json": _json, "json ": _json, "json  ": _json}
    if path.suffix in (".npy", ".safetensors"):
        makers |= {"shape": _shape, "shape ": _shape, "numbers": _numbers}
    kind = list(makers)[int(rng.integers(len(makers)))]
    what = makers[kind](path, rng)
    return kind.strip(), path.relative_to(folder), what


def _bits(path: Path, rng: np.random.Generator) -> str:
    data = bytearray(path.read_bytes())
    for _ in range(int(rng.integers(1, 9))):
        if data:
            data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
    path.write_bytes(data)
    return "bits turned"


def _truncated(path: Path, rng: np.random.Generator) -> str:
    data = path.read_bytes()
    path.write_bytes(data[: int(rng.integers(len(data) + 1))] if rng.integers(4) else data + b"\0" * 100)
    return "cut or longer"


def _swapped(path: Path, rng: np.random.Generator) -> str:
    root = next(parent for parent in path.parents if (parent / "record.json").exists() or parent.name == "copy")
    others = sorted(other for other in root.rglob(f"*{path.suffix}") if other != path and other.is_file())
    if not others:
        return _missing(path, rng)
    other = others[int(rng.integers(len(others)))]
    path.write_bytes(other.read_bytes())
    return f"now {other.relative_to(root)}"


def _link(path: Path, rng: np.random.Generator) -> str:
    """A link to the same bytes outside, of the file or of its folder; or to a device, or to itself."""
    root = next(parent for parent in path.parents if parent.name == "copy")
    bait = root.parent / BAIT / path.relative_to(root)
    target, what = path, bait
    if path.parent != root and rng.integers(2):
        target, what = path.parent, bait.parent
        shutil.rmtree(target)
    else:
        path.unlink()
    choice = int(rng.integers(6))
    what = Path("/dev/zero") if choice == 0 else target if choice == 1 else what
    target.symlink_to(what)
    return f"a link of {target.name} to {what}"


def _missing(path: Path, rng: np.random.Generator) -> str:
    path.unlink()
    if not rng.integers(4):
        os.mkfifo(path)
        return "a pipe"
    return "gone"


def _places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if at:
        yield at
    for key, child in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from _places(child, (*at, key))


def _json(path: Path, rng: np.random.Generator) -> str:
    content = json.loads(path.read_text(encoding="utf-8"))
    places = list(_places(content))[:5000]
    if not places:
        path.write_text("[" * 100_000, encoding="utf-8")
        return "nested"
    *above, last = places[int(rng.integers(len(places)))]
    holder = content
    for key in above:
        holder = holder[key]
    value = HOSTILE[int(rng.integers(len(HOSTILE)))]
    if rng.integers(8) == 0:
        del holder[last]
        value = "(deleted)"
    else:
        holder[last] = value
    path.write_text(json.dumps(content), encoding="utf-8")
    return f"{'.'.join(map(str, (*above, last)))[-80:]} = {value!r:.40}"


def _shape(path: Path, rng: np.random.Generator) -> str:
    """A header that declares other, and much larger, shapes than there are bytes."""
    data = path.read_bytes()
    huge = int(rng.choice([1, 10**6, 10**9, 10**12, 2**62]))
    if path.suffix == ".npy":
        end = data.index(b"\n", 10) if b"\n" in data else 10
        header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({huge},), }}".encode()
        padded = header.ljust(max(len(header), end - 10))
        path.write_bytes(data[:8] + (len(padded) + 1).to_bytes(2, "little") + padded + b"\n" + data[end + 1 :])
        return f"shape {huge}"
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    names = [name for name in header if name != "__metadata__"]
    name = names[int(rng.integers(len(names)))]
    header[name]["shape"] = [huge] if rng.integers(2) else [0, huge]
    if rng.integers(2):
        header[name]["data_offsets"] = [0, huge * 8]
    written = json.dumps(header).encode()
    path.write_bytes(len(written).to_bytes(8, "little") + written + data[8 + length :])
    return f"{name} of shape {header[name]['shape']}"


def _numbers(path: Path, rng: np.random.Generator) -> str:
    """Numbers that are no indices, and no numbers, in place of those behind the header."""
    data = bytearray(path.read_bytes())
    for _ in range(4):
        at = int(rng.integers(max(1, len(data) // 3), max(2, len(data) - 8)))
        data[at : at + 8] = rng.choice([b"\xff" * 8, b"\x7f" * 8, b"\0\0\0\0\0\0\xf8\x7f", b"\0\0\0\0\0\0\xf0\x7f"])
    path.write_bytes(data[: path.stat().st_size])
    return "numbers"


def commands_for(folder: Path, file: Path, rows: list[tuple[str, str]], rng: np.random.Generator) -> list[str]:
    """A command that opens `file` of the run in `folder`. `rows`: (model, folder)."""
    run_ = str(folder)
    own = [model for model, home in rows if str(file).startswith(home + "/")]
    model = own[0] if own else rows[int(rng.integers(len(rows)))][0]
    other = rows[0][0] if model != rows[0][0] else rows[1][0]
    out, cpu = str(folder.parent / "out"), ["--device", "cpu"]
    every = {
        "report": [run_], "report --json": ["report", run_, "--json"],
        "report --html": ["report", run_, "--html", f"{out}.html"],
        **{
            f"report --format {form}": ["report", run_, "--format", form] for form in FORMS
        },
        "report --tensorboard": ["report", run_, "--tensorboard", f"{out}.curves"],
        "show --check": ["show", run_, "--check", "--quiet"],
        "compare": [run_, model, other],
        "generate": [run_, "--model", model, "--tokens", "5", "--prompt", "the", *cpu],
        "count": [run_, "queen", "--quiet"], "overlap": [run_, str(folder.parent / "text.txt"), "--quiet"],
        "guess": ["--model", f"{run_}:{model}", "--length", "4", "--context", "2", "--out", out, "--quiet", *cpu],
        "bounds": [run_, "--model", model, "--contexts", "0,2", "--positions", "10", "--quiet", *cpu],
        "export arpa": [run_, model, f"{out}.arpa", "--quiet"], "run": ["--resume", run_, "--quiet", *cpu],
        "entropy": ["--run", run_, "--estimator", "zlib", "--quiet", "--out", out], "trust": [run_],
    }  # fmt: skip
    if file.parts[0] == "games":
        return _of_game(folder, file, rows[0][0], rng)
    if file.parts[0] in ("fits", "checkpoints") or len(rows) < 3:
        chosen = ["run"] * 5 + ["report", "trust"]
    elif own and file.name == "log_probs.npy":
        chosen = ["compare", "show --check", "report --format lm-eval"]
    elif own:
        chosen = ["generate", "generate", "generate", "bounds", "guess", "export arpa", "trust"]
    else:
        chosen = {
            "tokenizer": ["generate", "count", "overlap", "guess", "bounds"],
            "test": ["compare", "guess", "bounds", "show --check"],
            "suffix": ["count", "overlap"],
        }.get(file.parts[0], list(every))  # fmt: skip
    name = chosen[int(rng.integers(len(chosen)))]
    arguments = every[name]
    return arguments if arguments[0] == name.split()[0] else [*name.split(), *arguments]


def _of_game(folder: Path, file: Path, model: str, rng: np.random.Generator) -> list[str]:
    """A command that opens the record of a game."""
    path, out = str(folder / file), ["--out", str(folder.parent / "out"), "--device", "cpu", "--quiet"]
    other = str(next(each for each in sorted((folder / "games").iterdir()) if each.name != file.name))
    return ["guess", *[
        ["--resume", path, *out], ["--same", path, "--model", f"{folder}:{model}", *out],
        ["--compare", path, other, *out], ["--same", path, *out],
    ][int(rng.integers(4))]]  # fmt: skip


@contextmanager
def undrawn(wanted: bool = True) -> Iterator[None]:
    """Without the page of a report, which takes longer than all else: `report --html` draws it."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (pages, entropy) if wanted else ():
            patch.setattr(module, "write_page", lambda *_, **__: None)
        yield


@contextmanager
def limits() -> Iterator[None]:
    """Two minutes, and a gigabyte of address space more than there is now."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()

    def late(*_: object) -> None:
        raise TimeoutError("a damaged run kept a command busy")

    handler = signal.signal(signal.SIGALRM, late)
    signal.alarm(PATIENCE)
    resource.setrlimit(resource.RLIMIT_AS, (used + HEADROOM, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)


def open_run(command: list[str]) -> tuple[str, str, int, str]:
    """(outcome, what was wrong with it or nothing, peak resident bytes, its line of failure) of one command."""
    looking = watch()
    looking.seen = []
    with PeakMemory() as memory, limits(), undrawn(command[0] != "report"):
        looking.on = True
        try:
            result = lmbench(*command, stdin="t\nq\n?\n?\n")
        finally:
            looking.on = False
    said = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    fault = ""
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        fault = "".join(traceback.format_exception(result.exception)[-3:])
    elif result.exit_code not in (0, 1, 2) or (result.exit_code and len(said) != 1):
        fault = f"exit code {result.exit_code}: {result.stderr[-300:]}"
    elif "memory" in "".join(said) and "not enough" in "".join(said):
        fault = f"asked for too much memory: {said}"
    elif looking.seen:
        fault = f"left the run's folder: {looking.seen[:3]}"
    return f"exit {result.exit_code}", fault, memory.bytes or 0, "".join(said)[:300]


def fuzz(
    base: Path,
    home: Path,
    numbers: range,
    seed: int,
    tell: Callable[[dict[str, Any]], None] = lambda found: None,
) -> Tally:
    """The mutations `numbers` of copies of the run `base` in `home`; `tell` hears what came of each."""
    record = store.read_record(base)
    rows = [(row.model, row.folder) for row in record.rows]
    tally, intact, looking = Tally(), dict[str, int](), watch()
    copy, bait = home / "copy", home / BAIT
    shutil.copytree(base, bait)
    shutil.copyfile(base.parents[1] / "text.txt", home / "text.txt")
    looking.allowed = allowed_places(copy, home / "out", home / "text.txt", base.parents[1] / "text.txt")
    looking.allowed += tuple(
        os.path.realpath(home / name) for name in ("out.arpa", ".out.arpa", "out.html", ".out.html")
    )
    for number in numbers:
        rng = np.random.default_rng([seed, number])
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(base, copy)
        kind, file, what = mutate(copy, rng)
        command = commands_for(copy, file, rows, rng)
        asked = " ".join(word for word in command if word.startswith("--") or word == command[0])
        if asked not in intact:
            spare = home / "spare"
            copy.rename(spare)
            shutil.copytree(base, copy)
            intact[asked] = open_run(command)[2]
            shutil.rmtree(copy)
            spare.rename(copy)
        start = time.perf_counter()
        outcome, fault, peak, said = open_run(command)
        ratio = peak / max(1, intact[asked])
        tally.kinds[kind] += 1
        if ratio > tally.worst:
            tally.worst, tally.worst_of = ratio, f"{kind} of {file}: {what}: {asked}"
        found = {
            "number": number, "kind": kind, "file": str(file), "what": what, "asked": asked, "outcome": outcome,
            "said": said, "memory": round(ratio, 3), "seconds": round(time.perf_counter() - start, 2), "fault": fault,
            "command": " ".join(command),
        }  # fmt: skip
        if fault:
            tally.faults.append(f"{number}: {kind} of {file}: {what}: {' '.join(command)[:200]}\n{fault}")
        tell(found)
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--run", action="append", choices=list(KINDS))
    parser.add_argument("--first", type=int, default=0, help="number of the first mutation")
    parser.add_argument("--home", help="folder of the intact runs, made where they are missing, and of outcomes.jsonl")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(options.home or temporary).resolve()
        os.environ["LMBENCH_CACHE"] = f"{place}/cache"
        for name in options.run or list(KINDS):
            home = place / name
            home.mkdir(parents=True, exist_ok=True)
            found = sorted((home / "runs").glob("*/record.json"))
            base = found[0].parent if found else make_run(home, name)
            damaged = Path(tempfile.mkdtemp(dir=temporary))
            numbers = range(options.first, options.first + options.count)
            with (place / "outcomes.jsonl").open("a", encoding="utf-8") as file:

                def tell(outcome: dict[str, Any], name: str = name, file: Any = file) -> None:
                    print(json.dumps({"run": name, **outcome}, ensure_ascii=True), file=file, flush=True)

                tally = fuzz(base, damaged, numbers, options.seed, tell)
            print(f"{name}: {options.count} mutations, {len(tally.faults)} faults", dict(tally.kinds))
            print("\n".join(tally.faults))
            print(f"memory at most {tally.worst:.2f} of the intact run's ({tally.worst_of})", flush=True)


if __name__ == "__main__":
    main()
