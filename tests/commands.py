"""The command line, run in this process."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import typer.testing
from typer.testing import CliRunner, Result

from lmbench.cli.main import make_app

APP = make_app()
typer.testing._get_command = cache(typer.testing._get_command)  # else the commands are made anew for each call


def lmbench(*arguments: str | Path, stdin: str | None = None) -> Result:
    """`lmbench ARGUMENTS`: its exit code and output."""
    return CliRunner().invoke(APP, [str(argument) for argument in arguments], input=stdin)
