"""A manifest: what is known of a corpus, as a TOML file in `corpora/`."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lmbench.errors import LmbenchError


class Known(BaseModel):
    """A published figure for this text: of which `model`, by whom (`source`), and by which conventions (`about`)."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    model: str
    value: float = Field(gt=0)
    unit: Literal["bits/character", "nats/character", "bits/byte"]
    source: str
    about: str


class Manifest(BaseModel):
    """`source` is any SOURCE: `hf:owner/name[:config]`, a URL, or a built-in source's SPEC.

    `joined`: the records are successive pieces of one text, not documents. `split`: the fractions
    that convention uses where the source has no splits of its own. Where they are known: `bytes`,
    about how large the text is, all parts together, and `hash`, the SHA-256 of the text, which is
    checked when it is read. `formerly`: names of corpora that are no more, whose place it has taken. `published`: what
    others have reached on it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = ""
    description: str
    language: str
    source: str
    licence: str
    split: str = Field(default="90/5/5", pattern=r"^\d+(\.\d+)?(/\d+(\.\d+)?){1,2}(:\w+)?$")
    text_field: str = "text"
    joined: bool = False
    bytes: int | None = Field(default=None, gt=0)
    hash: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    reference: str | None = None
    notes: tuple[str, ...] = ()
    formerly: tuple[str, ...] = ()
    published: tuple[Known, ...] = ()


def folder() -> Path:
    """Where the manifests are: in the installed package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "manifests"
    return installed if installed.is_dir() else package.parent / "corpora"


def names() -> list[str]:
    """Every manifest's name, in alphabetical order; reads the folder, not the files."""
    return sorted(path.stem for path in folder().glob("*.toml"))


@cache
def manifest(name: str) -> Manifest:
    """The manifest called `name`. Raises LmbenchError naming the file and the field that is wrong."""
    path = folder() / f"{name}.toml"
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        return Manifest(**{**content, "name": name})
    except tomllib.TOMLDecodeError as error:
        raise LmbenchError(f"{path}: not valid TOML ({error})") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise LmbenchError(f"{path}: {where}: {first['msg']}") from None


def corpora() -> list[Manifest]:
    """Every manifest, in alphabetical order."""
    return [manifest(name) for name in names()]
