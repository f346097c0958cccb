"""Models of counts, opened to score a short text at once: what they need of their files, and no torch.

`load` knows the kinds that can be opened so; every other is loaded whole. The scores are the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lmbench import files
from lmbench.counts.lookup import Lookup
from lmbench.model.base import ModelCard
from lmbench.model.uniform import Uniform
from lmbench.progress import Progress
from lmbench.tokens import Tokens


class Scoring(Protocol):
    """What scoring a text asks of a model: see `model.base.Model`."""

    @property
    def card(self) -> ModelCard: ...

    def log_probs(self, tokens: Tokens, progress: Progress) -> NDArray[np.float64]: ...


@dataclass(frozen=True, eq=False)
class _Ngrams:
    """`aliases`: of an ARPA model, the file's word for each token; `unknown` and `shared`: the word that so many
    tokens have in common."""

    path: Path
    lookup: Lookup
    card: ModelCard
    aliases: NDArray[np.integer[Any]] | None = None
    unknown: int = -1
    shared: int = 1

    @property
    def size(self) -> int:
        return self.lookup.size if self.aliases is None else len(self.aliases)

    def log_probs(self, tokens: Tokens, progress: Progress) -> NDArray[np.float64]:
        ids = tokens.ids if self.aliases is None else self.aliases[tokens.ids]
        with files.whole(self.path, "n-gram model"):
            scores = self.lookup.score(ids)
        scores[ids == self.unknown] -= math.log(self.shared)
        return scores


def _ngram(home: Path) -> _Ngrams:
    path = home / "ngrams.safetensors"
    with files.whole(path, "n-gram model"):
        lookup = Lookup.open(path)
    return _Ngrams(path, lookup, ModelCard.load(home / "card.json"))


def _arpa(home: Path) -> _Ngrams:
    plain = _ngram(home)
    words = plain.lookup.size
    with files.whole(home / "arpa.json", "ARPA model"):
        state = files.read_json(home / "arpa.json")
        unknown = files.whole_number(state, "unknown", -1, words - 1)
        shared = files.whole_number(state, "shared", 1, files.MOST_TOKENS)
    with files.whole(home / "aliases.npy", "ARPA model"):
        aliases = files.read_array(home / "aliases.npy", (np.int32, np.int64), (None,))
        files.index(aliases, words, "an alias")
    return _Ngrams(plain.path, plain.lookup, plain.card, aliases, unknown, shared)


_KINDS: dict[str, Callable[[Path], _Ngrams | Uniform]] = {"ngram": _ngram, "arpa": _arpa, "uniform": Uniform.load}


def load(name: str, home: Path, size: int) -> Scoring | None:
    """The model of kind `name` that was saved in `home`, of `size` tokens; None where that kind is loaded whole.

    Raises LmbenchError naming a file that is not whole, or another vocabulary's.
    """
    if name not in _KINDS:
        return None
    found = _KINDS[name](home)
    with files.whole(home, "model"):
        if found.size != size:
            raise ValueError(f"it predicts {found.size:,} tokens, this run has {size:,}")
    return found
