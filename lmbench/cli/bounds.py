"""`lmbench bounds`: the prediction game, played by the models of a run."""

from __future__ import annotations

import json as json_
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lmbench import terminal
from lmbench.cli._complete import complete_model
from lmbench.cli._options import Device, DeviceName, Json, Quiet, RunName, RunsFolder
from lmbench.errors import UsageError

if TYPE_CHECKING:
    from lmbench.record import Record, Shannon

__all__ = ["bounds"]

PANEL = "Look at a run"


def bounds(
    run: RunName = "latest",
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODEL",
            help="A model of the run; repeat for more. [dim]\\[all of them][/]",
            autocompletion=complete_model,
        ),
    ] = None,
    contexts: Annotated[
        str | None,
        typer.Option(
            metavar="N,N,...",
            help="Context lengths in tokens. [dim]\\[0 to 100, as far as half of the test text has them][/]",
        ),
    ] = None,
    positions: Annotated[int, typer.Option(min=1, help="How many test tokens are guessed at each length.")] = 2000,
    ranks: Annotated[
        bool, typer.Option("--ranks", help="Also what share of the tokens was found at guess 1, 2, ...")
    ] = False,
    device: DeviceName = Device.AUTO,
    json: Json = False,
    quiet: Quiet = False,
    out: RunsFolder = Path("results"),
) -> None:
    """Play Shannon's prediction game with the models of a run: bounds of the entropy against context length.

    A model guesses the next token in order of falling probability; from the shares found at the first, second, ...
    guess follow a lower and an upper bound (Shannon 1951). All models guess the same tokens of the test text. The
    figures are kept in the run's record until a game on other tokens takes their place, and drawn in its report beside
    those of Shannon's own experiment.

    [bold]Examples[/bold]

      lmbench bounds latest

      lmbench bounds latest --model 'ngram(order=7)' --model transformer --contexts 0,1,2,4,8,16,100 --positions 5000
    """
    from lmbench import store
    from lmbench.cli._progress import shown_on
    from lmbench.machine import resolve_device
    from lmbench.pipeline.bounds import english_share_of, guesses_tokens, play, same_tokens
    from lmbench.pipeline.pages import run_page
    from lmbench.report.published import SHARE

    folder = store.find_run(run, out)
    record = store.read_record(folder)
    if record.plan.get("protocol") == "prequential":
        raise UsageError(f"{folder}: a prequential run keeps no fitted models to play with; give one that does")
    rows = [store.find_row(record, name) for name in model] if model else [*filter(guesses_tokens, record.rows)]
    if not rows:
        raise UsageError(f"{folder} has no fitted model yet that guesses its tokens")
    for row in rows:
        if not guesses_tokens(row):
            raise UsageError(f"{row.model} has tokens of its own: it cannot be asked for the run's next token")
    lengths = None if contexts is None else _lengths(contexts)
    chosen = resolve_device(device.value)
    made: list[Shannon] = []
    stopped: KeyboardInterrupt | None = None
    try:
        with shown_on(terminal.notes(), quiet) as (progress, _):
            for row in rows:
                made += play(folder, record, [row], lengths, positions, chosen, progress)
    except KeyboardInterrupt as stop:
        if not made:
            raise
        stopped = stop
    names = {item.model for item in made}
    others = [item for item in record.shannon if item.model not in names]
    kept = [item for item in others if same_tokens(item, made[0])]
    dropped = [item.model for item in others if item not in kept]
    if dropped:
        why = "other --positions or another longest context, and so other tokens"
        terminal.say(f"note: no longer kept, as these games had {why}: {', '.join(dropped)}", err=True)
    facts = record.card.corpus_card | {SHARE: english_share_of(folder, record.card)}
    card = record.card.model_copy(update={"corpus_card": facts})
    record = record.model_copy(update={"card": card, "shannon": [*kept, *made]})
    store.amend_record(folder, record)
    run_page(folder)
    if stopped is not None:
        raise KeyboardInterrupt(f"interrupted; {len(made)} of {len(rows)} games are kept in {folder}") from stopped
    if json:
        content = [item.model_dump(mode="json") for item in made]
        terminal.write_json(json_.dumps(content, ensure_ascii=False, allow_nan=False))
        return
    _show(made, record, ranks)
    terminal.say(err=True)
    terminal.say(f"kept in {folder} (record.json, report.html)", err=True)


def _lengths(text: str) -> list[int]:
    try:
        lengths = [int(part) for part in text.split(",")]
    except ValueError:
        lengths = []
    if not lengths or min(lengths) < 0:
        raise UsageError(f"--contexts {text!r}: write whole numbers from 0 on, such as 0,1,2,5,100")
    return lengths


def _show(made: list[Shannon], record: Record, ranks: bool) -> None:
    from lmbench.report.ranks import rank_table
    from lmbench.report.screen import screen, styled
    from lmbench.report.section.base import bullets
    from lmbench.report.section.bounds import HEADERS, fitting, table_of

    console = screen()
    shown = fitting(made, console.width)
    for index, item in enumerate(made):
        if index:
            console.print()
        console.print(styled(item.model, "bold"))
        console.print(table_of(item, shown))
        if ranks:
            console.print()
            console.say("found at guess ..., in per cent, by tokens known")
            console.print(rank_table(item))
        if item.notes:
            console.print(bullets(item.notes, console.width))
    console.print()
    unit = "character" if made[0].characters_per_token else "token"
    asked = f"{made[0].positions:,} tokens of the test text of {record.card.corpus}, the same for all"
    about = "lower, upper: bounds of the entropy by the ranks of the right guesses, with 95 % intervals"
    own = "first guess: share of tokens found at once; guesses: how many it took on average"
    console.say(f"bits per {unit}; {about}; {own}; {asked}")
    left = dict.fromkeys(header for place, header in enumerate(HEADERS) if place not in shown)
    if left:
        console.print(styled(f"no room for: {', '.join(left)}; widen the terminal or see report.html", "dim"))
