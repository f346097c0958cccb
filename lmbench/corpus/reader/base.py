"""The contract that every reader keeps: whether it takes a source, what the source depends on, its documents."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from lmbench.corpus.decode import Reading
from lmbench.corpus.spool import Spools
from lmbench.corpus.text import Text
from lmbench.errors import LmbenchError
from lmbench.progress import Progress


class Source(Protocol):
    """Where documents come from. `name` is what records call it."""

    name: str

    def key(self) -> Any:
        """JSON that changes when the source does (size, time of change); None: never kept for another run."""

    def write(self, spools: Spools, progress: Progress) -> dict[str, Any]:
        """Write the documents; returns what the corpus card is to say besides the usual.

        `notes` in it is a list of sentences. Raises LmbenchError naming the file and the
        place where it cannot be read.
        """


class Reader(Source, Protocol):
    """A source outside the program, of one kind."""

    def __init__(self, source: str, reading: Reading) -> None: ...

    @staticmethod
    def claims(source: str) -> bool:
        """Whether `source`, as the user wrote it, is of this kind."""


@runtime_checkable
class InPlace(Protocol):
    """A source whose text may be usable where it lies, without a copy."""

    def in_place(self, progress: Progress) -> Text | None:
        """The text, None where it has to be written out after all."""


class UnreachableError(LmbenchError):
    """A source that is somewhere else, and cannot be had from there now."""
