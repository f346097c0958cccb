"""How this program was called, and commands for messages that work as typed there."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shlex
import shutil
import sys
import tomllib
from contextlib import suppress
from pathlib import Path

RUNS = Path("results")  # the folder of runs where no --out names another


def command(*words: str | Path, out: Path | None = None) -> str:
    """`lmbench WORDS`, in the way in which this process was called; `out` adds --out where it is not the usual folder.

    A Path never begins with a dash: `./-name.txt` is the same file, and no option.

    >>> command("report", Path("-a b"))
    "lmbench report './-a b'"
    """
    folder: list[str | Path] = [] if out is None or out == RUNS else ["--out", out]
    return shlex.join([*program(), *(typed(word) for word in (*words, *folder))])


def typed(word: str | Path) -> str:
    """A word of a command line as it can be typed, but for the quotes of the shell."""
    return f"./{word}" if isinstance(word, Path) and str(word).startswith("-") else str(word)


def program() -> list[str]:
    """What starts this program: `lmbench` where that is found on the PATH, else the words that did start it."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py" and called.parent.name == "lmbench":
        return [python(), "-m", "lmbench"]
    found = shutil.which("lmbench")
    if called.name == "lmbench" and os.sep in sys.argv[0] and (found is None or not _same(found, sys.argv[0])):
        return [sys.argv[0]]
    return ["lmbench"]


def python() -> str:
    """What starts the Python that runs: a name where the PATH has it under that name, else its path."""
    names = ("python", "python3")
    return next((name for name in names if (found := shutil.which(name)) and _same(found, sys.executable)), _here())


def _here() -> str:
    path = Path(sys.executable)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _same(first: str, second: str) -> bool:
    """Whether two programs are one: of links to one Python in two environments each is another."""
    return os.path.abspath(first) == os.path.abspath(second)  # noqa: PTH100  the links are not to be followed


def install(*packages: str) -> str:
    """A command that installs `packages` into this environment, as an extra of lmbench wants them.

    It names the packages, not lmbench: the index that pip asks need not have lmbench, which may be a wheel that was
    built here, or a checkout that was never installed.
    """
    wanted = shlex.join(requirement(package) for package in packages)
    if importlib.util.find_spec("pip") is None and shutil.which("uv"):
        return f"uv pip install --python {shlex.quote(_here())} {wanted}"
    return f"{shlex.quote(python())} -m pip install {wanted}"


def requirement(package: str) -> str:
    """`pyppmd>=1.1` for `pyppmd`: as the pyproject.toml of the checkout has it, or the installed package; else the
    bare name."""
    project = Path(__file__).parents[1] / "pyproject.toml"
    found: list[str] = []
    if project.is_file():
        content = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
        found = sum(content["optional-dependencies"].values(), content["dependencies"])
    else:
        with suppress(importlib.metadata.PackageNotFoundError):
            found = [each.split(";")[0].strip() for each in importlib.metadata.requires("lmbench") or []]
    return next((each for each in found if re.split(r"[^\w.-]", each)[0].lower() == package.lower()), package)
