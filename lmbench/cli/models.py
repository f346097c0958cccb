"""`lmbench models`: what there is, read from the sources."""

from __future__ import annotations

from lmbench.cli._listing import Name, show
from lmbench.cli._options import Json

__all__ = ["models"]

PANEL = "List what there is"


def models(name: Name = None, json: Json = False) -> None:
    """List the language models, with their options and defaults."""
    from lmbench.model import models as registry

    show(registry, name, json)
