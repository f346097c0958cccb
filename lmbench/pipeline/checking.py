"""Is my loss right? A recipe run here, and its figures held against the published ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lmbench import machine, store
from lmbench.errors import LmbenchError, UsageError
from lmbench.invocation import command
from lmbench.pipeline.exporting import texts_of
from lmbench.pipeline.job import Plan
from lmbench.pipeline.opened import Run, load_model, scored_tokens_of
from lmbench.pipeline.recipe import Expected, Recipe, recorded
from lmbench.pipeline.work import run
from lmbench.progress import Progress
from lmbench.record import Row
from lmbench.score.protocol import protocols
from lmbench.score.protocol.base import Measure, Measured
from lmbench.spec import parse

Verdict = Literal["pass", "fail", "no figure"]


@dataclass(frozen=True)
class Checked:
    """`here`: what the figure is on this machine; `published` None where there is none for this text."""

    expected: Expected
    published: float | None
    here: float
    verdict: Verdict


def plan_of(recipe: Recipe, data: Path | None, out: Path, device: str) -> Plan:
    """What has to be run. Raises UsageError where data is wanted and was not given, or is not there, or a GPU is
    wanted and there is none."""
    device = machine.resolve_device(device)
    if recipe.device == "cuda" and device != "cuda":
        raise UsageError(
            f"{recipe.name} is for a GPU, and torch sees none here; {command('check', '--list')} has others"
        )
    parts = _parts(recipe, data)
    return Plan(
        source=parts["source"], valid=parts.get("valid"), test=parts.get("test"), split=recipe.split,
        lines=recipe.lines, tokenizer=recipe.tokenizer, models=recipe.models, estimators=(), device=device, out=out,
    )  # fmt: skip


def _parts(recipe: Recipe, data: Path | None) -> dict[str, str]:
    """Where the texts are."""
    if data is None:
        if recipe.source is None:
            raise UsageError(f"{recipe.name} needs {recipe.data}: give --data PATH")
        return {"source": recipe.source}
    if not data.exists():
        raise UsageError(f"--data {data}: there is no such file or folder; {recipe.name} needs {recipe.data}")
    if not recipe.files:
        return {"source": str(data)}
    if data.is_file():
        if len(set(recipe.files.values())) > 1:
            raise UsageError(f"--data {data}: {recipe.name} needs {recipe.data}")
        return dict.fromkeys(recipe.files, str(data))
    found: dict[str, str] = {part: str(data / name) for part, name in recipe.files.items()}
    missing = [path for path in found.values() if not Path(path).is_file()]
    if missing:
        raise UsageError(f"{missing[0]} is missing; {recipe.name} needs {recipe.data}")
    return found


def check(recipe: Recipe, plan: Plan, progress: Progress) -> tuple[Run, list[Checked]]:
    """Run it, and hold each of its figures against the published one.

    Raises LmbenchError where a model could not be fitted, or the text is another one than the published.
    """
    done = run(plan, progress, command=command("check", recipe.name))
    if done.record.failures:
        raise LmbenchError("; ".join(f"{each.spec}: {each.message}" for each in done.record.failures))
    tokens = done.record.card.test.tokens
    if recipe.test_tokens is not None and tokens != recipe.test_tokens:
        raise LmbenchError(
            f"{recipe.name}: the test text has {tokens:,} tokens and the published one {recipe.test_tokens:,}: it is "
            f"another text; wanted is {recipe.data}"
        )
    known = recorded(recipe.figures_of) if recipe.figures_of else {}
    figures = known.get(done.record.card.test.hash, {}).get("figures", [])
    return done, [_checked(done, expected, figures, progress) for expected in recipe.figures]


def _checked(done: Run, expected: Expected, figures: Sequence[dict[str, Any]], progress: Progress) -> Checked:
    here = _here(done, expected, progress)
    wanted = (str(parse(expected.model)), expected.figure)
    of_ours = [each["value"] for each in figures if (each["model"], each["figure"]) == wanted]
    published = expected.value if expected.value is not None else next(iter(of_ours), None)
    if published is None:
        return Checked(expected, None, here, "no figure")
    off = here - published if expected.at_most else abs(here - published)
    return Checked(expected, published, here, "pass" if off <= expected.tolerance else "fail")


def _here(done: Run, expected: Expected, progress: Progress) -> float:
    """The figure on this machine."""
    row = store.find_row(done.record, expected.model)
    if expected.protocol is None:
        value = getattr(row, expected.figure)
        if not isinstance(value, int | float):
            raise LmbenchError(f"{row.model} has no {expected.figure}")
        return float(value)
    measure: Measure = protocols.make(expected.protocol)
    found = measure.measure(_measured(done, row), progress)
    return next(each.value for each in found.figures if each.name == expected.figure)


def _measured(done: Run, row: Row) -> Measured:
    """A row on the test text of its run."""
    tokens = scored_tokens_of(done.folder, done.record.card)
    model = load_model(done.folder, row, row.device)
    texts = texts_of(tokens) if tokens.lossless else None
    return Measured(row.model, model, tokens, store.read_log_probs(done.folder, row), texts)


def write_recorded(path: Path, recipe: Recipe, done: Run, found: Sequence[Checked]) -> None:
    """Put what was measured on this text into the file of `figures_of`, beside what is there of other texts."""
    card = done.record.card
    content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    texts = content.get("texts", {})
    texts[card.test.hash] = {
        "machine": card.machine, "versions": card.versions, "commit": card.commit, "test_tokens": card.test.tokens,
        "figures": [
            {"model": str(parse(each.expected.model)), "figure": each.expected.figure, "value": each.here}
            for each in found
        ],
    }  # fmt: skip
    with store.atomic(path) as file:
        file.write((json.dumps({"recipe": recipe.name, "texts": texts}, indent=2) + "\n").encode())
