"""Do a plan, row by row, so that nothing done is ever lost."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from lmbench import invocation, machine, store
from lmbench.corpus.agreed import agree
from lmbench.disk import naming
from lmbench.errors import LmbenchError
from lmbench.pipeline.comparison import trainings_of
from lmbench.pipeline.drift import with_drift
from lmbench.pipeline.estimates import estimates_of, truth_of
from lmbench.pipeline.fits import CHECKPOINTS, FITS, OnPoint, RunFits
from lmbench.pipeline.job import Job, Plan, card_of, prepare
from lmbench.pipeline.leaks import leaks_of
from lmbench.pipeline.opened import PLAN, Run, demand_plan
from lmbench.pipeline.pages import run_page
from lmbench.pipeline.passing import with_passes
from lmbench.pipeline.prequential import code_length_of, coded, coded_models
from lmbench.pipeline.proof import with_proof
from lmbench.pipeline.rows import row_of
from lmbench.pipeline.sharing import with_shared
from lmbench.pipeline.sweep import size_sweeps
from lmbench.pipeline.team import ALONE, Team, leading
from lmbench.pipeline.where import with_where
from lmbench.progress import Progress, Silent
from lmbench.record import Behind, Entropy, Failure, Record, Row, comparable, finite
from lmbench.score.paired import by_token
from lmbench.spec import Spec


class Interrupted(KeyboardInterrupt):
    """Ctrl-C in the middle of a run; `str()` says what is kept, and how to go on."""


OnRow = Callable[[Row | Entropy | Failure], None]


@dataclass(frozen=True)
class _Told:
    """Who is told of what is done."""

    on_row: OnRow | None
    on_point: OnPoint | None


def run(
    plan: Plan,
    progress: Progress | None = None,
    on_row: OnRow | None = None,
    command: str | None = None,
    on_point: OnPoint | None = None,
) -> Run:
    """Do what `plan` says and write OUT/<date>-<corpus>-<hash>/.

    `on_row` is called with every finished row, `on_point` with each point of a net's learning curve while it trains;
    `command` is kept in the record. A model or
    estimator that cannot do its work is put down under `failures` and the rest goes on.
    Raises LmbenchError for a text, a spec or a machine that cannot be used; Interrupted on Ctrl-C.
    """
    with leading() as team:
        return _run(plan, progress or Silent(), _Told(on_row, on_point), command, team)


def _run(plan: Plan, progress: Progress, told: _Told, command: str | None, team: Team) -> Run:
    job = ready(plan, progress, team)
    card = card_of(job, command)
    content = json.dumps([plan.as_json(), card.train.hash, card.valid.hash, card.test.hash])
    started = store.now()
    folder = store.create_folder(Path(plan.out), started.date().isoformat(), job.corpus.name, content)
    try:
        for name in ("tokenizer", "test", "models"):
            (folder / name).mkdir()
        with naming(folder):
            job.tokenizer.save(folder / "tokenizer")
            job.test.save(folder / "test")
        card = card.model_copy(update={"files": store.hashes_of(folder, "tokenizer", "test")})
        record = Record(
            status="interrupted",
            plan=finite(plan.anchored().as_json()),
            card=card,
            rows=[],
            entropy=[],
            failures=[],
        )
        store.write_record(folder, record)
        agree(PLAN, record.plan)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)  # nobody has been told of it: leave nothing behind
        raise
    return _work(job, Run(folder, record), progress, told)


def ready(plan: Plan, progress: Progress, team: Team = ALONE) -> Job:
    """The job of `plan`, with what its training text holds of the text held out, which is said where it matters."""
    job = replace(prepare(plan, progress), team=team)
    if plan.protocol == "prequential":  # what comes later is meant to be known from before
        return job
    return replace(job, leaks=leaks_of(job.splits, job.test, job.repeats, progress))


def resume(
    folder: Path,
    progress: Progress | None = None,
    on_row: OnRow | None = None,
    device: str | None = None,
    on_point: OnPoint | None = None,
) -> Run:
    """Go on with an interrupted run: finished rows stay, what is missing is done, what failed is tried again.

    Its plan says which texts to read and what to fit: one that was not made on this machine is followed only once the
    user has agreed to it (`lmbench trust`). Raises LmbenchError where that is not so, and where the text or the
    tokenizer gives other tokens than it did then.
    """
    with leading() as team:
        return _resume(folder, progress or Silent(), _Told(on_row, on_point), device, team)


def _resume(folder: Path, progress: Progress, told: _Told, device: str | None, team: Team) -> Run:
    record = store.read_record(folder)
    if record.status == "complete" and not record.failures:
        return Run(folder, record)
    demand_plan(folder, record)
    plan = Plan.of(record.plan)
    job = ready(replace(plan, device=device or record.card.device), progress, team)
    now, then = card_of(job, None), record.card
    changed = [mismatch.line for mismatch in comparable(then, now)]
    if changed or now.test.tokens_hash != then.test.tokens_hash:
        what = ", ".join(changed) or "test tokens"
        raise LmbenchError(f"{folder} cannot go on: {what} changed since it began; run again into a new folder")
    record = record.model_copy(update={"failures": [], "status": "interrupted"})
    return _work(job, Run(folder, record), progress, told)


def _work(job: Job, run: Run, progress: Progress, told: _Told) -> Run:
    folder, record = run.folder, run.record
    done = {row.model for row in record.rows} | coded_models(record)
    missing = [spec for spec in job.models if str(spec) not in done]
    fits = RunFits(folder, job.train, job.valid, job.splits.refit, job.models, job.team, told.on_point)
    try:
        with progress.task("run", len(missing) + len(job.estimators)) as whole:
            for spec in missing:
                whole.show(str(spec))
                record = _with(
                    record, _outcome(spec, _turn(job, fits, spec, progress, record.rows)), folder, told.on_row
                )
                whole.advance()
            record = record.model_copy(update={"entropy": [*coded(record), *truth_of(job.corpus)]})
            for spec in job.estimators:
                whole.show(str(spec))
                record = _with(record, _outcome(spec, partial(estimates_of, job, spec, progress)), folder, told.on_row)
                whole.advance()
        for found in size_sweeps(record):
            record = _with(record, [found] if isinstance(found, Entropy) else found, folder, told.on_row)
        record = with_shared(with_passes(with_where(job, _compared(job, record, folder), folder), job.valid, folder))
        record = record.model_copy(update={"status": "complete"})
        store.write_record(folder, record)
        if not record.failures:  # what was learnt before a failure is gone on with
            for name in (CHECKPOINTS, FITS):
                shutil.rmtree(folder / name, ignore_errors=True)
        run_page(folder)
    except KeyboardInterrupt as stop:
        raise Interrupted(f"interrupted; {_kept(job, record, folder)}") from stop
    except Exception as error:
        if not isinstance(error, OSError) and not machine.disk_full(error):
            raise
        raise LmbenchError(f"{machine.reason(error)}; {_kept(job, record, folder)}") from error
    return Run(folder, record)


def _turn(
    job: Job, fits: RunFits, spec: Spec, progress: Progress, rows: list[Row]
) -> Callable[[], Row | list[Entropy]]:
    """What a model does under the run's protocol."""
    if job.plan.protocol == "prequential":
        return partial(code_length_of, job, spec, progress)
    return partial(_row, job, fits, spec, progress, rows)


