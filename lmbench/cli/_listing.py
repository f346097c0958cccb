"""What the listing commands share: a registry's plug-ins and their options, read from source."""

from __future__ import annotations

import ast
import json
from importlib.util import find_spec
from typing import Annotated, Any

import typer

from lmbench import terminal
from lmbench.invocation import install
from lmbench.plugin import Option, Plugin
from lmbench.registry import Registry

Name = Annotated[str | None, typer.Argument(metavar="NAME", help="Only this one, with all that is said of it.")]


def show(registry: Registry, name: str | None, as_json: bool) -> None:
    """Print every plug-in of `registry` with its options, or all there is to say about one."""
    found = [registry.describe(name)] if name else list(registry)
    if as_json:
        terminal.write_json(json.dumps([_json(plugin) for plugin in found], indent=2, ensure_ascii=False))
        return
    from lmbench.report.screen import indented, screen, styled

    console = screen()
    for plugin in found:
        console.print(styled(plugin.name, "bold"))
        about = plugin.docstring.split("\n\nArgs:")[0] if name else plugin.summary
        for paragraph in about.split("\n"):
            console.print(indented(paragraph, 2))
        if plugin.options:
            console.print(_options(plugin.options))
        if plugin.requires:
            missing = [package for package in plugin.requires if find_spec(package) is None]
            how = f": {install(*missing)}" if missing else ""
            console.print(indented(f"needs {', '.join(plugin.requires)}{how}", 2))
        if plugin is not found[-1]:
            console.print()
    if not name:
        aliases = ", ".join(f"{short} = {long}" for short, long in registry.aliases.items())
        if aliases:
            console.print()
            console.say(f"other names: {aliases}")


def _options(options: tuple[Option, ...]) -> Any:
    from lmbench.report.screen import Grid, Heading

    grid = Grid(Heading("", "name", style="cyan", longest=38), Heading("", "prose"), head=False)
    for option in options:
        grid.add(f"    {signature(option)}", option.help or readable(option.annotation))
    return grid


def signature(option: Option) -> str:
    """`order=5`, or `path=...` where there is no default."""
    return f"{option.name}={'...' if option.default is None else readable_default(option.default)}"


def readable_default(source: str) -> str:
    """A default as it is written in a SPEC: `Spec('kneser_ney')` is kneser_ney, `None` none, `'x'` x."""
    try:
        tree = ast.parse(source, mode="eval").body
    except SyntaxError:
        return source
    if isinstance(tree, ast.Call) and tree.args and ast.unparse(tree.func) in ("Spec", "parse"):
        tree = tree.args[0]
    if isinstance(tree, ast.Constant):
        value = tree.value
        return str(value).lower() if value is None or isinstance(value, bool) else str(value)
    return source


def readable(annotation: str) -> str:
    """What an option takes: `Literal['a', 'b']` is a or b."""
    names = {"int": "whole number", "float": "number", "bool": "true or false", "str": "text", "None": "none"}
    names["Spec"] = "name or name(option=value, ...)"
    tree = ast.parse(annotation, mode="eval").body
    parts: list[str] = []

    def visit(node: ast.expr) -> None:
        if isinstance(node, ast.BinOp):
            visit(node.left)
            visit(node.right)
        elif isinstance(node, ast.Subscript) and ast.unparse(node.value) == "Literal":
            values = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            parts.extend(readable_default(ast.unparse(value)) for value in values)
        else:
            parts.append(names.get(ast.unparse(node), ast.unparse(node)))

    visit(tree)
    return " or ".join(dict.fromkeys(parts))


def _json(plugin: Plugin) -> dict[str, Any]:
    return {
        "name": plugin.name,
        "summary": plugin.summary,
        "requires": list(plugin.requires),
        "options": [
            {
                "name": option.name,
                "takes": readable(option.annotation),
                "default": None if option.default is None else readable_default(option.default),
                "required": option.required,
                "help": option.help,
            }
            for option in plugin.options
        ],
    }
