"""What this command has written so far, so that whoever stops it is told what is kept."""

from __future__ import annotations

from pathlib import Path

_NAMED = 4  # files of a folder that are named

_paths: dict[Path, None] = {}


def note(path: Path) -> None:
    """`path`, a file or a folder that is whole now, is kept whatever comes."""
    _paths[path] = None


def forget() -> None:
    """A new command begins."""
    _paths.clear()


def summary() -> str:
    """What is kept in which folder, of what is still there; `no file was written` where there is nothing."""
    folders: dict[Path, list[str]] = {}
    for path in _paths:
        if path.exists():
            folders.setdefault(path.parent, []).append(path.name)
    said = [f"kept in {folder}: {_names(names)}" for folder, names in folders.items()]
    return "; ".join(said) or "no file was written"


def _names(names: list[str]) -> str:
    rest = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
