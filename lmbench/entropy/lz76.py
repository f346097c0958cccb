"""The Lempel-Ziv complexity of 1976."""

from __future__ import annotations

import math
import time
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lmbench.entropy._matches import earlier_matches
from lmbench.entropy._symbols import new_symbols, show_sorting, symbols_of
from lmbench.entropy.base import Estimate, Unit
from lmbench.errors import LmbenchError
from lmbench.progress import Progress
from lmbench.tokens import Tokens

__all__ = ["Lz76"]


class Lz76:
    """Entropy rate from the number of phrases in the Lempel-Ziv parsing of 1976.

    Each phrase is the shortest run of symbols not seen to begin earlier in the text (Lempel & Ziv
    1976); a text of n symbols and entropy rate h has about h n / log2 n of them (Ziv 1978), so
    h = c log2(n) / n. Training and test text are read as one stream, documents end to end.
    The value converges as 1 / log n, with a bias of either sign: at 1,000,000 symbols from -0.36 bits
    (26 uniform symbols) to +0.18 (a context-free grammar; results/reference/calibration.md). One
    parsing is one number: there is no interval.

    Worked example, "0001101001000101": 0 | 001 | 10 | 100 | 1000 | 101, c = 6, h = 6 * 4 / 16 = 1.5 bits.

    Args:
        unit: the symbols: token (of the run's tokenizer), word (between white space), char or byte
    """

    def __init__(self, unit: Literal["token", "word", "char", "byte"] = "char") -> None:
        self.unit: Unit = unit

    def estimate(self, train: Tokens, test: Tokens, progress: Progress) -> list[Estimate]:
        started = time.perf_counter()
        symbols = symbols_of(train, test)
        length = len(symbols)
        if length < 2:
            raise LmbenchError(
                f"the Lempel-Ziv parsing needs at least 2 symbols, the text has {length}; give more text"
            )
        with progress.task(f"LZ76 ({self.unit})") as task:
            matches = earlier_matches(symbols.ids, show_sorting(task))
        phrases = _phrases(matches)
        bits = phrases * math.log2(length) / length
        note = (
            f"{phrases:,} phrases in {length:,} symbols of training and test text; converges slowly, with a bias of "
            f"either sign; one parsing, no interval{new_symbols(symbols, self.unit)}"
        )
        return [symbols.estimate(f"LZ76 ({self.unit})", bits, None, note, time.perf_counter() - started, {})]


def _phrases(matches: NDArray[np.int64]) -> int:
    """How many steps of one match and one symbol it takes to pass through the text."""
    at, phrases = 0, 0
    while at < len(matches):
        at += int(matches[at]) + 1
        phrases += 1
    return phrases
