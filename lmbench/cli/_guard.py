"""What the user may do something about becomes one line on standard error; the rest stays a traceback."""

from __future__ import annotations

import functools
import inspect
import traceback
from collections.abc import Callable
from typing import Annotated, Any

import typer

from lmbench import terminal, written
from lmbench.errors import LmbenchError

_DEBUG = inspect.Parameter(
    "debug",
    inspect.Parameter.KEYWORD_ONLY,
    default=False,
    annotation=Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")],
)


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """`command` with an option --debug, and its errors in one line: exit code 1, or 2 where the command is wrong."""

    @functools.wraps(command)
    def wrapper(*args: Any, debug: bool, **kwargs: Any) -> None:
        written.forget()
        try:
            command(*args, **kwargs)
            terminal.show("")
        except BrokenPipeError as error:  # the reader, `head` for instance, has seen enough
            terminal.abandon()
            raise typer.Exit(1) from error
        except (Exception, KeyboardInterrupt) as error:
            line = explain(error)
            if debug or line is None:
                raise
            raise stopped(error, line) from error

    signature = inspect.signature(command, eval_str=True)
    wrapper.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*signature.parameters.values(), _DEBUG]
    )
    return wrapper


def stopped(error: BaseException, line: str | None = None) -> typer.Exit:
    """Say `error`, or `line` in its place, on standard error; with what it returns the program ends."""
    terminal.say(f"error: {line or error}", err=True)
    for below in error.shown if isinstance(error, LmbenchError) else ():
        terminal.say(below, err=True)
    return typer.Exit(error.exit_code if isinstance(error, LmbenchError) else 1)


def explain(error: BaseException) -> str | None:
    """`error` in one line for the user; None for what only a programmer can mend."""
    if isinstance(error, LmbenchError):
        return " ".join(str(error).split("\n"))
    if isinstance(error, KeyboardInterrupt):
        return str(error) or f"interrupted; {written.summary()}"
    from lmbench.machine import disk_full, out_of_memory, reason

    if out_of_memory(error):
        return "not enough memory; take a smaller model, a smaller vocabulary or less text"
    if isinstance(error, Exception) and (isinstance(error, OSError) or disk_full(error)):
        return reason(error)
    return None


def say_traceback() -> None:
    """The traceback of the exception at hand, which may quote text from outside."""
    terminal.say_lines(traceback.format_exc().rstrip(), err=True)
