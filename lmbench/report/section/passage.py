"""A passage of the test text, coloured by how much each model was surprised, with what it expected instead."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Any

from lmbench.record import Record
from lmbench.report.document import data, shown
from lmbench.report.material import Choices, Material, Voice
from lmbench.report.section.base import bullets_html

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import RenderableType

__all__ = ["Passage"]

LEVELS = (0.5, 1.0, 2.0, 3.0, 4.5, 6.0, 8.0, 11.0)  # bits at which a colour ends; page.js has those of differences
_SHARE = 100_000  # parts of one in which probabilities are kept
_BITS = 1_000  # parts of a bit in which surprisals are kept
_UNSEEN = {"": "rest of a character", " ": "space", "\n": "line end", "\t": "tab"}


class Passage:
    """The first tokens of the test text; the reader chooses the model, or two and their difference."""

    title = "What the models see"
    position = 12
    pages = ("report",)

    def text(self, record: Record, width: int) -> RenderableType | None:
        return None

    def html(self, record: Record) -> str | None:
        return None

    def figure(self, record: Record) -> Figure | None:
        return None

    def illustrated(self, record: Record, material: Material, prefix: str) -> str | None:
        remarks = _remarks(material)
        if not material.tokens or not material.voices:
            return bullets_html(remarks)
        first = material.voices[0]
        separator = "" if material.joined else " "
        tokens = separator.join(
            _token(piece, nats, place)
            for place, (piece, nats) in enumerate(zip(material.tokens, first.nats, strict=True))
        )
        return (
            f"<p>The first {len(material.tokens):,} tokens of the test text, each coloured by its surprisal, "
            "-log<sub>2</sub> p: the paler, the better it was foreseen. Point at a token, tap it, or go to it with Tab "
            "and the arrow keys, to see what the model expected there.</p>"
            f'<div class="passage" data-first="{escape(first.model, quote=True)}">'
            f'<div class="choices"></div>{_scale()}<div class="split">'
            '<div class="text" role="group" aria-label="Test text; the arrow keys go from token to token">'
            f"{tokens}</div>"
            '<div class="detail"></div></div>'
            f"{data(_values(material))}</div><noscript><p>Without scripts the colours are those of "
            f"{escape(first.model)}, and nothing can be chosen.</p></noscript>{bullets_html(remarks) or ''}"
        )


def _token(piece: str, nats: float | None, place: int) -> str:
    """One token. What has no shape of its own has a name for those who cannot see it, and a sign for those who can."""
    name = _UNSEEN.get(piece, "")
    label = f' aria-label="{name}"' if name else ""
    text = escape(shown(piece.replace("\n", "↵"))) + "\n" * piece.count("\n") or "·"
    start = "0" if place == 0 else "-1"
    return f'<span role="button" tabindex="{start}" class="t s{level(nats)}"{label}>{text}</span>'


def level(nats: float | None) -> int:
    """The colour of a surprisal: 0 to 8, from little to much; 8 of what was held for impossible."""
    if nats is None:
        return len(LEVELS)
    bits = nats / math.log(2)
    return sum(bits >= each for each in LEVELS)


def _scale() -> str:
    """What the colours mean; page.js writes it anew for differences."""
    edges = ("0", *(f"{each:g}" for each in LEVELS))
    steps = "".join(f'<span class="s{place}">{edge}</span>' for place, edge in enumerate(edges))
    return f'<p class="scale"><span>bits, from: </span>{steps}</p>'


def _values(material: Material) -> dict[str, Any]:
    """What the script of the page needs, in whole numbers and in text that is safe to show."""
    numbers = {index: place for place, index in enumerate(material.names)}
    return {
        "levels": LEVELS,
        "names": [_flat(name) for name in material.names.values()],
        "tokens": [_flat(piece) or "·" for piece in material.tokens],
        "right": [numbers.get(index, -1) for index in material.ids],
        "voices": [_voice(voice, numbers) for voice in material.voices],
    }


def _voice(voice: Voice, numbers: dict[int, int]) -> dict[str, Any]:
    bits = [None if nats is None else round(nats / math.log(2) * _BITS) for nats in voice.nats]
    return {
        "model": shown(voice.model),
        "said": shown(voice.said),
        "bits": bits,
        "choices": [_packed(each, numbers) for each in voice.choices],
    }


def _packed(choices: Choices, numbers: dict[int, int]) -> list[int]:
    """[name, share, name, share, ...]."""
    return [value for index, share in choices for value in (numbers[index], round(share * _SHARE))]


def _flat(text: str) -> str:
    """One line, on which white space is seen."""
    for character, sign in ((" ", "␣"), ("\n", "↵"), ("\t", "⇥")):
        text = text.replace(character, sign)
    return shown(text)


def _remarks(material: Material) -> list[str]:
    said = [f"{voice.model}: {voice.said}" for voice in material.voices if voice.said]
    return [f"{name} is not shown: {reason}" for name, reason in material.left_out] + said
