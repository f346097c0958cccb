"""The protocol card: what a figure depends on, besides the model."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from lmbench.record import Record, Split
from lmbench.report import format as form
from lmbench.report import leakage

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import RenderableType

__all__ = ["ProtocolCard"]


class ProtocolCard:
    """The protocol card: text, splits, tokenizer, boundary, context, machine, versions."""

    title = "Protocol"
    position = 30

    def text(self, record: Record, width: int) -> RenderableType | None:
        from lmbench.report.screen import pairs

        return pairs(card_lines(record), width)

    def html(self, record: Record) -> str | None:
        pairs = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in card_lines(record))
        return f"<dl>{pairs}</dl>"

    def figure(self, record: Record) -> Figure | None:
        return None


def card_lines(record: Record) -> list[tuple[str, str]]:
    """(what, value) for every line of the card that has something to say."""
    card = record.card
    about = [str(card.corpus_card[key]) for key in ("title", "source", "licence") if card.corpus_card.get(key)]
    tokenizer = f"{card.tokenizer}: {card.vocabulary:,} types, {'' if card.lossless else 'not '}lossless"
    gpu = card.machine.get("gpu")
    host = f"{card.machine.get('cpu')}, {card.machine.get('cores')} cores"
    if instructions := card.machine.get("instructions"):
        host += f" ({', '.join(map(str, instructions))})" if isinstance(instructions, list) else ""
    memory = card.machine.get("memory_bytes")
    if isinstance(memory, int):
        host += f", {form.size(memory)}"
    lines = [
        ("corpus", "; ".join([card.corpus, *about])),
        ("split", card.split_rule),
        ("line ends", str(card.corpus_card.get("line_ends", ""))),
        ("train", _part(card.train)),
        ("valid", _part(card.valid)),
        ("test", _part(card.test)),
        ("leakage", leakage.of_parts(record)),
        ("tokenizer", f"{tokenizer}; vocabulary {card.vocabulary_hash[:12]}"),
        ("boundary", card.boundary),
        ("context", _contexts(record)),
        ("protocol", _protocol(record)),
        ("intervals", _intervals(record)),
        ("device", f"{card.device}; {host}" + (f"; {gpu}" if gpu else "")),
        ("versions", ", ".join(f"{name} {version}" for name, version in card.versions.items())),
        ("commit", card.commit or f"not known: {card.commit_note or 'not from a checkout'}"),
        ("seed", str(card.seed)),
        ("started", card.started),
        ("command", card.command or ""),
        ("status", "" if record.status == "complete" else "interrupted: not all that was asked for has been done"),
    ]
    return [(name, value) for name, value in lines if value]


def _part(split: Split) -> str:
    return (
        f"{split.tokens:,} tokens, {split.bytes:,} bytes, {split.characters:,} characters, "
        f"{form.counted(split.documents, 'document')}; {split.hash[:12]}"
    )


def _contexts(record: Record) -> str:
    """`unlimited` needs no window; a net's says how it was moved over the text."""
    parts: dict[str, list[str]] = {}
    for row in record.rows:
        size = "unlimited" if row.context is None else f"{row.context:,}"
        key = size if row.stride is None else f"{size}, stride {row.stride:,}"
        parts.setdefault(key, []).append(row.model)
    return "; ".join(f"{key}: {', '.join(names)}" for key, names in parts.items())


def _protocol(record: Record) -> str:
    if record.plan.get("protocol") == "prequential":
        return (
            "prequential: the whole text (train, valid and test, in that order) is coded in blocks, each with what was "
            "learnt before it; estimators and compressors read the whole text too"
        )
    if not record.rows:
        return ""
    adaptive = [row.model for row in record.rows if row.adaptive]
    types: dict[str, list[str]] = {}
    for row in record.rows:
        types.setdefault(row.dtype, []).append(row.model)
    dtype = next(iter(types)) if len(types) == 1 else "; ".join(f"{key}: {', '.join(of)}" for key, of in types.items())
    return ("static" if not adaptive else f"static but for {', '.join(adaptive)} (adaptive)") + f"; {dtype}"


def _intervals(record: Record) -> str:
    rules = {row.blocks for row in record.rows if row.ci95_nats_per_token}
    return f"95 % by Student's t, from {', '.join(sorted(rules))}" if rules else ""
