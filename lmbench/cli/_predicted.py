"""How what models expect is laid out: beside one another, as trees, and token by token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len, chop_cells, set_cell_size

from lmbench.generation.guessing import visible
from lmbench.generation.prediction import Branch, token_text
from lmbench.report.format import cut_at_end
from lmbench.report.screen import group, pieces, styled

if TYPE_CHECKING:
    from rich.console import RenderableType

    from lmbench.model.base import Evidence
    from lmbench.pipeline.predicting import Expected, Outlook
    from lmbench.report.screen import Screen
    from lmbench.tokens import Vocabulary

_BLOCK = 36  # columns that a model is given at least, where there are so many
_GAP = 3
_TOKEN = 16  # columns of a token
_BAR = 40  # of a bar, at most
_EIGHTHS = " ▏▎▍▌▋▊▉"
_HEIGHTS = "▁▂▃▄▅▆▇█"
_STYLES = ((1.0, "green"), (4.0, ""), (8.0, "yellow"), (12.0, "red"))  # of a surprisal below so many bits
_BEYOND = "bold red"
_CELL = 9  # columns of a figure of bits
Piece = tuple[str, str]


def token_sign(vocabulary: Vocabulary, token: int) -> str:
    """A token in one line, with signs for its white space."""
    if token == vocabulary.end_of_text:
        return "(end of line)" if vocabulary.lines else "(end)"
    return visible(token_text(vocabulary, token)) or "(nothing)"


def bar(share: float, columns: int) -> str:
    """`share` of `columns`, to an eighth of a column.

    >>> bar(0.5, 3)
    '█▌'
    """
    eighths = round(max(0.0, min(1.0, share)) * columns * 8)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def percent(probability: float) -> str:
    """Two decimals below one per cent, and what is smaller as a power."""
    value = 100 * probability
    return f"{value:.1f} %" if value >= 1 else f"{value:.2f} %" if value >= 0.01 or value == 0 else f"{value:.0e} %"


def padded(text: str, columns: int) -> str:
    """`text` in exactly `columns` of a terminal, an ellipsis at its end where it has more."""
    return set_cell_size(cut_at_end(text, columns), columns)


def basis(evidence: Evidence | None) -> str:
    """What a model of counts goes by."""
    if evidence is None:
        return ""
    tokens = f"{evidence.length} token" + "s" * (evidence.length != 1)
    seen = [] if evidence.count is None else [f"seen {evidence.count:,}×"]
    types = [] if evidence.types is None else [f"{evidence.types:,} kinds after"]
    return ", ".join([f"matches {tokens}" if evidence.length else "matches nothing", *seen, *types])


def distributions(outlook: Outlook, top: int, console: Screen) -> RenderableType:
    """All models beside one another, as many in a row as have room."""
    width = console.width
    across = max(1, min(len(outlook.models), (width + _GAP) // (_BLOCK + _GAP)))
    columns = max(1, (width - _GAP * (across - 1)) // across)
    scale = max((each.prediction.likeliest(1)[0][1] for each in outlook.models), default=1.0)
    blocks = [_block(each, outlook.vocabulary, top, columns, scale, console) for each in outlook.models]
    rows: list[RenderableType] = []
    for start in range(0, len(blocks), across):
        if rows:
            rows.append("")
        rows += _beside(blocks[start : start + across], columns)
    return group(*rows)


def _beside(blocks: list[list[list[Piece]]], columns: int) -> list[RenderableType]:
    """Blocks of lines, of pieces each, with their first lines in one line."""
    lines: list[RenderableType] = []
    for at in range(max(map(len, blocks))):
        line: list[Piece] = []
        wanted = 0
        for number, block in enumerate(blocks):
            if at < len(block):  # no blanks behind the last that has a line here
                line.append((" " * (wanted - sum(cell_len(text) for text, _ in line)), ""))
                line += block[at]
            wanted = (number + 1) * (columns + _GAP)
        lines.append(pieces(*line))
    return lines


def _block(
    expected: Expected, vocabulary: Vocabulary, top: int, columns: int, scale: float, console: Screen
) -> list[list[Piece]]:
    prediction = expected.prediction
    entropy = "a score, no distribution" if prediction.entropy_bits is None else f"{prediction.entropy_bits:.2f} bits"
    lines: list[list[Piece]] = [[(line, "bold")] for line in _folded(console.shown(expected.model), columns)]
    lines.append([(cut_at_end(console.shown(f"entropy {entropy}"), columns), "")])
    found = console.shown(basis(prediction.evidence))
    lines += [[(line, "dim")] for line in _folded(found, columns)] if found else []
    rows = prediction.likeliest(top)
    signs = [console.shown(token_sign(vocabulary, token)) for token, _ in rows]
    room = max(1, min(_TOKEN, columns - 9, max(map(cell_len, signs), default=1)))
    for sign, (_, probability) in zip(signs, rows, strict=True):
        line = [(padded(sign, room), ""), (f" {percent(probability):>8}"[: max(0, columns - room)], "")]
        drawn = console.shown(bar(probability / scale if scale else 0.0, min(_BAR, columns - room - 11)))
        lines.append([*line, (f" {drawn}" if drawn else "", "cyan")])
    rest = max(0.0, 1 - sum(probability for _, probability in rows))
    if len(prediction.log_probs) > len(rows) and prediction.entropy_bits is not None:
        others = f"and {len(prediction.log_probs) - len(rows):,} others: {percent(rest)}"
        lines.append([(cut_at_end(others, columns), "dim")])
    return lines


def _folded(text: str, columns: int) -> list[str]:
    """Lines of at most `columns`, broken behind blanks where there are any."""
    lines = [""]
    for word in text.split(" "):
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if cell_len(joined) <= columns:
            lines[-1] = joined
            continue
        parts = chop_cells(word, max(1, columns))
        lines = [*lines[:-1], *([lines[-1]] if lines[-1] else []), *parts]
    return lines


def trees(outlook: Outlook, console: Screen) -> RenderableType:
    """The likeliest continuations of each model, one model under the other."""
    lines: list[RenderableType] = []
    for expected in outlook.models:
        if lines:
            lines.append("")
        lines += [styled(line, "bold") for line in _folded(console.shown(expected.model), console.width)]
        lines += _branches(expected.tree or [], outlook.vocabulary, "", console)
    return group(*lines)


def _branches(branches: Sequence[Branch], vocabulary: Vocabulary, before: str, console: Screen) -> list[RenderableType]:
    lines: list[RenderableType] = []
    for number, branch in enumerate(branches):
        last = number == len(branches) - 1
        stem = console.shown(before + ("└─ " if last else "├─ "))
        sign = console.shown(token_sign(vocabulary, branch.token))
        total, here = percent(branch.total), percent(branch.here)
        left = f"{total:>8}  " if console.width >= 40 else ""
        right = f"  {here}"
        room = console.width - cell_len(left) - cell_len(stem) - cell_len(right)
        parts = [(left, "cyan"), (stem, "dim"), (cut_at_end(sign, max(1, room)), ""), (right, "dim")]
        lines.append(_fitted(parts, console.width))
        lines += _branches(branch.branches, vocabulary, before + ("   " if last else "│  "), console)
    return lines


def _fitted(parts: list[Piece], columns: int) -> RenderableType:
    """As much of a line as there is room for."""
    kept, left = [], columns
    for text, style in parts:
        piece = text if cell_len(text) <= left else chop_cells(text, left)[0] if left > 0 else ""
        kept.append((piece, style))
        left -= cell_len(piece)
    return pieces(*kept)


def style_of(bits: float) -> str:
    """The colour of a surprisal."""
    return next((style for most, style in _STYLES if bits < most), _BEYOND)


def height(bits: float) -> str:
    """A surprisal as a bar that stands, a step for two bits: readable without colour.

    >>> height(0.5), height(5), height(40)
    ('▁', '▃', '█')
    """
    return _HEIGHTS[min(len(_HEIGHTS) - 1, int(max(0.0, bits) // 2))] if bits == bits else " "


def surprisal_table(outlook: Outlook, console: Screen) -> RenderableType:
    """A line a token, with what it cost each model, in as many tables as there is room for models."""
    vocabulary = outlook.vocabulary
    signs = [console.shown(token_sign(vocabulary, token)) for token in outlook.ids.tolist()]
    margin = max(1, min(_TOKEN, console.width - _CELL - 2, max(map(cell_len, [*signs, "bits/token"]))))
    across = max(1, (console.width - margin) // _CELL)
    lines: list[RenderableType] = []
    for number, expected in enumerate(outlook.models, 1):
        for at, line in enumerate(_folded(console.shown(f"{number}  {expected.model}"), console.width)):
            lines.append(styled(line, "bold" if not at else ""))
    numbered = list(enumerate(outlook.models, 1))
    for start in range(0, len(numbered), across):
        part = numbered[start : start + across]
        lines += ["", pieces((padded("", margin), ""), *((f"{number:>{_CELL}}", "bold") for number, _ in part))]
        for at, sign in enumerate(signs):
            cells = [_cell(float(each.bits[at]), console) for _, each in part if each.bits is not None]
            lines.append(_fitted([(padded(sign, margin), ""), *cells], console.width))
        means = [float(each.bits.mean()) if len(each.bits) else 0.0 for _, each in part if each.bits is not None]
        cells = [(f"{mean:>{_CELL}.2f}", "bold") for mean in means]
        lines.append(_fitted([(padded("bits/token", margin), "bold"), *cells], console.width))
    return group(*lines)


def _cell(bits: float, console: Screen) -> Piece:
    text = console.shown(f"{height(bits)} {bits:.2f}" if bits < 1e4 else "∞")
    return f"{text:>{_CELL}}", style_of(bits)
