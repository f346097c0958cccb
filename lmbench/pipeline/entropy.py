"""The panel of `lmbench entropy`: every estimator on one text, and a run's models on the same axis."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from lmbench import store
from lmbench.entropy import estimators
from lmbench.errors import LmbenchError, UsageError
from lmbench.invocation import install
from lmbench.pipeline.estimates import estimates_of, truth_of
from lmbench.pipeline.job import Job, Plan, card_of
from lmbench.pipeline.opened import demand_plan
from lmbench.pipeline.prequential import coded
from lmbench.pipeline.sweep import SWEEP
from lmbench.pipeline.work import Interrupted, ready
from lmbench.progress import Progress, Silent
from lmbench.record import Entropy, Failure, Record, comparable, finite
from lmbench.report.page import write_page
from lmbench.report.published import SHARE
from lmbench.report.section.notes import failures_of
from lmbench.spec import Spec, parse

PANEL = "entropy.json"

Unit = Literal["byte", "char", "token", "word"]
OnEstimate = Callable[[Entropy | Failure], None]


@dataclass(frozen=True)
class Panel:
    """Where the panel lies, and what it says: a Record whose rows are the run's models, where one was given."""

    folder: Path
    record: Record


def panel_specs(chosen: Sequence[Spec | str], unit: Unit | None) -> list[Spec]:
    """The estimators to run: those chosen, or every one that there is; `unit` for each that has a choice and made none.

    Raises UsageError for a SPEC that names no estimator, and where none of the chosen has that unit.
    """
    specs = [parse(spec) if isinstance(spec, str) else spec for spec in chosen or _default()]
    if unit is None:
        return [spec for spec in specs if estimators.check(spec)]
    found = [_in_unit(spec, unit) for spec in specs]
    if not any("unit" in estimators.check(spec)[1] for spec in found):
        raise UsageError(f"--unit {unit}: none of the estimators has a choice of unit: {', '.join(map(str, specs))}")
    return found


def _default() -> list[Spec]:
    """Every estimator there is, the compressors once more after the training text, as the models are."""
    found = [Spec("match_length", {"average": Spec("slope")})]
    for plugin in estimators:
        code = next((option for option in plugin.options if option.name == "code"), None)
        found.append(Spec(plugin.name))
        if code is not None and code.default == "alone" and "'primed'" in code.annotation:
            found.append(Spec(plugin.name, {"code": Spec("primed")}))
    return found


def _in_unit(spec: Spec, unit: Unit) -> Spec:
    plugin, options = estimators.check(spec)
    has = next((option for option in plugin.options if option.name == "unit"), None)
    if has is None or "unit" in options or f"'{unit}'" not in has.annotation:
        return spec
    return replace(spec, options={**spec.options, "unit": Spec(unit)})


def entropy_panel(
    plan: Plan,
    run: Path | None = None,
    progress: Progress | None = None,
    on_estimate: OnEstimate | None = None,
    command: str | None = None,
) -> Panel:
    """Run the estimators of `plan` and write entropy.json, entropy.html and its figures.

    With `run`, a run's folder, the text, split and tokenizer are that run's, its models stand beside the
    estimates, and the files go into its folder; without, into OUT/<date>-<corpus>-<hash>/. An estimator that cannot do
    its work is put down under `failures`. Raises LmbenchError for a text or a spec that cannot be used, where the
    run's text is no longer what it was, and where not one estimator could do its work; Interrupted on Ctrl-C, what was
    estimated until then being written, where it does not take the place of a whole panel of `run`.
    """
    progress = progress or Silent()
    beside = store.read_record(run) if run is not None else None
    if run is not None and beside is not None:
        demand_plan(run, beside)
        plan = replace(Plan.of(beside.plan), estimators=plan.estimators, device="cpu")
    bare = replace(plan, models=(), match=None, shuffle_labels=False)
    usable, refused = _usable(bare)
    job = ready(usable, progress)
    card = card_of(job, command)
    if run is not None and beside is not None:
        changed = [mismatch.line for mismatch in comparable(beside.card, card)]
        if changed:
            raise LmbenchError(f"{run}: {', '.join(changed)} changed since the run; run it again")
        facts = beside.card.corpus_card | {SHARE: card.corpus_card[SHARE]}
        card = beside.card.model_copy(update={"command": command, "corpus_card": facts})
    known = [*truth_of(job.corpus), *(_of_models(beside) if beside else [])]
    before = len(known) + len(refused)
    record = Record(
        status="complete",
        plan=finite(bare.anchored().as_json()),
        card=card,
        rows=beside.rows if beside else [],
        entropy=known,
        failures=refused,
        shannon=beside.shannon if beside else [],
    )
    record = _estimated(job, record, progress, on_estimate)
    done = len(record.entropy) + len(record.failures) - before
    if record.status == "interrupted" and (not done or (run is not None and (run / PANEL).exists())):
        raise Interrupted
    if not record.entropy:
        raise LmbenchError("; ".join(failures_of(record.failures)))
    content = json.dumps([bare.as_json(), card.train.hash, card.test.hash])
    folder = run or store.create_folder(
        Path(plan.out), store.now().date().isoformat(), f"{job.corpus.name}-entropy", content
    )
    with store.removed_if_empty(folder), store.atomic(folder / PANEL) as handle:
        content = json.dumps(record.model_dump(mode="json"), indent=2, ensure_ascii=False, allow_nan=False)
        handle.write((content + "\n").encode())
    write_page(folder, record, "entropy")
    if record.status == "interrupted":
        raise Interrupted(f"interrupted; what had been estimated is kept in {folder} ({PANEL}, entropy.html)")
    return Panel(folder, record)


def _usable(plan: Plan) -> tuple[Plan, list[Failure]]:
    """The plan without the estimators whose package is not installed, and a line on each of those."""
    specs, refused = plan.specs()[2], []
    for spec in list(specs):
        missing = [name for name in estimators.describe(spec.name).requires if find_spec(name) is None]
        if missing:
            specs.remove(spec)
            message = f"needs the package {', '.join(missing)}: {install(*missing)}"
            refused.append(Failure(spec=str(spec), message=message))
    if not specs:
        raise UsageError("; ".join(f"estimator '{failure.spec}' {failure.message}" for failure in refused))
    return replace(plan, estimators=specs), refused


def _of_models(run: Record) -> list[Entropy]:
    """What a run found of its models that is no row: code lengths, and the limits of sweeps."""
    return [*coded(run), *(entropy for entropy in run.entropy if entropy.curve.get("of") == SWEEP)]


def _estimated(job: Job, record: Record, progress: Progress, on_estimate: OnEstimate | None) -> Record:
    found, failures, status = list(record.entropy), list(record.failures), record.status
    with progress.task("estimating", len(job.estimators)) as whole:
        for spec in job.estimators:
            whole.show(str(spec))
            started = time.perf_counter()
            items: list[Entropy | Failure]
            try:
                items = [*estimates_of(job, spec, progress)]
            except LmbenchError as error:
                items = [Failure(spec=str(spec), message=str(error))]
            except KeyboardInterrupt:
                status = "interrupted"
                break
            for item in items:
                (found if isinstance(item, Entropy) else failures).append(item)  # type: ignore[arg-type]
                if on_estimate:
                    on_estimate(item)
            whole.show(f"{spec}: {time.perf_counter() - started:.1f} s")
            whole.advance()
    return record.model_copy(update={"entropy": found, "failures": failures, "status": status})
