from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_texts import text

from lmbench.errors import LmbenchError
from lmbench.net.transformer import Transformer
from lmbench.progress import Silent
from lmbench.runtime import Runtime
from lmbench.tokens import Tokens
from lmbench.training import checkpoint
from lmbench.training.budget import Budget
from lmbench.training.loop import Loop
from lmbench.training.options import Training

TRAIN, VALID = text(0, 400, 30, 70), text(50, 120)
TOKENS = 4_000


PATIENT, ALONE, SHORT = Training(patience=100, precision="float32"), Runtime(), Budget(tokens=TOKENS)


def made(
    training: Training = PATIENT,
    runtime: Runtime = ALONE,
    budget: Budget = SHORT,
    train: Tokens = TRAIN,
    valid: Tokens = VALID,
    **identity: Any,
) -> Loop:
    torch.manual_seed(0)
    net = Transformer(8, layers=1, width=16, heads=2, context=16, dropout=0.1)
    return Loop(net, train, valid, training, budget, 8, runtime, identity)


def weights(trained: Loop) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in trained.net.named_parameters()}


class Watching:
    """A progress that calls back at each step, and collects what is shown."""

    def __init__(self, at_step: Any = lambda step: None) -> None:
        self.step, self.at_step, self.advanced = 0, at_step, 0.0
        self.notes: list[str] = []

    @contextmanager
    def task(self, description: str, total: float | None = None) -> Iterator[Watching]:
        yield self

    def advance(self, steps: float = 1) -> None:
        self.advanced += steps
        self.step += 1
        self.at_step(self.step)

    def show(self, note: str) -> None:
        self.notes.append(note)


def test_it_learns_within_its_budget_and_tells_what_it_cost() -> None:
    trained = made()
    watching = Watching()
    state = trained.run("net", watching)
    assert TOKENS <= state.tokens < TOKENS + 8 * 16
    first, last = state.curve[0], state.curve[-1]
    assert first["valid"] is not None
    assert state.best is not None
    assert state.best < first["valid"] - 0.3
    assert state.best > np.log(2) * 0.9  # each letter is followed by one of two
    assert last["tokens"] == state.tokens
    assert last["flops"] == trained.flops_per_token * state.tokens
    assert watching.advanced == pytest.approx(1.0)
    assert "valid" in watching.notes[-1]
    assert "tokens/s" in watching.notes[-1]


def test_the_same_seed_takes_the_same_steps_and_the_global_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    first, second = made(), made()
    after_init = torch.get_rng_state()
    first.run("net", Silent())
    second.run("net", Silent())
    assert torch.equal(torch.get_rng_state(), after_init)
    torch.set_rng_state(before)
    assert all(torch.equal(a, b) for a, b in zip(weights(first).values(), weights(second).values(), strict=True))
    other = made(runtime=Runtime(seed=1))
    other.run("net", Silent())
    assert other.state.best != first.state.best


def test_parts_of_a_batch_add_up_to_the_batch() -> None:
    whole, parts = made(), made()
    for each in (whole, parts):
        each.net.dropout = 0.0
        each.net.eval()
    batch = whole.data.batch(0)
    parts.micro = 3
    assert float(whole._gradients(batch)) == pytest.approx(float(parts._gradients(batch)), abs=1e-6)
    for a, b in zip(whole.net.parameters(), parts.net.parameters(), strict=True):
        assert a.grad is not None
        assert b.grad is not None
        assert torch.allclose(a.grad, b.grad, atol=1e-6)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory"),
        MemoryError(),
    ],
)
def test_a_batch_too_large_for_memory_is_taken_in_halves(error: Exception) -> None:
    trained = made()
    plain = trained.loss

    def greedy(ids: torch.Tensor, *rest: torch.Tensor) -> torch.Tensor:
        if len(ids) > 2:
            raise error
        return plain(ids, *rest)

    trained.loss = greedy
    state = trained.run("net", Silent())
    assert trained.micro == 2
    assert any("parts of 2 rows" in note for note in state.notes)

    def never(*_: torch.Tensor) -> torch.Tensor:
        raise error

    trained = made()
    trained.loss = never
    with pytest.raises(LmbenchError, match="a single row of 16 tokens does not fit"):
        trained.run("net", Silent())


