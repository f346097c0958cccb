"""Models inside a model: made, fitted, fitted anew, saved and loaded by their specs.

In a run they come from the run's fits (`Runtime.fits`), so that what a row and a model inside another row have in
common is fitted once; elsewhere they are fitted here.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from lmbench.errors import LmbenchError
from lmbench.files import inside
from lmbench.model import models
from lmbench.model.base import Fits, Model, Refittable
from lmbench.progress import Progress
from lmbench.runtime import Runtime
from lmbench.smoothing import smoothings
from lmbench.spec import Spec, Value, parse
from lmbench.tokens import Tokens


def make_component(spec: Spec, name: str, runtime: Runtime) -> Model:
    """The unfitted model of `spec`; what it keeps while it fits is in the folder `name` of the runtime's own."""
    if runtime.checkpoints is not None:
        folder = runtime.checkpoints / name
        runtime = replace(runtime, checkpoints=folder, resume=folder.is_dir() and any(folder.iterdir()))
    model: Model = models.make(spec, runtime=runtime)
    return model


def fit_component(
    model: Model, spec: Spec, runtime: Runtime, train: Tokens, valid: Tokens, progress: Progress
) -> Model:
    """Fit it. Raises LmbenchError where it turns out to be no distribution: then no mixture with it is one."""
    fits: Fits | None = runtime.fits
    model = model.fit(train, valid, progress) if fits is None else fits.fit(spec, runtime, train, valid, progress)
    if not model.card.distribution:
        raise LmbenchError(f"{spec} is a score and no distribution, so that nothing can be interpolated with it")
    if model.card.own_tokens:
        raise LmbenchError(f"{spec} predicts tokens of its own, so that nothing can be interpolated with it")
    return model


def refit_component(model: Model, spec: Spec, runtime: Runtime, train: Tokens, progress: Progress) -> Model | None:
    """It on more text, with the settings it chose: counted anew, or in a run trained from the beginning; None where
    neither is possible."""
    fits: Fits | None = runtime.fits
    if fits is not None:
        return fits.refit(model, spec, runtime, train, progress)
    if not isinstance(model, Refittable):
        return None
    model.refit(train, progress)
    return model


def save_component(model: Model, folder: Path, runtime: Runtime) -> None:
    """Write it to the new folder; the files of one that the run has kept are linked, not written again."""
    fits: Fits | None = runtime.fits
    kept = fits.kept(model) if fits is not None else None
    if kept is not None:
        link_folder(kept, folder)
        return
    folder.mkdir()
    model.save(folder)


def load_component(spec: str, folder: Path, name: str, device: str) -> tuple[Spec, Model]:
    """The model that was saved as FOLDER/NAME."""
    parsed = parse(spec)
    model: Model = models.load(parsed.name).load(inside(folder, name), device=device)
    return parsed, model


def link_folder(source: Path, target: Path) -> None:
    """The new folder `target` with the files of `source`: other names of the same bytes, or copies where the file
    system has no links. Either folder may be removed without the other's losing anything."""
    shutil.copytree(source, target, copy_function=_linked)


def _linked(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def filled(spec: Spec) -> Spec:
    """`spec` with the defaults of every option filled in, those of the models and smoothings inside it too."""
    return _nested(models.filled(spec))


def _nested(spec: Spec) -> Spec:
    return Spec(spec.name, {key: _filled_value(value) for key, value in spec.options.items()})


def _filled_value(value: Value) -> Value:
    if isinstance(value, list):
        return [_filled_value(item) for item in value]
    if isinstance(value, Spec):
        registry = next((each for each in (models, smoothings) if value.name in each.names), None)
        return value if registry is None else _nested(registry.filled(value))
    return value


def components_of(spec: Spec) -> Iterator[Spec]:
    """The specs of models among the options of `spec`, its defaults too, and among theirs."""
    yield from _models_in(list(models.filled(spec).options.values()))


def _models_in(value: Value) -> Iterator[Spec]:
    if isinstance(value, list):
        for item in value:
            yield from _models_in(item)
    if isinstance(value, Spec) and value.name in models.names:
        yield value
        yield from components_of(value)
