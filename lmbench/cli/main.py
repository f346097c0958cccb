"""`lmbench`: every command in this folder, behind one guard for errors."""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import sys
from types import ModuleType
from typing import Annotated

import typer

import lmbench.cli
from lmbench import terminal
from lmbench.cli._command import Command, Commands, is_text
from lmbench.cli._guard import guarded, say_traceback

PANELS = ("Run", "Look at a run", "List what there is")


def commands() -> list[ModuleType]:
    """The modules of the commands, as `--help` lists them."""
    names = [item.name for item in pkgutil.iter_modules(lmbench.cli.__path__)]
    found = [importlib.import_module(f"lmbench.cli.{name}") for name in names if name != "main" and name[0] != "_"]
    return sorted(found, key=lambda module: (PANELS.index(module.PANEL), module.__name__))


def make_app() -> typer.Typer:
    """The application, with every command registered."""
    app = typer.Typer(
        name="lmbench",
        cls=Commands,
        add_completion=True,
        no_args_is_help=True,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback()
    def lmbench_(
        version: Annotated[
            bool, typer.Option("--version", is_eager=True, callback=_version, help="Print the version and stop.")
        ] = False,
    ) -> None:
        """Counting and neural networks on one scale: language models and entropy estimates on the same tokens.

        [bold]lmbench run[/bold] compares a default set of models on a built-in text;
        [bold]lmbench run PATH[/bold] does so on yours.
        """

    for module in commands():
        [export] = module.__all__
        command = getattr(module, export)
        about = unfolded(command.__doc__)
        app.command(export, cls=Command, help=about, rich_help_panel=module.PANEL)(guarded(command))
    return app


def unfolded(docstring: str) -> str:
    """Each paragraph in one line, which the help breaks where the terminal ends; what is indented stays as it is."""
    paragraphs = inspect.cleandoc(docstring).split("\n\n")
    return "\n\n".join(each if each.startswith(" ") else each.replace("\n", " ") for each in paragraphs)


def _version(asked: bool) -> None:
    if asked:
        from lmbench import __version__

        terminal.say(f"lmbench {__version__}")
        raise typer.Exit


def _read_names_as_utf8() -> None:
    """Begin anew in Python's UTF-8 mode where names are read as ASCII, or a word of the command line is none in the
    locale's encoding: names of files are UTF-8 nearly everywhere, whatever the locale says. The streams keep theirs."""
    readable = sys.getfilesystemencoding() != "ascii" and all(map(is_text, sys.argv))
    if readable or sys.flags.utf8_mode or not sys.executable:
        return
    environment = {"PYTHONIOENCODING": terminal.encoding(), **os.environ}
    os.execve(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]], environment)


def main() -> None:
    """The entry point of the `lmbench` script."""
    _read_names_as_utf8()
    try:
        make_app()()
    except Exception:
        say_traceback()
        raise SystemExit(1) from None
