"""The group of all commands: its streams take every character, and what it says of a wrong one is visible."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from typer.core import TyperGroup

from lmbench import terminal


class Commands(TyperGroup):
    """The commands, with errors whose words, which came from the command line, are shown and never obeyed."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        terminal.prepare()
        words = kwargs.get("args") or (args[0] if args else None) or sys.argv[1:]
        unread = next((word for word in words if not _is_text(word)), None)
        if unread is not None:  # it could be put into no record
            encoding = sys.getfilesystemencoding()
            terminal.say(
                f"error: {unread} on the command line is not text in {encoding}; rename the file, or set PYTHONUTF8=1 "
                "where the locale is not that of the names",
                err=True,
            )
            raise SystemExit(2)
        return super().main(*args, **kwargs)

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        with _visible_errors():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        with _visible_errors():
            return super().invoke(ctx)


def _is_text(word: str) -> bool:
    try:
        word.encode("utf-8")
    except UnicodeEncodeError:  # bytes that the locale's encoding has no character for
        return False
    return True


@contextmanager
def _visible_errors() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if hasattr(error, "format_message") and isinstance(getattr(error, "message", None), str):
            error.message = terminal.visible(error.message)  # type: ignore[attr-defined]
        raise


def say_traceback() -> None:
    """The traceback of the exception at hand, which may quote text from outside."""
    terminal.say_lines(traceback.format_exc().rstrip(), err=True)
