"""What the shell may complete: the names of runs, and of the models in a run.

Only names that a terminal shows as they are: others come from strangers. What stands on the line already is read here,
as a line that is not finished is parsed only as far as its first option that lacks a value.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable
from pathlib import Path

from lmbench import terminal
from lmbench.errors import UsageError
from lmbench.invocation import RUNS

_SPECIAL = re.compile(r"[^\w@%+=:,./-]")


def complete_run(incomplete: str) -> list[str]:
    from lmbench.runs import names_in

    return _fitting(names_in(_out(_typed())), incomplete)


def complete_model(incomplete: str) -> list[str]:
    """The models of the run that the line names, or of the latest."""
    from lmbench.runs import LATEST, find_run, models_of, names_run

    words = _typed()
    out = _out(words)
    named = [word for word in words[2:] if not word.startswith("-") and names_run(word, out)]
    try:
        models = models_of(find_run([*named, LATEST][0], out))
    except UsageError:
        return []
    return _fitting(["best", *models], incomplete)


def complete_run_or_model(incomplete: str) -> list[str]:
    return complete_run(incomplete) + complete_model(incomplete)


def _typed() -> list[str]:
    """The words of the line, as the shell's script of typer hands them over."""
    line = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS") or ""
    try:
        return shlex.split(line)
    except ValueError:  # a quotation mark that is still open
        return line.split()


def _out(words: list[str]) -> Path:
    for at, word in enumerate(words):
        if word == "--out" and at + 1 < len(words):
            return Path(words[at + 1])
        if word.startswith("--out="):
            return Path(word.removeprefix("--out="))
    return RUNS


def _fitting(names: Iterable[str], incomplete: str) -> list[str]:
    seen = [name for name in names if name.startswith(incomplete) and terminal.visible(name) == name]
    bash = "COMP_CWORD" in os.environ and "COMP_WORDS" in os.environ  # other shells quote by themselves
    return [_SPECIAL.sub(r"\\\g<0>", name) if bash else name for name in seen]  # in quotes it would begin otherwise
