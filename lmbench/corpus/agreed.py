"""What a run names outside of its own folder, and whether the user of this machine has agreed to that.

A plan says which texts to read, a model that was not trained here says whose weights it is. Where the user typed it,
that is written down in the cache at once; what stands in a record that came from elsewhere is followed only after
`lmbench trust RUN`, which writes down the same. Whoever made a record cannot write into the cache of whoever reads it.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from lmbench.corpus.cache import default_cache, key_of
from lmbench.errors import LmbenchError
from lmbench.invocation import command
from lmbench.runs import RECORD


def agree(kind: str, named: Any) -> None:
    """Write down that `named`, JSON values, may be followed. A cache that cannot be written asks again later."""
    with suppress(OSError):
        path = _place(kind, named)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def agreed(kind: str, named: Any) -> bool:
    """Whether that was written down here."""
    return _place(kind, named).is_file()


def demand(kind: str, named: Any, where: Path, what: str) -> None:
    """Raises LmbenchError, which says that `where`, a run or a file in it, names `what`, unless it was agreed to."""
    if not agreed(kind, named):
        run = next((folder for folder in (where, *where.parents) if (folder / RECORD).is_file()), where)
        raise LmbenchError(
            f"{where} names {what}, and was not made on this machine: nothing outside of its folder is read for it; "
            f"if you trust whoever made the run: {command('trust', run)}"
        )


def _place(kind: str, named: Any) -> Path:
    return default_cache() / "agreed" / key_of(kind, named)
