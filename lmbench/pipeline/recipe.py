"""A recipe: a published result as data, with what has to be run to get it, in a TOML file of `recipes/`."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lmbench.errors import LmbenchError, UsageError

REFERENCE = Path("results") / "reference"


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Expected(_Data):
    """One figure of a recipe.

    `figure`: a field of the row of `model`, or with a `protocol` (a SPEC) the figure that it names. `value` None: that
    of the recipe's `figures_of`, for the text at hand. It passes within `tolerance`; where `at_most`, below it too.
    `source`: who has published it; `conventions`: what it is.
    """

    model: str
    figure: str
    tolerance: float = Field(ge=0)
    source: str
    conventions: str
    value: float | None = None
    protocol: str | None = None
    at_most: bool = False


class Recipe(_Data):
    """`source`: a corpus; None where there is none to fetch, and the user has to give the `data`, which is described
    so. `files`: in a folder of the user's, the names of `source`, `valid` and `test`. `test_tokens`: how many the test
    text must have to be the published one. `seconds`: about what it takes, on two cores or one recent GPU.
    `figures_of`: a file of results/reference with figures of our own.
    """

    name: str
    description: str
    tokenizer: str
    models: tuple[str, ...]
    figures: tuple[Expected, ...]
    seconds: float
    source: str | None = None
    data: str = ""
    files: dict[Literal["source", "valid", "test"], str] = {}
    split: str | None = None
    lines: bool = False
    device: Literal["any", "cuda"] = "any"
    test_tokens: int | None = None
    figures_of: str | None = None


def _folder(name: str, beside: Path) -> Path:
    """Where data of the program is: in the installed package, or in a checkout `beside` it."""
    package = Path(__file__).parents[1]
    installed = package / name
    return installed if installed.is_dir() else package.parent / beside


def names() -> list[str]:
    """All recipes, in alphabetical order."""
    return sorted(path.stem for path in _folder("recipes", Path("recipes")).glob("*.toml"))


def recipe(name: str) -> Recipe:
    """The recipe called `name`. Raises UsageError where there is none, LmbenchError where its file is wrong."""
    if name not in names():
        raise UsageError(f"there is no recipe {name!r} (choose from {', '.join(names())})")
    path = _folder("recipes", Path("recipes")) / f"{name}.toml"
    try:
        return Recipe(**{**tomllib.loads(path.read_text(encoding="utf-8")), "name": name})
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else None
        said = f"{'.'.join(map(str, first['loc']))}: {first['msg']}" if first else str(error)
        raise LmbenchError(f"{path}: {said}") from None


def recorded(name: str) -> dict[str, Any]:
    """{hash of the test text: what was measured on it} of a file of `figures_of`; {} where it is not there."""
    path = _folder("reference", REFERENCE) / name
    if not path.is_file():
        return {}
    content = json.loads(path.read_text(encoding="utf-8"))
    texts: dict[str, Any] = content.get("texts", {})
    return texts
