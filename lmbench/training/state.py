"""How far a training has come, and what of it is read back from a checkpoint."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from lmbench import files

_MOST = 1 << 53  # of a count
_LARGEST = 1e30  # of a figure: operations of a training are many


@dataclass
class State:
    """All that a checkpoint holds besides tensors. JSON values only."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    validations: int = 0
    validation_seconds: float = 0.0
    best: float | None = None  # nats per token
    best_tokens: int = 0
    since_best: int = 0
    starting_seconds: float = 0.0  # before the clock of the budget starts: kernels compiled, memory taken
    decay_begin: float = 1.0
    decay_end: float = 1.0
    done: bool = False
    timed_steps: int = 0  # of those whose length could be measured: not the first, nor those around a validation
    timed_seconds: float = 0.0
    losses: list[float] = field(default_factory=list)  # since the last point of the curve
    curve: list[dict[str, float | None]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, content: Any) -> Self:
        """The state in what `json` gives of a file. Raises ValueError where it is none."""
        if not isinstance(content, dict) or content.keys() != {each.name for each in fields(cls)}:
            raise ValueError("the state has other fields")
        found = cls(**content)
        for name, value in asdict(cls()).items():
            if isinstance(value, bool):
                files.field(content, name, bool)
            elif isinstance(value, int):
                files.whole_number(content, name, 0, _MOST)
            elif isinstance(value, float):
                files.numbers(files.field(content, name, (int, float)), (), 0, _LARGEST)
        if not 0 <= found.decay_begin <= found.decay_end <= 1:
            raise ValueError("the learning rate's fall does not begin before it ends")
        files.numbers(files.field(content, "losses", list), (len(found.losses),), -_LARGEST, _LARGEST)
        _known([{"best": found.best}], ("best",))
        _known(files.field(content, "curve", list), ("tokens", "seconds", "flops", "train", "valid"))
        if not all(isinstance(note, str) for note in files.field(content, "notes", list)):
            raise ValueError("a note is no text")
        return found


def _known(points: list[Any], names: tuple[str, ...]) -> None:
    """Raises ValueError unless each point has under `names`, and under no other name, a number or null."""
    for point in points:
        if not isinstance(point, dict) or point.keys() != set(names):
            raise ValueError("a point of the curve has other columns")
        given = [value for value in point.values() if value is not None]
        files.numbers(given, (len(given),), -_LARGEST, _LARGEST) if given else None
