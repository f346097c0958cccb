"""Models inside a model: made, fitted, counted anew, saved and loaded by their specs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lmbench.errors import LmbenchError
from lmbench.model import models
from lmbench.model.base import Model, Refittable
from lmbench.progress import Progress
from lmbench.runtime import Runtime
from lmbench.spec import Spec, parse
from lmbench.tokens import Tokens


def make_component(spec: Spec, name: str, runtime: Runtime) -> Model:
    """The unfitted model of `spec`; what it keeps while it fits is in the folder `name` of the runtime's own."""
    if runtime.checkpoints is not None:
        folder = runtime.checkpoints / name
        runtime = replace(runtime, checkpoints=folder, resume=folder.is_dir() and any(folder.iterdir()))
    model: Model = models.make(spec, runtime=runtime)
    return model


def fit_component(model: Model, spec: Spec, train: Tokens, valid: Tokens, progress: Progress) -> Model:
    """Fit it. Raises LmbenchError where it turns out to be no distribution: then no mixture with it is one."""
    model = model.fit(train, valid, progress)
    if not model.card.distribution:
        raise LmbenchError(f"{spec} is a score and no distribution, so that nothing can be interpolated with it")
    if model.card.own_tokens:
        raise LmbenchError(f"{spec} predicts tokens of its own, so that nothing can be interpolated with it")
    return model


def refit_component(model: Model, train: Tokens, progress: Progress) -> bool:
    """Count anew with the settings it chose, if it can; whether it could."""
    if not isinstance(model, Refittable):
        return False
    model.refit(train, progress)
    return True


def save_component(model: Model, folder: Path) -> None:
    folder.mkdir()
    model.save(folder)


def load_component(spec: str, folder: Path, device: str) -> tuple[Spec, Model]:
    parsed = parse(spec)
    model: Model = models.load(parsed.name).load(folder, device=device)
    return parsed, model