def test_a_mistake_is_no_lack_of_memory() -> None:
    trained = made()

    def wrong(*_: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    trained.loss = wrong
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        trained.run("net", Silent())


def test_a_compiler_that_fails_is_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    class InductorError(RuntimeError):
        __module__ = "torch._inductor.exc"

    def broken(*_: torch.Tensor) -> torch.Tensor:
        raise InductorError("Failed to find C compiler. Please specify via CC environment variable.")

    plain = made()
    plain.run("net", Silent())
    monkeypatch.setattr(torch, "compile", lambda call: broken)
    trained = made()
    trained.compiled = True
    state = trained.run("net", Silent())
    assert state.best == plain.state.best
    assert "without torch.compile, which failed here (Failed to find C compiler" in state.notes[0]
    asked = made(replace(PATIENT, compile=True))
    with pytest.raises(LmbenchError, match=r"C compiler.*give compile=false"):  # who asks for it wants to know
        asked.run("net", Silent())


def test_a_budget_of_operations_ends_where_it_is_spent() -> None:
    each = made().flops_per_token
    state = made(budget=Budget(flops=2_000.0 * each)).run("net", Silent())
    assert 2_000 <= state.tokens < 2_000 + 8 * 16
    assert state.curve[-1]["flops"] == each * state.tokens


def test_speed_is_that_of_steps_and_not_of_validations(monkeypatch: pytest.MonkeyPatch) -> None:
    trained = made()
    plain = trained._validation_loss

    def slow() -> float | None:
        time.sleep(0.05)
        return plain()

    monkeypatch.setattr(trained, "_validation_loss", slow)
    monkeypatch.setattr("lmbench.training.loop.STALL", 1e9)  # not for being long, but for what they are
    state = trained.run("net", Silent())
    assert 0 < state.timed_steps < state.step
    assert trained.tokens_per_second is not None
    assert state.validation_seconds > 0.5
    assert trained.tokens_per_second > 1.5 * state.tokens / state.seconds
    assert made().tokens_per_second is None


def test_checkpoints_that_take_long_are_written_less_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lmbench.training.loop.CHECKPOINT_SECONDS", 0.0)
    written: list[int] = []

    def count(cost: float) -> int:
        monkeypatch.setattr("lmbench.training.loop.CHECKPOINT_COST", cost)
        trained = made(runtime=Runtime(checkpoints=tmp_path))
        monkeypatch.setattr(trained, "_save", lambda: (written.append(trained.state.step), time.sleep(0.01)))
        written.clear()
        trained.run("net", Silent())
        return len(written)

    every, seldom = count(1e9), count(1e-9)
    assert every > 20
    assert seldom == 2  # once, and at the end


def test_a_loss_that_is_no_longer_finite_ends_training_with_the_last_good_weights() -> None:
    trained = made()
    plain, calls = trained.loss, []

    def breaking(*batch: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return plain(*batch) * (float("nan") if len(calls) > 20 else 1.0)

    trained.loss = breaking
    state = trained.run("net", Silent())
    assert state.tokens < TOKENS
    assert "no longer finite" in state.notes[0]
    assert "lower learning_rate" in state.notes[0]
    assert all(torch.isfinite(p).all() for p in trained.net.parameters())
    assert state.best is not None
    assert trained._validation_loss() == pytest.approx(state.best)


def test_without_a_validation_text_too_the_weights_that_stay_are_finite() -> None:
    """The step that spoils the weights has a finite loss itself; the copy taken right after it must not count."""
    trained = made(valid=VALID.head(0))
    plain, calls = trained.loss, []

    def breaking(*batch: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return plain(*batch) * (float("nan") if len(calls) > 20 else 1.0)

    due = trained._validate_when_due

    def at_once(task: Any) -> None:
        if len(calls) == 20:
            with torch.no_grad():
                next(trained.net.parameters()).fill_(float("nan"))
            trained.state.validations = -1  # due now
        due(task)

    trained.loss, trained._validate_when_due = breaking, at_once  # type: ignore[method-assign]
    state = trained.run("net", Silent())
    assert state.curve[-1]["tokens"] == 20 * 8 * 16
    assert state.best_tokens < 20 * 8 * 16
    assert "the best weights before that are kept" in state.notes[0]
    assert all(torch.isfinite(p).all() for p in trained.net.parameters())


def test_where_validation_stops_falling_training_ends_early_with_the_best_weights() -> None:
    few = text(7, 40)  # learnt by heart within the budget
    training = Training(patience=2, decay=0.5, learning_rate=0.03)
    trained = made(training, budget=Budget(tokens=100_000), train=few)
    state = trained.run("net", Silent())
    assert state.tokens < 60_000
    assert any("stopped falling" in note for note in state.notes)
    valid = [point["valid"] for point in state.curve if point["valid"] is not None]
    assert state.best == min(valid) < max(valid) - 1
    assert trained._validation_loss() == pytest.approx(state.best)


def test_without_a_validation_text_the_last_weights_stay() -> None:
    trained = made(valid=VALID.head(0))
    state = trained.run("net", Silent())
    assert state.best is None
    assert [point["valid"] for point in state.curve] == [None] * len(state.curve)
    assert state.tokens >= TOKENS


def test_label_noise_keeps_the_net_from_certainty() -> None:
    plain, noisy = made(), made(Training(patience=100, label_noise=0.9))
    assert noisy._read(3).targets.tolist() == noisy._read(3).targets.tolist()
    changed = (noisy._read(3).targets != plain._read(3).targets).float().mean()
    assert changed == pytest.approx(0.9 * 7 / 8, abs=0.1)
    assert plain.run("net", Silent()).best < noisy.run("net", Silent()).best - 0.3  # type: ignore[operator]


def test_a_budget_of_seconds_ends_in_time() -> None:
    begin = time.perf_counter()
    state = made(budget=Budget(seconds=0.5)).run("net", Silent())
    assert state.seconds >= 0.5
    assert time.perf_counter() - begin < 5
    assert state.curve[-1]["tokens"] == state.tokens


TESTS = [str(folder) for folder in Path(__file__).parents[:2]]  # where this file is, and what it imports

CHILD = """
    import sys
    sys.path[:0] = {tests!r}
    from pathlib import Path
    import test_loop
    from lmbench.runtime import Runtime
    from lmbench.training import loop
    loop.CHECKPOINT_SECONDS = 0.0
    def at(step):
        print(step, flush=True)
    runtime = Runtime(checkpoints=Path({folder!r}), resume=True)
    test_loop.made(runtime=runtime).run("net", test_loop.Watching(at))
"""


def killed(folder: Path, at_step: int) -> None:
    """Train in another process, and kill it with SIGKILL when it says that it has come to `at_step`."""
    program = textwrap.dedent(CHILD.format(tests=TESTS, folder=str(folder)))
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    for line in child.stdout:
        if int(line) >= at_step:
            break
    child.kill()
    child.stdout.close()
    assert child.wait() == -signal.SIGKILL


def test_killed_and_resumed_ends_where_one_never_killed_does(tmp_path: Path) -> None:
    whole = made()
    whole.run("net", Silent())
    killed(tmp_path, at_step=9)
    held = checkpoint.load(tmp_path, made().net, made().optimisers)
    assert held is not None
    assert 1 <= held[1]["state"]["step"] <= 12
    killed(tmp_path, at_step=8)
    resumed = made(runtime=Runtime(checkpoints=tmp_path, resume=True))
    state = resumed.run("net", Silent())
    assert state.step == whole.state.step
    assert state.best == pytest.approx(whole.state.best, abs=1e-6)
    assert [p["valid"] for p in state.curve] == pytest.approx([p["valid"] for p in whole.state.curve], abs=1e-6)
    for a, b in zip(weights(resumed).values(), weights(whole).values(), strict=True):
        assert torch.allclose(a, b, atol=1e-6)
    again = made(runtime=Runtime(checkpoints=tmp_path, resume=True)).run("net", Silent())
    assert again.step == state.step  # a finished run has nothing left to do


@pytest.mark.skipif(threading.current_thread() is not threading.main_thread(), reason="signals reach the main thread")
def test_ctrl_c_leaves_a_checkpoint_of_a_whole_step(tmp_path: Path) -> None:
    whole = made()
    whole.run("net", Silent())
    interrupted = made(runtime=Runtime(checkpoints=tmp_path))
    press = Watching(lambda step: os.kill(os.getpid(), signal.SIGINT) if step == 6 else None)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        interrupted.run("net", press)
    assert signal.getsignal(signal.SIGINT) == handler
    state = made(runtime=Runtime(checkpoints=tmp_path, resume=True)).run("net", Silent())
    assert state.best == pytest.approx(whole.state.best, abs=1e-6)


def test_seconds_of_a_budget_are_carried_over(tmp_path: Path) -> None:
    runtime = Runtime(checkpoints=tmp_path)
    press = Watching(lambda step: os.kill(os.getpid(), signal.SIGINT) if step == 10 else None)
    with pytest.raises(KeyboardInterrupt):
        made(runtime=runtime, budget=Budget(seconds=60.0)).run("net", press)
    resumed = made(runtime=replace(runtime, resume=True), budget=Budget(seconds=60.0))
    resumed._resume()
    assert 0 < resumed.state.seconds < 30
    assert resumed.state.step == 10


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    made(runtime=Runtime(checkpoints=tmp_path), seed=1).run("net", Silent())
    with pytest.raises(LmbenchError, match=r"checkpoint.safetensors: its seed is 1, this run's 2"):
        made(runtime=Runtime(checkpoints=tmp_path, resume=True), seed=2).run("net", Silent())


def test_a_checkpoint_of_another_version_is_named(tmp_path: Path) -> None:
    trained = made(runtime=Runtime(checkpoints=tmp_path))
    trained.run("net", Silent())
    content = {"identity": {}, "state": {"step": 3, "what it was called": 1}}
    checkpoint.save(tmp_path, trained.net, trained.best, trained.optimisers, content)
    with pytest.raises(LmbenchError, match=r"checkpoint\.safetensors: written by another version"):
        made(runtime=Runtime(checkpoints=tmp_path, resume=True)).run("net", Silent())


def test_a_run_of_one_step_learns() -> None:
    for budget in (Budget(tokens=100), Budget(seconds=1e-6)):
        trained = made(budget=budget)
        before = weights(trained)
        state = trained.run("net", Silent())
        assert state.step == 1
        assert any(not torch.equal(before[name], after) for name, after in weights(trained).items())


def test_graphs_of_one_net_are_not_counted_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    monkeypatch.setattr(torch, "compile", lambda call: call)
    monkeypatch.setattr(torch.compiler, "reset", lambda: calls.append("reset"))
    made().run("net", Silent())
    assert calls == []
    made(Training(patience=100, precision="float32", compile=True)).run("net", Silent())
    assert calls == ["reset"]


def test_no_moment_between_two_looks_at_a_loss_is_taken_for_a_step() -> None:
    trained = made(budget=Budget(tokens=8_000))
    lengths, settle = [], trained._settle

    def watched() -> None:
        steps, seconds = trained.state.timed_steps, trained.state.timed_seconds
        settle()
        if trained.state.timed_steps > steps:
            lengths.append(trained.state.timed_seconds - seconds)

    trained._settle = watched  # type: ignore[method-assign]
    state = trained.run("net", Silent())
    assert len(state.curve) > 10
    assert len(lengths) > 10
    assert min(lengths) > np.median(lengths) / 10
