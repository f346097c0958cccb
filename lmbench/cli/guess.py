"""`lmbench guess`: Shannon's prediction game for people."""

from __future__ import annotations

import math
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lmbench import terminal
from lmbench.cli._options import DecodingErrors, Device, DeviceName, Encoding, Errors, Quiet, SplitRule, TextField
from lmbench.errors import UsageError
from lmbench.invocation import command

if TYPE_CHECKING:
    from lmbench.pipeline.guessing import GuessRecord

__all__ = ["guess"]

PANEL = "Run"
_PASSAGE, _GAME = "Passage", "Game"


class Reduction(StrEnum):
    ALL = "all"
    SHANNON = "27"


def guess(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="A text, as for lmbench run. Guessed is the part that run would test models on."
        ),
    ] = "python-help",
    split: SplitRule = None,
    encoding: Encoding = None,
    errors: DecodingErrors = Errors.STRICT,
    text_field: TextField = "text",
    alphabet: Annotated[
        Reduction,
        typer.Option(
            help="all: every character of the text; 27: Shannon's, a-z without case or accents, all else a space.",
            rich_help_panel=_PASSAGE,
        ),
    ] = Reduction.ALL,
    passage: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="START",
            help="Begin at this character of the test text. [dim]\\[drawn by --seed][/]",
            rich_help_panel=_PASSAGE,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed, the same passage.", rich_help_panel=_PASSAGE)] = 0,
    length: Annotated[int, typer.Option(min=1, help="Symbols to guess.", rich_help_panel=_PASSAGE)] = 100,
    context: Annotated[
        int, typer.Option(min=0, help="Symbols that are shown beforehand.", rich_help_panel=_PASSAGE)
    ] = 100,
    same: Annotated[
        str | None,
        typer.Option(metavar="RECORD", help="The passage of another game, instead.", rich_help_panel=_PASSAGE),
    ] = None,
    gamble: Annotated[
        bool,
        typer.Option("--gamble", help="Bet shares of a capital on symbols: e50 t20 rest.", rich_help_panel=_GAME),
    ] = False,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="RUN:MODEL",
            help="Let a model of a run play: latest:transformer, or latest for the best one.",
            rich_help_panel=_GAME,
        ),
    ] = None,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(
            metavar="RECORD RECORD", help="Print two games on one passage side by side.", rich_help_panel=_GAME
        ),
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(metavar="RECORD", help="Go on with a game: its file, or latest.", rich_help_panel=_GAME),
    ] = None,
    player: Annotated[str, typer.Option(help="A name for the record.", rich_help_panel=_GAME)] = "person",
    enter: Annotated[
        bool,
        typer.Option("--enter", help="Guess by a line and Enter, where single keys would do.", rich_help_panel=_GAME),
    ] = False,
    device: DeviceName = Device.AUTO,
    json: Annotated[bool, typer.Option("--json", help="With --model or --compare: JSON on standard output.")] = False,
    quiet: Quiet = False,
    runs: Annotated[Path, typer.Option(metavar="DIR", help="Folder that holds the runs.")] = Path("results"),
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder that holds the records of games.")] = Path("guesses"),
) -> None:
    r"""Guess a text symbol by symbol, and see what that says of its entropy (Shannon 1951; Cover & King 1978).

    You see the text so far and guess the next symbol until it is right; a guess
    made before is not counted. A symbol is a Unicode character (code point),
    composed where it can be. Where all of them are on an English keyboard, a key
    is a guess. Otherwise, and without a terminal, a line is: compose with your
    input method and press Enter; several characters are guesses at as many
    symbols. ? gives up and shows the symbol, which counts as if you had gone on
    at random; \? is a question mark, \s a space, \n a line's end, \t a tab.
    The record is written after every guess.

    With --gamble a line is bets: e50 t20 \s10 puts half of the capital on e, and
    so on; what is left is kept, or goes on all other symbols with rest.

    [bold]Examples[/bold]

      lmbench guess

      lmbench guess tinyshakespeare.txt --split 90/10 --alphabet 27 --seed 3 --length 50 --player ada

      lmbench guess sanshiro.txt --context 200 --gamble

      lmbench guess --same latest --model latest:'ngram(order=7)'

      lmbench guess --compare ada transformer
    """
    from lmbench.pipeline import guessing

    if compare is not None:
        _compare([guessing.find_guesses(name, out) for name in compare], json)
        return
    if resume is not None:
        if model is not None or same is not None:
            raise UsageError("--resume goes on with a person's game: it takes no --model and no --same")
        path = guessing.find_guesses(resume, out, unfinished=True)
        record = guessing.read_guesses(path)
        if record.kind == "model":
            raise UsageError(f"{path} is a model's game, which is always finished")
        _person(record, path, enter)
        return
    shared = guessing.read_guesses(guessing.find_guesses(same, out)) if same is not None else None
    if model is not None:
        if gamble:
            raise UsageError("--gamble is for people: a model's bets are its probabilities, and always in its record")
        place = {"start": passage, "seed": seed, "length": length, "context": context}
        _model(model, shared, place, device.value, runs, out, json, quiet)
        return
    if shared is not None:
        record = guessing.same_passage(shared, player, gamble=gamble)
    else:
        record = guessing.opened(
            source, fractions=split, encoding=encoding, errors=errors.value, text_field=text_field,
            reduction=alphabet.value, start=passage, seed=seed, length=length, context=context, player=player,
            gamble=gamble,
        )  # fmt: skip
    _person(record, guessing.record_path(out, record), enter)


