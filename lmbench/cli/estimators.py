"""`lmbench estimators`: what there is, read from the sources."""

from __future__ import annotations

from lmbench.cli._listing import Name, show
from lmbench.cli._options import Json

__all__ = ["estimators"]

PANEL = "List what there is"


def estimators(name: Name = None, json: Json = False) -> None:
    """List the estimators of the entropy of a source, with their options and defaults."""
    from lmbench.entropy import estimators as registry

    show(registry, name, json)
