"""One loop for every net."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from lmbench import files
from lmbench.errors import LmbenchError
from lmbench.machine import out_of_memory, synchronise
from lmbench.net.base import SPEED, Net
from lmbench.progress import Progress, Task
from lmbench.runtime import Runtime
from lmbench.tokens import Tokens
from lmbench.training import checkpoint
from lmbench.training.budget import Budget, Schedule, Spent
from lmbench.training.data import Batch, Rows
from lmbench.training.device import (
    autocast_type,
    compile_regions,
    compiler_failed,
    few_threads,
    leave_regions,
    memory_kept,
    micro_rows,
    worth_compiling,
)
from lmbench.training.evaluation import log_probs, validation_windows
from lmbench.training.graph import Capture, StepGraph, cuda_capture, tensors_of_step
from lmbench.training.interrupt import deferred
from lmbench.training.optimiser import TABLE_RATE, optimisers, set_rates
from lmbench.training.options import Training
from lmbench.training.parallel import World, joined
from lmbench.training.state import State

VALIDATIONS = 20  # over a whole run, closer together at its beginning
VALIDATION_COST = 0.05  # the most of a budget of seconds that they may take
CHECKPOINT_SECONDS = 20.0
CHECKPOINT_COST = 0.02  # the most of the time that checkpoints may take: a large net's are written less often
UNTIMED = 10  # first steps, which compile kernels and fill caches: they do not count for the speed
STALL = 10.0  # nor does a step that takes so many times as long as those before: another kernel was compiled


class Loop:
    """Trains `net` in place. `identity` (JSON values) is what a run that resumes must share with its checkpoint."""

    def __init__(
        self,
        net: Net,
        train: Tokens,
        valid: Tokens,
        training: Training,
        budget: Budget,
        rows: int,
        runtime: Runtime,
        identity: dict[str, Any],
    ) -> None:
        self.net, self.valid, self.training = net, valid, training
        self.budget, self.runtime, self.identity = budget, runtime, identity
        self.device = runtime.device
        self.data = Rows(train, min(net.row, len(train)), rows, runtime.seed)
        self.micro = micro_rows(rows, self.data.length * net.logits_kept, self.device)
        self.windows = validation_windows(valid, net.row, self.device)
        self.flops_per_token = net.costs(self.data.length)["flops_per_token"]
        self.autocast = autocast_type(training.precision, self.device)
        self.optimisers: list[Optimizer] = optimisers(
            net,
            training.learning_rate,
            training.weight_decay,
            head_rate=TABLE_RATE if training.head_rate is None else training.head_rate,
            product=autocast_type("auto", self.device),
        )
        worth = worth_compiling(budget, self.device, self.flops_per_token, by_region=net.regions() != [net])
        self.compiled = net.compiles and worth if training.compile is None else training.compile
        self.loss: Callable[..., Tensor] = net
        self.graphs: dict[bool, StepGraph] = {}  # by whether rows hold several documents
        self.graphed = self.device == "cuda"
        self.capture: Capture = cuda_capture
        self.state = State(decay_begin=1.0 - training.decay)
        self.best = checkpoint.copied(net)
        self.world = World()
        self._pending: Tensor | None = None  # the last step's loss, read one step later so that a GPU never waits
        self._ended: float | None = None  # when the step before was done, where this one followed at once
        self._taken = 0  # steps of this process

    @property
    def spent(self) -> Spent:
        return Spent(self.state.tokens, self.state.seconds, float(self.flops_per_token) * self.state.tokens)

    @property
    def schedule(self) -> Schedule:
        state = self.state
        tokens = self.data.rows * self.data.length
        step = Spent(tokens, tokens / SPEED[self.device], float(self.flops_per_token) * tokens)
        share = self.budget.fraction(step)
        return Schedule(self.training.warmup, state.decay_begin, state.decay_end, step=share)

    @property
    def tokens_per_second(self) -> float | None:
        """The speed of a step in its stride, without validations and checkpoints; None for a run of a few steps."""
        if not self.state.timed_seconds:
            return None
        return self.state.timed_steps * self.data.rows * self.data.length / self.state.timed_seconds

    def run(self, name: str, progress: Progress) -> State:
        """Train until the budget is spent, the validation loss has stopped falling, or the loss is not finite; leave
        the best weights in the net.

        Raises KeyboardInterrupt on Ctrl-C, and LmbenchError where a checkpoint cannot be written or read or one row
        does not fit in memory; where the run keeps checkpoints, what was learnt is in the last one.
        """
        with joined() as self.world:
            with self.world.agreed():
                if self.runtime.resume:
                    self._resume()
            if self.compiled:
                compile_regions(self.net)
            try:
                self._take_steps(name, progress)
            finally:
                self.graphs.clear()
                if self.compiled:
                    leave_regions(self.net)
            checkpoint.put(self.net, self.best, "the best weights")
            self.net.eval()
            if self.runtime.checkpoints:
                self._save()
        return self.state

    def _take_steps(self, name: str, progress: Progress) -> None:
        threads = few_threads(self.data.rows * self.data.length)
        with (
            progress.task(name, 1.0) as task,
            deferred() as interrupt,
            torch.random.fork_rng(self._gpus()),
            threads,
            memory_kept(self.device),
            ThreadPoolExecutor(1, initializer=_use_gpu, initargs=(self._gpus(),)) as reader,
        ):
            self.net.train()
            if self.world.size > 1:
                share = len(self.world.share(self.data.rows))
                self.micro = micro_rows(max(1, share), self.data.length * self.net.logits_kept, self.device)
            coming = reader.submit(self._read, self.state.step)
            self._start(coming.result())
            clock = saved = time.perf_counter()
            pause, fraction = CHECKPOINT_SECONDS, 0.0
            while not self.state.done:
                fraction = self._advance(task, fraction)
                batch, coming = coming.result(), reader.submit(self._read, self.state.step + 1)
                self._step(batch, fraction)
                now = time.perf_counter()
                own = [
                    self.state.seconds + now - clock,
                    float(interrupt.pressed),
                    float(now - saved > pause),
                ]
                self.state.seconds, pressed, due = self.world.agree(own)
                clock = now
                self._validate_when_due(task)
                if self.runtime.checkpoints and (pressed or due):
                    begin = time.perf_counter()
                    self._save()
                    saved = time.perf_counter()
                    pause = max(CHECKPOINT_SECONDS, (saved - begin) / CHECKPOINT_COST)
                if pressed:
                    raise KeyboardInterrupt
            self._advance(task, fraction)

    def _start(self, batch: Batch) -> None:
        """Where a first step takes longer than others, on a GPU or compiled, compute a gradient that is not used."""
        if self.device == "cpu" and not self.compiled:
            return
        begin = time.perf_counter()
        with self.world.agreed():
            self._own_gradients(batch)
        self.net.zero_grad(set_to_none=True)
        synchronise(self.device)
        self.state.starting_seconds = self.world.agree([self.state.starting_seconds + time.perf_counter() - begin])[0]

    def _gpus(self) -> list[int]:
        return [torch.cuda.current_device()] if self.device == "cuda" else []

    def _read(self, step: int) -> Batch:
        batch = self.data.batch(step)
        if self.training.label_noise:
            generator = torch.Generator().manual_seed(_mix(self.runtime.seed, step))
            chosen = torch.rand(batch.targets.shape, generator=generator) < self.training.label_noise
            random = torch.randint(self.net.vocabulary, batch.targets.shape, generator=generator)
            batch = Batch(batch.ids, torch.where(chosen, random, batch.targets), batch.documents)
        return batch.pin() if self.device == "cuda" else batch

    def _step(self, batch: Batch, fraction: float) -> None:
        """One step of the optimisers on one batch, in parts that fit in memory."""
        state = self.state
        set_rates(self.optimisers, self.schedule.factor(fraction))
        graph = self._graph(batch) if self.graphed and self._taken else None
        if graph is not None:
            loss = graph(batch)
        else:
            with self.world.agreed():
                loss = self._own_gradients(batch)
            self.world.sum_gradients(self.net.parameters())
            loss = self.world.sum(loss)
            self._update()
        state.step += 1
        state.tokens += batch.targets.numel()
        self._settle()
        self._pending = loss
        self._taken += 1

    def _update(self) -> None:
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), self.training.clip, foreach=True)
        for optimiser in self.optimisers:
            optimiser.step()

    def _seed(self) -> None:
        """Dropout is a function of seed, step and process."""
        torch.manual_seed(_mix(self.runtime.seed, self.state.step) + (self.world.rank << 40))

    def _graph(self, batch: Batch) -> StepGraph | None:
        """The step as a CUDA graph for batches like this one; None where the net has none, which is said once.

        It is made at the second step, when the optimisers have their moments and the batch its parts that fit.
        """
        several = batch.documents is not None
        if several not in self.graphs:
            if self.world.size > 1 or (several and not self.net.captures_documents):
                return None
            try:
                held = tensors_of_step(self.net, self.optimisers)
                self.graphs[several] = StepGraph(self._whole, batch.to(self.device), self._seed, held, self.capture)
            except LmbenchError as error:
                self.graphed = False
                self.graphs.clear()
                self.state.notes.append(f"trained without a CUDA graph: {str(error).splitlines()[0][:200]}")
                return None
        return self.graphs[several]

    def _whole(self, batch: Batch) -> Tensor:
        """Gradient and update on a batch that is on the device; returns its loss."""
        loss = self._gradients(batch)
        self._update()
        return loss

    def _own_gradients(self, batch: Batch) -> Tensor:
        """The gradient of this process's share of the batch, taken again where that helps; returns its part of the
        loss."""
        while True:
            self._seed()
            try:
                return self._gradients(batch)
            except (MemoryError, RuntimeError) as error:
                if not self._mend(error):
                    raise
            self.net.zero_grad(set_to_none=True)
            if self.device == "cuda":
                torch.cuda.empty_cache()

    def _mend(self, error: Exception) -> bool:
        """Prepare to take a step once more that `error` broke off; False where that would not help.

        A batch that did not fit in memory is taken in smaller parts; what torch.compile cannot compile runs as it is
        written. Raises LmbenchError where one row is too large, or compiling was asked for.
        """
        notes = self.state.notes
        if compiler_failed(error) and self.compiled:
            reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
            if self.training.compile:
                raise LmbenchError(f"torch.compile failed here ({reason[:200]}); give compile=false") from error
            leave_regions(self.net)
            self.compiled = False
            notes.append(f"trained without torch.compile, which failed here ({reason[:200]})")
            return True
        if not out_of_memory(error):
            return False
        if self.micro == 1:
            raise LmbenchError(
                f"a single row of {self.data.length} tokens does not fit in memory: make the net smaller or its rows "
                "shorter"
            ) from error
        self.micro = -(-self.micro // 2)
        notes.append(f"batch did not fit in memory: gradients summed over parts of {self.micro} rows")
        return True

    def _gradients(self, batch: Batch) -> Tensor:
        """What this process's rows add to the gradient of the batch's mean loss; returns what they add to that loss."""
        self.net.zero_grad(set_to_none=True)
        rows, share = len(batch.ids), self.world.share(len(batch.ids))
        total = torch.zeros((), device=self.device)
        for start in share[:: self.micro]:
            part = batch.part(start, min(start + self.micro, share.stop)).to(self.device)
            with torch.autocast(self.device, self.autocast, enabled=self.autocast is not None):
                loss = self.loss(part.ids, part.targets, part.documents) * (len(part.ids) / rows)
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        return total

    def _settle(self) -> None:
        """Take note of the last step's loss; where it is not a finite number, training is over."""
        if self._pending is None:
            return
        loss = float(self._pending)
        now = time.perf_counter()
        if self._ended is not None and self._taken >= UNTIMED:
            steps, seconds, last = self.state.timed_steps, self.state.timed_seconds, now - self._ended
            if last * steps <= STALL * seconds:
                self.state.timed_steps, self.state.timed_seconds = steps + 1, seconds + last
        self._pending, self._ended = None, now
        if math.isfinite(loss):
            self.state.losses.append(loss)
        elif not self.state.done:
            self.state.done = True
            kept = "the best weights before that are kept" if self.state.best_tokens else "nothing was learnt"
            self.state.notes.append(
                f"training stopped at step {self.state.step}, where the loss was no longer finite: {kept}; "
                f"lower learning_rate (now {self.training.learning_rate:g})"
            )

    def _validate_when_due(self, task: Task) -> None:
        """Validate at set shares of the budget and at its end; keep the best weights; end early where it pays."""
        state = self.state
        fraction = self.budget.fraction(self.spent)
        over = fraction >= state.decay_end
        due = fraction >= ((state.validations + 1) / VALIDATIONS) ** 1.5
        dear = self.budget.seconds is not None and state.validation_seconds > VALIDATION_COST * state.seconds
        if not over and (not due or dear):
            return
        self._ended = (
            None  # neither what is waited for here nor the next step, after the validation, is a step's length
        )
        self._settle()
        self._ended = None
        if state.done:
            return
        state.done = over
        while ((state.validations + 1) / VALIDATIONS) ** 1.5 <= fraction:
            state.validations += 1
        begin = time.perf_counter()
        loss = self._validation_loss()
        spent = state.validation_seconds + time.perf_counter() - begin
        state.validation_seconds = self.world.agree([spent])[0]
        state.curve.append(
            {
                "tokens": state.tokens,
                "seconds": round(state.seconds, 3),
                "flops": self.spent.flops,
                "train": math.fsum(state.losses) / len(state.losses) if state.losses else None,
                "valid": loss,
            }
        )
        state.losses = []
        if self.runtime.watch is not None and self.world.rank == 0:
            self.runtime.watch(state.curve[-1])
        lower = loss is not None and math.isfinite(loss) and (state.best is None or loss < state.best)
        if lower or (loss is None and checkpoint.all_finite(self.net)):
            state.best, state.best_tokens, state.since_best = loss, state.tokens, 0
            self.best = checkpoint.copied(self.net)
            return
        state.since_best += 1
        if state.since_best < self.training.patience or state.done:
            return
        if fraction >= state.decay_begin:
            state.done = True
            state.notes.append(f"training ended early, at {state.tokens:,} tokens: the validation loss rose")
        else:
            schedule = self.schedule.stop_early(fraction, fraction * state.best_tokens / state.tokens)
            state.decay_begin, state.decay_end, state.since_best = schedule.begin, schedule.end, 0
            checkpoint.put(self.net, self.best, "the best weights")
            state.notes.append(
                f"the validation loss stopped falling at {state.best_tokens:,} tokens: "
                "the learning rate was brought down from there, ahead of the budget's end"
            )

    def _validation_loss(self) -> float | None:
        """Nats per token over a fixed sample of the validation text; None where there is none."""
        if not len(self.windows):
            return None
        as_written = torch.compiler.set_stance("force_eager") if self.compiled else nullcontext()
        with self.world.agreed(), as_written:
            found = log_probs(self.net, self.valid, self.windows, self.device)
        return self.world.agree([-math.fsum(found) / self.windows.scored])[0]

    def _advance(self, task: Task, before: float) -> float:
        """Show how far the budget is used; returns that share."""
        state = self.state
        fraction = self.budget.fraction(self.spent)
        task.advance(max(0.0, min(fraction / state.decay_end, 1.0) - min(before / state.decay_end, 1.0)))
        if state.losses:
            valid = "" if state.best is None else f"  valid {state.best:.3f}"
            speed = state.tokens / max(state.seconds, 1e-9)
            task.show(f"loss {state.losses[-1]:.3f}{valid}  {speed:,.0f} tokens/s")
        return fraction

    def _save(self) -> None:
        assert self.runtime.checkpoints is not None
        self._ended = None
        self._settle()
        self._ended = None
        content = {"identity": self.identity, "state": asdict(self.state)}
        with self.world.agreed():
            if self.world.rank == 0:
                checkpoint.save(self.runtime.checkpoints, self.net, self.best, self.optimisers, content)

    def _resume(self) -> None:
        """Go on from the checkpoint where there is one. Raises LmbenchError where it belongs to another run."""
        assert self.runtime.checkpoints is not None
        found = checkpoint.load(self.runtime.checkpoints, self.net, self.optimisers, self._check)
        if found is not None:
            self.best, self.state = found[0], State.read(found[1]["state"])

    def _check(self, content: dict[str, Any]) -> None:
        """Raises LmbenchError where a checkpoint is another run's or another version's, ValueError where its state is
        none."""
        path = f"{self.runtime.checkpoints}/{checkpoint.NAME}"
        identity, state = (files.field(content, name, dict) for name in ("identity", "state"))
        for key, value in self.identity.items():
            if identity.get(key) != value:
                raise LmbenchError(
                    f"{path}: its {key} is {identity.get(key)!r}, this run's {value!r}; give the same "
                    "settings, or train without resuming"
                )
        if state.keys() != asdict(self.state).keys():
            raise LmbenchError(f"{path}: written by another version of lmbench; remove it to train from the start")
        State.read(state)


def _use_gpu(devices: list[int]) -> None:
    """In a new thread the current GPU is the first one, whichever this process trains on."""
    for device in devices:
        torch.cuda.set_device(device)


def _mix(seed: int, step: int) -> int:
    """A seed for one step of one run."""
    return (seed * 1_000_003 + step) % (1 << 63)