def _person(record: GuessRecord, path: Path, enter: bool) -> None:
    """Play in the terminal until the passage is found or the guesser stops; every guess is kept in `path`."""
    from lmbench.cli import _guessing as screens
    from lmbench.pipeline.guessing import write_guesses

    game = record.game()
    fold = record.reduction == "27"
    if hasattr(sys.stdin, "reconfigure") and not sys.stdin.isatty():
        sys.stdin.reconfigure(encoding="utf-8")
    write_guesses(path, record)

    def save(now: Any) -> None:
        write_guesses(path, record.after(now))

    try:
        if record.gamble:
            screens.gamble(game, fold, save)
        elif not enter and screens.one_key(record.alphabet):
            with screens.single_keys() as key:
                screens.play(game, screens.Keys(key, fold), save)
        else:
            screens.play(game, screens.Lines(fold), save)
    except (KeyboardInterrupt, EOFError) as stop:
        found = f"{len(game.letters)} of {len(game.passage)} symbols"
        terminal.say(err=True)
        terminal.say(f"stopped after {found}; go on with: {command('guess', '--resume', path)}", err=True)
        raise typer.Exit(130 if isinstance(stop, KeyboardInterrupt) else 0) from None
    terminal.say()
    terminal.say(screens.verdict(game))
    terminal.say(f"kept in {path}", err=True)


def _model(
    name: str, shared: GuessRecord | None, place: dict[str, Any], device: str, runs: Path, out: Path, json: bool,
    quiet: bool,
) -> None:  # fmt: skip
    """Let a model play, on the passage of `shared` or on one of its run's test text."""
    from lmbench import store
    from lmbench.cli import _guessing as screens
    from lmbench.cli._progress import shown_on
    from lmbench.machine import resolve_device
    from lmbench.pipeline import guessing

    run, _, wanted = name.partition(":")
    folder = store.find_run(run, runs)
    row = store.find_row(store.read_record(folder), wanted or "best")
    if shared is None:
        record = guessing.opened_in_run(folder, **place, player=row.model)
        record = record.model_copy(update={"kind": "model"})
    else:
        record = guessing.same_passage(shared, row.model, "model")
    with shown_on(terminal.notes(), quiet) as (progress, _):
        record, said = guessing.played_by_model(record, folder, row, resolve_device(device), progress)
    for line in said:
        terminal.say(f"note: {line}", err=True)
    path = guessing.record_path(out, record)
    guessing.write_guesses(path, record)
    if json:
        terminal.write_json(path.read_text(encoding="utf-8"))
    else:
        game = record.game()
        terminal.say(f"{row.model}: {screens.verdict(game)}")
        bits = game.bits()
        if bits is not None and math.isfinite(bits):
            terminal.say(f"{bits:.3f} bits/symbol by its probabilities, as bets")
        else:
            terminal.say("a symbol had nothing on it, and so no number of bits/symbol by its probabilities, as bets")
    terminal.say(f"kept in {path}", err=True)


def _compare(paths: list[Path], json: bool) -> None:
    import json as json_

    from lmbench.pipeline.guess_comparison import compared
    from lmbench.pipeline.guessing import read_guesses

    records = [read_guesses(path) for path in paths]
    for path, record in zip(paths, records, strict=True):
        if not record.letters:
            raise UsageError(f"{path}: no symbol is found yet; go on with: {command('guess', '--resume', path)}")
    found = compared(records[0], records[1])
    if json:
        terminal.write_json(json_.dumps(found.as_json(), ensure_ascii=False, allow_nan=False))
        return
    from lmbench.cli._compared import show

    show(found)
