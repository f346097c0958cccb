"""Scripts that are written without spaces between words."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# First and last code points of scripts that are written without spaces between words (Unicode 15, chapters 16 to 18):
# Thai and Lao, Tibetan, Myanmar, Khmer, kana, Han, half-width kana, Han of the supplementary planes.
_UNSPACED = (
    (0x0E00, 0x0EFF), (0x0F00, 0x0FFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x30FF), (0x31F0, 0x31FF),
    (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0xFF66, 0xFF9F), (0x20000, 0x3FFFF),
)  # fmt: skip
MOST_UNSPACED = 0.5  # share of a text's visible characters above which white space does not separate its words


def code_points(text: str) -> NDArray[np.uint32]:
    """[n] the code points of `text`."""
    return np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)


def count_unspaced(points: NDArray[np.unsignedinteger[Any]]) -> int:
    """How many of the code points `points` belong to scripts that put no space between words."""
    return sum(int(np.count_nonzero((points >= first) & (points <= last))) for first, last in _UNSPACED)


def unspaced_share(text: str) -> float:
    """The share of the visible characters of `text` that belong to scripts which put no space between words.

    >>> unspaced_share("三四郎 ab")
    0.6
    """
    shown = "".join(text.split())
    return count_unspaced(code_points(shown)) / len(shown) if shown else 0.0
