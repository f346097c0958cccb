"""The Lempel-Ziv parsing of 1978."""

from __future__ import annotations

import math
import time
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lmbench.entropy._symbols import new_symbols, symbols_of
from lmbench.entropy.base import Estimate, Unit
from lmbench.errors import LmbenchError
from lmbench.progress import Progress, Task
from lmbench.tokens import Tokens

__all__ = ["Lz78"]

_CHUNK = 1 << 18


class Lz78:
    """Entropy rate from the number of phrases in the Lempel-Ziv parsing of 1978.

    Each phrase is the shortest run of symbols that is not a phrase yet, an earlier phrase and one
    symbol more (Ziv & Lempel 1978); of a text of n symbols into c phrases, h = c log2(c) / n, the
    length of the pointers that name them. Training and test text are read as one stream,
    documents end to end. The value converges very slowly, with a bias of either sign: a large
    alphabet, whose new symbols the pointers leave out, pulls it down, and memory pushes it up. One
    parsing is one number: there is no interval. At 1,000,000 symbols the bias goes from -0.36 bits (26
    uniform symbols) to +0.33 (a context-free grammar; results/reference/calibration.md).

    Worked example, "aababbbab": a | ab | abb | b | ab, c = 5 (the last phrase is cut short by the
    end), h = 5 * 2.3219 / 9 = 1.29 bits.

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
        with progress.task(f"LZ78 ({self.unit})", length) as task:
            phrases = _phrases(symbols.ids, symbols.alphabet, task)
        bits = phrases * math.log2(phrases) / length
        note = (
            f"{phrases:,} phrases in {length:,} symbols of training and test text; converges very slowly, with a bias "
            f"of either sign; one parsing, no interval{new_symbols(symbols, self.unit)}"
        )
        return [symbols.estimate(f"LZ78 ({self.unit})", bits, None, note, time.perf_counter() - started, {})]


def _phrases(ids: NDArray[np.integer[Any]], alphabet: int, task: Task) -> int:
    """How many phrases there are. The tree of phrases is a table from (phrase, symbol) to the longer phrase."""
    longer: dict[int, int] = {}
    phrase = 0  # 0 is the empty phrase
    for start in range(0, len(ids), _CHUNK):
        chunk = ids[start : start + _CHUNK].tolist()
        for symbol in chunk:
            key = phrase * alphabet + symbol
            phrase = longer.get(key, 0)
            if not phrase:
                longer[key] = len(longer) + 1
        task.advance(len(chunk))
    return len(longer) + (phrase > 0)
