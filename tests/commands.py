"""The command line, run in this process."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner, Result

from lmbench.cli.main import make_app

APP = make_app()


def lmbench(*arguments: str | Path, stdin: str | None = None) -> Result:
    """`lmbench ARGUMENTS`: its exit code and output."""
    return CliRunner().invoke(APP, [str(argument) for argument in arguments], input=stdin)
