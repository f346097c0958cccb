"""The fits of a run: whatever is the same in all that decides it is made once, and kept in a folder under its key.

    RUN/fits/<key>/
      fit.json              what decided it and what it cost; the folder is whole
      model/                what the model saves; rows and models around it link these files
      valid_log_probs.npy   of counts that were later taken anew: the validation text, before they knew it

It is the run's while it goes on: what has a folder is done, after a kill too; rows hold their own links to it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable
from weakref import WeakKeyDictionary

from lmbench import files, machine
from lmbench.disk import naming
from lmbench.model import models
from lmbench.model._components import components_of, filled
from lmbench.model.base import Model, Refittable
from lmbench.pipeline.match import trains, trains_itself
from lmbench.pipeline.passing import VALID
from lmbench.pipeline.team import ALONE, Team
from lmbench.progress import Progress, Silent
from lmbench.runtime import CurvePoint, Runtime, Values, Watch
from lmbench.spec import Spec
from lmbench.store import write_array
from lmbench.tokens import Tokens

FITS = "fits"
CHECKPOINTS = "checkpoints"
FIT = "fit.json"
MODEL = "model"
_KEY = 16  # hexadecimal digits

OnPoint = Callable[[CurvePoint], None]


@dataclass(frozen=True)
class Task:
    """All that decides a fitted model; of two tasks that are equal, one is fitted.

    `model`: its spec, defaults filled in. `train`, `valid`: hashes of the tokens it learns from and chooses settings
    on; `recounted`: of those it was then counted anew on, with these settings. `budget`: what training may cost, of a
    model that holds a net.
    """

    model: str
    train: str
    valid: str
    recounted: str | None
    seed: int
    device: str
    budget: dict[str, float | None]
    versions: dict[str, str]

    @classmethod
    def of(cls, spec: Spec, runtime: Runtime, train: Tokens, valid: Tokens, recounted: Tokens | None = None) -> Self:
        limits = ("train_seconds", "train_tokens", "train_flops", "stored_bytes")
        versions = machine.versions()
        return cls(
            model=str(filled(spec)),
            train=train.hash,
            valid=valid.hash,
            recounted=None if recounted is None else recounted.hash,
            seed=runtime.seed,
            device=runtime.device,
            budget={name: getattr(runtime, name) for name in limits} if trains(spec) else {},
            versions={name: versions[name] for name in ("lmbench", "torch") if name in versions},
        )

    @property
    def key(self) -> str:
        content = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:_KEY]


@dataclass
class Cost:
    """What one fit took, the fits it rests on left out. `tokens`: of its training text."""

    model: str
    tokens: int
    seconds: float


@dataclass
class Fit:
    """What is known of a fit: `costs` has its own under `key`, and those of all fits that it rests on.

    `peak_memory_bytes` is the most of all of them.
    """

    key: str
    costs: dict[str, Cost] = field(default_factory=dict)
    peak_memory_bytes: int | None = None

    @property
    def seconds(self) -> float:
        return sum(cost.seconds for cost in self.costs.values())

    def rests_on(self, other: Fit) -> None:
        self.costs |= other.costs
        self.peak(other.peak_memory_bytes)

    def peak(self, peak: int | None) -> None:
        known = [each for each in (self.peak_memory_bytes, peak) if each is not None]
        self.peak_memory_bytes = max(known, default=None)

    def json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises LmbenchError naming the file where it is not whole."""
        with files.whole(path, "account of fitting"):
            content = files.read_json(path)
            costs = {}
            for key, cost in files.field(content, "costs", dict).items():
                seconds = float(files.numbers(cost["seconds"], (), 0, 1e12))
                costs[key] = Cost(
                    files.field(cost, "model", str), files.whole_number(cost, "tokens", 0, 1 << 53), seconds
                )
            peak = content["peak_memory_bytes"] and files.whole_number(content, "peak_memory_bytes", 0, 1 << 53)
            return cls(files.field(content, "key", str), costs, peak)