def _row(job: Job, fits: RunFits, spec: Spec, progress: Progress, rows: list[Row]) -> Row:
    row = row_of(job, fits, spec, progress, rows)
    if job.plan.drift:
        row = with_drift(fits.folder, row, job.test, job.device, job.plan.seed, progress)
    return with_proof(fits.folder, row, job.test, progress) if job.plan.verify else row


def _kept(job: Job, record: Record, folder: Path) -> str:
    count = f"{len(record.rows) + len(coded_models(record))} of {len(job.models)} models"
    if record.status == "complete":
        return f"all of it is kept in {folder}; show it with: {invocation.command('report', folder)}"
    return f"{count} are kept in {folder}; go on with: {invocation.command('run', '--resume', folder)}"


def _with(record: Record, outcome: Row | list[Entropy] | Failure, folder: Path, on_row: OnRow | None) -> Record:
    """The record with what one spec came to, written."""
    items = outcome if isinstance(outcome, list) else [outcome]
    for item in items:
        if isinstance(item, Row):
            item = item.model_copy(update={"files": store.hashes_of(store.folder_of(folder, item))})
        name = "rows" if isinstance(item, Row) else "entropy" if isinstance(item, Entropy) else "failures"
        record = record.model_copy(update={name: [*getattr(record, name), item]})
        if on_row:
            on_row(item)
    store.write_record(folder, record)
    return record


def _outcome(spec: Spec, work: Callable[[], Row | list[Entropy]]) -> Row | list[Entropy] | Failure:
    try:
        return work()
    except LmbenchError as error:
        return Failure(spec=str(spec), message=str(error))
    except (MemoryError, RuntimeError) as error:
        if not machine.out_of_memory(error):
            raise
        return Failure(spec=str(spec), message=f"{spec} does not fit in memory; make it smaller, or give it less text")


def _compared(job: Job, record: Record, folder: Path) -> Record:
    """Each row with its paired difference to the best one."""
    rows = [row for row in record.rows if row.nats_per_token is not None and not row.control]
    if len(rows) < 2:
        return record
    best = min(rows, key=lambda row: row.nats_per_token or 0.0)
    sums = {
        row.model: replace(one, trainings=trainings_of(row, "token"))
        for row, one in zip(rows, by_token([store.read_log_probs(folder, row) for row in rows], job.test), strict=True)
    }
    behind: dict[str, Behind] = {}
    for row in rows:
        if row is not best:
            found = sums[row.model].minus(sums[best.model])
            behind[row.model] = Behind(best=best.model, nats_per_token=found.value, ci95=found.interval)
    return record.model_copy(
        update={"rows": [row.model_copy(update={"behind": behind.get(row.model)}) for row in record.rows]}
    )
