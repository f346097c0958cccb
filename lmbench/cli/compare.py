"""`lmbench compare`: is the difference between two models more than chance?"""

from __future__ import annotations

import json as json_
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from lmbench import terminal
from lmbench.cli._options import Json, RunName, RunsFolder
from lmbench.errors import UsageError

__all__ = ["compare"]

PANEL = "Look at a run"


def compare(
    *,
    run: RunName = "latest",
    first: Annotated[
        str, typer.Argument(metavar="MODEL", help="A model of the run: its spec, a unique part of it, or best.")
    ],
    second: Annotated[str, typer.Argument(metavar="MODEL", help="Another model.")],
    other: Annotated[
        str | None, typer.Option(metavar="RUN", help="The second model's run, where it is another one.")
    ] = None,
    json: Json = False,
    out: RunsFolder = Path("results"),
) -> None:
    """Compare two models token by token, with a paired 95 % interval.

    Models of two runs are compared only where their protocol cards agree: per token with one
    tokenizer, per byte where only the tokenizers differ.

    [bold]Examples[/bold]

      lmbench compare latest 'ngram(order=3)' 'ngram(order=5)'

      lmbench compare RUN best best --other RUN2
    """
    from lmbench import store
    from lmbench.pipeline import scored_tokens_of
    from lmbench.record import comparable
    from lmbench.report.screen import screen
    from lmbench.score.paired import paired_difference, paired_difference_per_byte

    folders = [store.find_run(run, out)]
    folders.append(store.find_run(other, out) if other else folders[0])
    records = [store.read_record(folder) for folder in folders]
    rows = [store.find_row(record, name) for record, name in zip(records, (first, second), strict=True)]
    scores = [store.read_log_probs(folder, row) for folder, row in zip(folders, rows, strict=True)]
    tokens = [scored_tokens_of(folder, record.card) for folder, record in zip(folders, records, strict=True)]
    if folders[0].resolve() == folders[1].resolve() and rows[0] == rows[1]:
        raise UsageError(f"both models are {rows[0].model} of one run; give another one, or --other RUN")
    for row in rows:
        if not row.distribution:
            raise UsageError(f"{row.model} is not a distribution: its score cannot be compared with a cross-entropy")
    differing = comparable(records[0].card, records[1].card)
    spoilt = [line for line in differing if line.spoils == "every figure"]
    if spoilt:
        lines = "; ".join(f"{line.line} ({line.first[:40]} / {line.second[:40]})" for line in spoilt)
        raise UsageError(f"the two runs cannot be compared, their cards differ in: {lines}")
    own_tokens = any(row.nats_per_token is None and row.bits_per_byte is not None for row in rows)
    if differing or own_tokens:
        found = paired_difference_per_byte((scores[0], tokens[0]), (scores[1], tokens[1]), records[0].card.seed)
    else:
        found = paired_difference(scores[0], scores[1], tokens[0], records[0].card.seed)
    if json:
        report = {"first": rows[0].model, "second": rows[1].model, **asdict(found), "decided": found.decided}
        terminal.write_json(json_.dumps(report, ensure_ascii=False, allow_nan=False))
        return
    console = screen()
    better, worse = (rows[0], rows[1]) if found.value < 0 else (rows[1], rows[0])
    bounds = "too few blocks for an interval"
    if found.interval:
        low, high = sorted(abs(bound) if found.decided else bound for bound in found.interval)
        bounds = f"95 % interval {low:.4f} to {high:.4f}"
    console.say(f"{better.model} is better than {worse.model} by {abs(found.value):.4f} {found.unit} ({bounds})")
    share = found.wins if better is rows[0] else 1 - found.wins
    console.say(f"it is better in {share:.0%} of the blocks ({found.blocks}); paired bootstrap of the test text")
    for row in rows:
        if row.adaptive:
            console.say(f"{row.model} is adaptive: it learns from the text it is scored on")
    if not found.decided:
        console.say("the interval does not exclude zero: on this text neither is shown to be better")
