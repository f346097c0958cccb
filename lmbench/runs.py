"""The runs in a folder, found by what a person calls them; without opening anything but `record.json`.

A run is called by the path of its folder, by the folder's name or a part of it that no other has, by the word that
`lmbench run --name WORD` gave it, and the newest one `latest`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lmbench import terminal
from lmbench.errors import UsageError
from lmbench.invocation import command

RECORD = "record.json"
LATEST = "latest"
LONGEST_RECORD = 1 << 26  # bytes
_TAKEN = (LATEST, "best", "all", "-")
_WORD = re.compile(r"\w[\w.-]{0,59}")


def check_word(word: str) -> None:
    """Raise UsageError where a run cannot be called `word`."""
    if not _WORD.fullmatch(word) or word in _TAKEN:
        raise UsageError(
            f"--name {word!r}: a run is called by one word of at most 60 letters, digits, '.', '-' and '_', and not by "
            + " or ".join(_TAKEN[:3])
        )


def runs_in(out: Path) -> list[Path]:
    """The folders of the runs under `out`, the oldest first."""
    found = [(path.stat().st_mtime_ns, path.parent) for path in out.glob(f"*/{RECORD}") if path.is_file()]
    return [folder for _, folder in sorted(found)]


def outline(run: Path) -> dict[str, Any]:
    """What record.json says, unchecked, and so not to be believed; {} where it cannot be read."""
    path = run / RECORD
    try:
        if path.is_file() and path.stat().st_size <= LONGEST_RECORD:
            content = json.loads(path.read_bytes())
            return content if isinstance(content, dict) else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return {}


def word_of(run: Path) -> str | None:
    """What `--name` called it."""
    card = outline(run).get("card")
    word = card.get("name") if isinstance(card, dict) else None
    return word if isinstance(word, str) and _WORD.fullmatch(word) else None


def _called(word: str, out: Path) -> list[Path]:
    """The runs that `--name` called so, the oldest first."""
    if not _WORD.fullmatch(word):
        return []
    mark = json.dumps(word, ensure_ascii=False).encode()
    return [run for run in runs_in(out) if _holds(run / RECORD, mark) and word_of(run) == word]


def _holds(path: Path, mark: bytes) -> bool:
    """Whether the bytes occur in a file, which is quicker to see than what they mean there."""
    try:
        return path.stat().st_size <= LONGEST_RECORD and mark in path.read_bytes()
    except OSError:
        return False


def names_run(name: str, out: Path) -> bool:
    """Whether `name` is the whole name of a run, and not a part of one: `latest`, its folder, that under `out`, or the
    word that it was called by."""
    try:
        if name == LATEST or any((folder / RECORD).is_file() for folder in (Path(name), out / name)):
            return True
    except OSError:  # too long for a name
        return False
    return bool(_called(name, out))


def find_run(name: str, out: Path) -> Path:
    """The folder of the run called `name`: a path, `latest`, the word that it was called by, or a unique part of a
    folder's name under `out`.

    Of several runs of one word it is the newest, which is said on standard error. Raises UsageError that lists what
    there is.
    """
    given = Path(name)
    if given.name == RECORD and given.is_file():
        return given.parent
    if (given / RECORD).is_file():
        return given
    found = runs_in(out)
    if name == LATEST and found:
        return found[-1]
    runs = [run for run in found if run.name == name]
    called = [] if runs else _called(name, out)
    if len(called) > 1:
        terminal.say(f"note: {len(called)} runs are called {name!r}; this is the newest, {called[-1]}", err=True)
    runs = runs or called[-1:] or [run for run in found if name in run.name]
    if len(runs) == 1:
        return runs[0]
    if not found:
        raise UsageError(f"there is no run {name!r}: {out} holds none; make one with: {command('run', out=out)}")
    shown = ", ".join(run.name for run in (runs or found)[-8:])
    problem = f"{name!r} fits {len(runs)} runs" if runs else f"there is no run {name!r} in {out}"
    raise UsageError(f"{problem}; choose one of: {shown} (or `{LATEST}`)")


def names_in(out: Path) -> Iterator[str]:
    """All that runs under `out` can be called by, the newest first."""
    found = runs_in(out)[::-1]
    if found:
        yield LATEST
    yield from dict.fromkeys(word for run in found if (word := word_of(run)))
    yield from (run.name for run in found)


def models_of(run: Path) -> list[str]:
    """The models of a run."""
    rows = outline(run).get("rows")
    specs = [row.get("model") for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return [spec for spec in specs if isinstance(spec, str)]
