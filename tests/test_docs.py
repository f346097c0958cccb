"""What the README and the pages of docs say of the command line is true of the command line."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
import typer

import lmbench
from lmbench.cli.main import make_app
from lmbench.model import models
from lmbench.spec import parse
from lmbench.tokenizer import tokenizers

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [README, *(path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md")))]
APP = typer.main.get_command(make_app())


def code_blocks(page: str) -> list[str]:
    return re.findall(r"^```[a-z]*\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


def shown_commands(*pages: str) -> list[list[str]]:
    """Every `lmbench ...` line of a code block, split as a shell would; a prompt or a folder before it is left off."""
    found = []
    for block in (block for page in pages for block in code_blocks(page)):
        for line in re.sub(r"\\\n\s*", " ", block).splitlines():
            match = re.match(r"^(?:\$ )?(?:.*&& )?(?:\S*/)?lmbench( .*)?$", line)
            if match and not line.startswith((" ", "│")):
                found.append(shlex.split((match.group(1) or "").split(" | ")[0].split(" > ")[0], comments=True))
    return found


def test_the_readme_shows_commands() -> None:
    assert len(shown_commands(README)) >= 8


@pytest.mark.parametrize("words", shown_commands(*PAGES), ids=" ".join)
def test_every_command_shown_is_one_that_the_program_takes(words: list[str]) -> None:
    if words in (["--help"], ["--version"]):
        return
    assert isinstance(APP, click.Group) or hasattr(APP, "commands")
    command = APP.commands[words[0]]
    context = command.make_context(words[0], list(words[1:]), resilient_parsing=True)
    given = [word.split("=")[0] for word in words[1:] if re.match(r"^--?[a-z]", word)]
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    assert set(given) <= known
    for key, registry in (("model", models), ("tokenizer", tokenizers)):
        value = context.params.get(key)
        for spec in value if isinstance(value, list | tuple) else [value] if isinstance(value, str) else []:
            if words[0] == "run" and spec != "none":
                registry.check(parse(spec))


def test_every_command_is_in_the_readme() -> None:
    shown = {words[0] for words in shown_commands(README) if words}
    assert set(APP.commands) <= shown


def test_ci_runs_the_readmes_test_command() -> None:
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    [command] = [line for line in lines if "pytest" in line]
    assert command.partition("(")[2].partition(")  #")[0] in README


def test_the_changelog_knows_this_version() -> None:
    assert f"## {lmbench.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_every_page_is_named_in_the_readme_and_every_link_leads_somewhere() -> None:
    for path in (ROOT / "docs").glob("*.md"):
        assert f"(docs/{path.name})" in README
    for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path.name}: {target}"
