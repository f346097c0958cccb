"""`lmbench runs`: the runs that there are."""

from __future__ import annotations

import json as json_
from pathlib import Path
from typing import Annotated, Any

import typer

from lmbench import terminal
from lmbench.cli._options import Json
from lmbench.invocation import RUNS, command

__all__ = ["runs"]

PANEL = "List what there is"


def runs(
    out: Annotated[
        list[Path] | None,
        typer.Option("--out", metavar="DIR", help="A folder that holds runs; repeat for more. [dim]\\[results][/]"),
    ] = None,
    json: Json = False,
) -> None:
    """List the runs in a folder, the newest first, each with its best model.

    A run is called by the path of its folder, by a part of its name that no other has, by the word that
    lmbench run --name gave it, or latest. bits/byte has no figure where the tokens lose text, nor nats/token where they
    are a model's own.

    [bold]Example[/bold]

      lmbench runs --out results --out /data/runs
    """
    from lmbench.runs import runs_in

    folders = out or [RUNS]
    found = [_described(run) for folder in folders for run in reversed(runs_in(folder))]
    if json:
        terminal.write_json(json_.dumps(found, indent=2, ensure_ascii=False, allow_nan=False))
        return
    if not found:
        terminal.say(f"no runs in {', '.join(map(str, folders))}; make one with: {command('run', out=folders[0])}")
        return
    _show(found)


def _described(run: Path) -> dict[str, Any]:
    """What the table says of a run; of one whose record is damaged, that it is."""
    from lmbench import store
    from lmbench.errors import LmbenchError
    from lmbench.files import bytes_on_disk

    facts: dict[str, Any] = {
        "folder": str(run), "name": None, "date": None, "corpus": None, "rows": None, "best": None,
        "bits_per_byte": None, "nats_per_token": None, "bytes_on_disk": bytes_on_disk(run),
    }  # fmt: skip
    try:
        record = store.read_record(run)
    except LmbenchError as error:
        return facts | {"status": f"damaged: {error}"}
    facts |= {"name": record.card.name, "date": record.card.started[:10], "corpus": record.card.corpus}
    facts |= {"rows": len(record.rows), "status": record.status}
    scored = [row for row in record.rows if not row.control and row.distribution]
    by_byte = [row for row in scored if row.bits_per_byte is not None]
    by_token = [row for row in scored if row.nats_per_token is not None]
    if by_byte:
        best = min(by_byte, key=lambda row: row.bits_per_byte or 0.0)
    elif by_token:
        best = min(by_token, key=lambda row: row.nats_per_token or 0.0)
    else:
        return facts
    return facts | {
        "best": best.model, "bits_per_byte": best.bits_per_byte, "nats_per_token": best.nats_per_token,
    }  # fmt: skip


def _show(found: list[dict[str, Any]]) -> None:
    from lmbench.report import format as form
    from lmbench.report.screen import Grid, Heading, screen

    grid = Grid(
        Heading("run", "name", longest=60),
        Heading("name" if any(run["name"] for run in found) else "", "word", rank=0),
        Heading("corpus", "word", rank=5), Heading("rows", rank=6),
        Heading("bits/byte", rank=1, style="bold"), Heading("nats/token", rank=3), Heading("best", "name", longest=40),
        Heading("on disk", rank=4), Heading("status", "word", rank=2), Heading("date", "word", rank=7),
    )  # fmt: skip
    for run in found:
        grid.add(
            Path(run["folder"]).name,
            run["name"] or "", run["corpus"] or form.NOTHING,
            form.NOTHING if run["rows"] is None else f"{run['rows']}", form.fixed(run["bits_per_byte"], 3),
            form.fixed(run["nats_per_token"], 4), run["best"] or form.NOTHING, form.size(run["bytes_on_disk"]),
            run["status"].split(":")[0], run["date"] or form.NOTHING,
        )  # fmt: skip
    screen().print(grid)
    for run in found:
        if run["status"].startswith("damaged"):
            terminal.say(run["status"].removeprefix("damaged: "), err=True)
