"""All that is measured of the structure of one text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from lmbench.entropy._symbols import symbols_of
from lmbench.errors import LmbenchError
from lmbench.progress import Progress
from lmbench.spec import Spec
from lmbench.structure.dependence import Dependence, dependence
from lmbench.structure.lexicon import Heaps, Zipf, heaps, zipf
from lmbench.structure.pairs import sequence_of
from lmbench.structure.scaling import Scaling, scaling
from lmbench.tokens import Tokens

T = TypeVar("T")


@dataclass(frozen=True)
class Structure:
    """`unit`: of the symbols at a distance; `lexicon`: the types of Zipf's and Heaps' laws, in words.

    `refused`: {what: why} of the laws that could not be fitted, which are None.
    """

    unit: str
    symbols: int
    dependence: Dependence
    scaling: Scaling
    lexicon: str
    types_of: int
    zipf: Zipf | None
    heaps: Heaps | None
    refused: dict[str, str]

    def json(self) -> dict[str, Any]:
        return asdict(self)


def structure(
    text: Tokens,
    unit: str,
    lexicon: Tokens,
    lexicon_unit: str,
    model: Spec | None,
    progress: Progress,
    seed: int = 0,
) -> Structure:
    """Measure `text`, whose tokens are of `unit`, and the vocabulary of `lexicon`, the same text in larger units.

    `model` is fitted again and again for its loss against training data; None for no such measurement. Raises
    LmbenchError where the text is too short for any dependence to be seen.
    """
    symbols, types = symbols_of(text), symbols_of(lexicon)
    found = dependence(sequence_of(symbols), progress, seed)
    refused: dict[str, str] = {}

    def law(name: str, fit: Callable[[], T]) -> T | None:
        try:
            return fit()
        except LmbenchError as error:
            refused[name] = str(error)
            return None

    return Structure(
        unit=unit,
        symbols=len(symbols),
        dependence=found,
        scaling=scaling(symbols, found, text, model, progress, seed),
        lexicon=lexicon_unit,
        types_of=len(types),
        zipf=law("zipf", lambda: zipf(types)),
        heaps=law("heaps", lambda: heaps(types)),
        refused=refused,
    )