class Meter:
    """Counts the seconds and the peak memory of one fit; stopped while another is made inside it."""

    def __init__(self, device: str, fit: Fit) -> None:
        self.device = device
        self.fit = fit
        self.seconds = 0.0

    def go(self) -> None:
        self._memory = machine.PeakMemory(self.device)
        self._memory.__enter__()
        self._start = time.perf_counter()

    def stop(self) -> None:
        machine.synchronise(self.device)
        self.seconds += time.perf_counter() - self._start
        self._memory.__exit__(None)
        self.fit.peak(self._memory.bytes)


@runtime_checkable
class Situated(Protocol):
    """A model that keeps the runtime it was made with, which one that is loaded lacks."""

    runtime: Runtime


@dataclass(frozen=True)
class Fitted:
    """A fitted model, what it cost, and the folder with its files. `validated`: the log-probabilities of the validation
    text before a model of counts knew it; None where it never did, or is no model of counts."""

    model: Model
    fit: Fit
    folder: Path
    validated: Path | None


class RunFits:
    """The `Fits` of one run. `refits`: whether final models know the validation text too (a split in two parts).

    `rows`: the models of the run, which say what other rows will want. `on_point` is called with each point of a
    learning curve. Whoever asks has a model of its own, in memory.
    """

    def __init__(
        self,
        folder: Path,
        train: Tokens,
        valid: Tokens,
        refits: bool,
        rows: Sequence[Spec] = (),
        team: Team = ALONE,
        on_point: OnPoint | None = None,
    ) -> None:
        self.folder = folder
        self.train = train
        self.valid = valid
        self.refits = refits
        self.team = team
        self.on_point = on_point
        self._inside = {str(filled(part)) for spec in rows for part in components_of(spec)}
        self._meters: list[Meter] = []
        self._homes: WeakKeyDictionary[Model, Path] = WeakKeyDictionary()
        self._known: dict[str, Fit] = {}

    @cached_property
    def text(self) -> Tokens:
        """What final models know: the training text, with the validation text where that is part of it."""
        return self.train + self.valid if self.refits else self.train

    def final(self, spec: Spec, runtime: Runtime, progress: Progress) -> Fitted:
        """The model of a row: fitted on the training text, and where the split has two parts, anew on both."""
        if not (self.refits and _recounts(spec)):
            task = Task.of(spec, runtime, self.text, self.valid)
            model = self.fit(spec, runtime, self.text, self.valid, progress)
            return Fitted(model, self._known[task.key], self._home(task) / MODEL, None)
        before = Task.of(spec, runtime, self.train, self.valid)
        task = Task.of(spec, runtime, self.train, self.valid, self.text)
        validated = self._home(before) / VALID
        found = self._found(task, spec, runtime)
        if found is None or (of_counts(found) and not validated.exists()):
            first = self.fit(spec, runtime, self.train, self.valid, progress)
            if of_counts(first) and not validated.exists():
                write_array(validated, first.log_probs(self.valid, Silent()))
            found = self.refit(first, spec, runtime, self.text, progress)
        if before.model not in self._inside:
            shutil.rmtree(self._home(before) / MODEL, ignore_errors=True)  # nobody else will ask for it
        return Fitted(found, self._known[task.key], self._home(task) / MODEL, validated if validated.exists() else None)

    def fit(self, spec: Spec, runtime: Runtime, train: Tokens, valid: Tokens, progress: Progress) -> Model:
        def make(own: Runtime) -> Model:
            model: Model = models.make(spec, runtime=own)
            if not trains_itself(spec):
                return model.fit(train, valid, progress)
            with self.team.together(spec, own, train, valid):
                return model.fit(train, valid, progress)

        return self._once(Task.of(spec, runtime, train, valid), spec, runtime, train, make)

    def refit(self, model: Model, spec: Spec, runtime: Runtime, train: Tokens, progress: Progress) -> Model:
        if not isinstance(model, Refittable):
            return self.fit(spec, runtime, train, self.valid, progress)

        def make(_: Runtime) -> Model:
            self._meters[-1].fit.rests_on(self._known[before.key])
            model.refit(train, progress)
            return model

        before = Task.of(spec, runtime, self.train, self.valid)
        return self._once(Task.of(spec, runtime, self.train, self.valid, train), spec, runtime, train, make)

    def kept(self, model: Model) -> Path | None:
        return self._homes.get(model)

    def _home(self, task: Task) -> Path:
        return files.inside(self.folder, FITS, task.key)

    def _once(self, task: Task, spec: Spec, runtime: Runtime, train: Tokens, make: Callable[[Runtime], Model]) -> Model:
        """What `make` fits on `train`, unless that is there already."""
        with self._apart():
            model = self._found(task, spec, runtime)
            if model is None:
                model = self._made(task, spec, runtime, train, make)
            self._measure_training_loss(model, train)
        if self._meters:
            self._meters[-1].fit.rests_on(self._known[task.key])
        return model

    @contextmanager
    def _apart(self) -> Iterator[None]:
        """What happens within it is no part of the fit that is being made around it."""
        around = self._meters[-1] if self._meters else None
        if around is not None:
            around.stop()
        try:
            yield
        finally:
            if around is not None:
                around.go()

    def _found(self, task: Task, spec: Spec, runtime: Runtime) -> Model | None:
        home = self._home(task)
        if not (home / FIT).exists() or not (home / MODEL).is_dir():
            return None
        model: Model = models.load(spec.name).load(files.inside(home, MODEL), device=runtime.device)
        if isinstance(model, Situated):
            model.runtime = replace(runtime, fits=self)
        self._known[task.key] = Fit.read(home / FIT)
        self._homes[model] = home / MODEL
        return model

    def _made(self, task: Task, spec: Spec, runtime: Runtime, train: Tokens, make: Callable[[Runtime], Model]) -> Model:
        """Fitted and saved in its home, which appears only when it is whole."""
        checkpoints = files.inside(self.folder, CHECKPOINTS, task.key)
        checkpoints.mkdir(parents=True, exist_ok=True)
        own = replace(
            runtime,
            checkpoints=checkpoints,
            resume=any(checkpoints.iterdir()),
            fits=self,
            watch=self._watch(spec, runtime),
        )
        fit = Fit(task.key)
        meter = Meter(runtime.device, fit)
        self._meters.append(meter)
        meter.go()
        try:
            model = make(own)
        finally:
            meter.stop()
            self._meters.pop()
        fit.costs[task.key] = Cost(str(spec), len(train), meter.seconds)
        home = self._home(task)
        part = home.with_name(f".{home.name}.part")
        for stale in (part, home):
            shutil.rmtree(stale, ignore_errors=True)
        (part / MODEL).mkdir(parents=True)
        with naming(part):
            model.save(part / MODEL)
        content = {**fit.json(), "task": asdict(task)}
        (part / FIT).write_text(json.dumps(content, indent=2), encoding="utf-8")
        part.rename(home)
        shutil.rmtree(checkpoints, ignore_errors=True)
        self._known[task.key] = fit
        self._homes[model] = home / MODEL
        return model

    def _watch(self, spec: Spec, runtime: Runtime) -> Watch | None:
        """Who is told of each point of the curve of `spec`."""
        told = self.on_point
        if told is None:
            return None

        def watch(values: Values) -> None:
            told(CurvePoint(self.folder.name, str(spec), runtime.seed, values))

        return watch

    def _measure_training_loss(self, model: Model, train: Tokens) -> None:
        """Put what a net loses on its own training text on its card, and in its home, where that is not yet done. What
        fails here has the trained net in its home, and is tried again when the run goes on."""
        if not hasattr(model, "measure_training_loss") or "training_loss" in model.card.training:
            return
        model.measure_training_loss(train)
        path = self._homes[model] / "card.json"
        path.unlink()  # the file may have other names
        model.card.save(path)


def of_counts(model: Model) -> bool:
    """Whether it is a distribution made of counts, to which a net's loss on the validation text can be held."""
    card = model.card
    return card.distribution and card.stored_ngrams is not None and card.parameters is None and not card.adaptive


def _recounts(spec: Spec) -> bool:
    """Whether its model can keep its settings and count anew, which a net cannot."""
    return callable(getattr(models.load(spec.name), "refit", None))
