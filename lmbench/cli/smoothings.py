"""`lmbench smoothings`: what there is, read from the sources."""

from __future__ import annotations

from lmbench.cli._listing import Name, show
from lmbench.cli._options import Json

__all__ = ["smoothings"]

PANEL = "List what there is"


def smoothings(name: Name = None, json: Json = False) -> None:
    """List the smoothings of n-gram models, for ngram(smoothing=...), with their options and defaults."""
    from lmbench.smoothing import smoothings as registry

    show(registry, name, json)
