"""How to get these figures again."""

from __future__ import annotations

import shlex
from html import escape
from typing import TYPE_CHECKING

from lmbench.record import Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import RenderableType

__all__ = ["Reproduce"]


class Reproduce:
    """The command that made the run, and what has to be the same."""

    title = "How to reproduce it"
    position = 31
    pages = ("report",)

    def text(self, record: Record, width: int) -> RenderableType | None:
        return None

    def html(self, record: Record) -> str | None:
        card = record.card
        state = f"lmbench {card.versions.get('lmbench', '')}, " + (
            f"commit {card.commit}" if card.commit else "no checkout"
        )
        lines = [
            f"The same figures come from {state}, the same text (training part {card.train.hash[:12]}, validation "
            f"{card.valid.hash[:12]}, test {card.test.hash[:12]}), seed {card.seed} and the versions on the protocol "
            "card. Models of counts give the same numbers on every machine to rounding; nets on the same kind of "
            "device, with a budget of tokens or steps and not of seconds."
        ]
        command = card.command or _from_plan(record)
        return f"<pre><code>{escape(command)}</code></pre><p>{escape(' '.join(lines))}</p>"

    def figure(self, record: Record) -> Figure | None:
        return None


def _from_plan(record: Record) -> str:
    """A command that asks for what the plan asked for, where none was put down."""
    plan = record.plan
    words = ["lmbench", "run", str(plan.get("source", record.card.corpus)), "--tokenizer", record.card.tokenizer]
    models = plan.get("models")
    for model in models if isinstance(models, list) else []:
        words += ["--model", str(model)]
    return shlex.join([*words, "--seed", str(record.card.seed)])
