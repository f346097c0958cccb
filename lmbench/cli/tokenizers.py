"""`lmbench tokenizers`: what there is, read from the sources."""

from __future__ import annotations

from lmbench.cli._listing import Name, show
from lmbench.cli._options import Json

__all__ = ["tokenizers"]

PANEL = "List what there is"


def tokenizers(name: Name = None, json: Json = False) -> None:
    """List the tokenizers, with their options and defaults."""
    from lmbench.tokenizer import tokenizers as registry

    show(registry, name, json)
